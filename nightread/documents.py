"""From what the database says to the documents that other programs rely on."""

from datetime import UTC, datetime

from db.rejudge import Rejudged
from db.runs import Run
from db.summary import Summary
from db.worklist import WorklistItem as Item
from db.worklist import WorklistPage
from mammo.codes import RETRIED_OBJECT_REASONS, NotScored
from nightread import shapes

SILENT_S = 60  # a run that lives says so every 2 s; a lost connection is tried for 8 s


def screen_fields(run: Run, counted: Summary) -> dict[str, object]:
    """The fields of `screen`, `demo` and `status`."""
    return {
        "run": str(run.id),
        "release": run.release,
        "objects": shapes.Objects(
            listed=counted.listed,
            with_instances=counted.with_instances,
            without_instance=counted.without_instance,
        ),
        "instances": shapes.Instances(
            indexed=counted.indexed,
            accepted=counted.accepted,
            excluded=counted.excluded,
            quarantined=counted.quarantined,
        ),
        "reasons": counted.reasons,
        "studies": shapes.Studies(
            known=counted.known,
            screened_now=counted.screened_now,
            already_current=counted.already_current,
            scored=counted.scored,
            not_scored=counted.not_scored,
            pending=counted.pending,
            not_mammography=counted.not_mammography,
        ),
        "not_scored_reasons": counted.not_scored_reasons,
        "seconds": shapes.Seconds(
            total=round(counted.seconds_total, 3),
            by_stage=shapes.StageSeconds(
                **{name: round(s, 3) for name, s in counted.seconds_by_stage.items()}
            ),
        ),
        "studies_per_minute": round(counted.studies_per_minute, 2),
        "header_bytes": shapes.HeaderBytes(
            read=counted.header_bytes_read, needed=counted.header_bytes_needed
        ),
    }


def screened(run: Run, counted: Summary) -> shapes.ScreenDocument:
    return shapes.ScreenDocument.model_validate(screen_fields(run, counted))


def to_be_tried_again(counted: Summary) -> dict[str, int]:
    """What the next run tries again, by reason: exit code 4 when there is any."""
    studies = {
        reason: n for reason, n in counted.not_scored_reasons.items() if not NotScored[reason].final
    }
    objects = {
        reason: n for reason, n in counted.reasons.items() if reason in RETRIED_OBJECT_REASONS
    }
    return objects | studies


def rejudged(found: Rejudged) -> shapes.RejudgeDocument:
    """The most frequent change first."""
    return shapes.RejudgeDocument(
        judged=found.judged,
        changed=found.changes.total(),
        changes=[
            shapes.ChangedVerdicts(before=change.before, after=change.after, instances=n)
            for change, n in sorted(found.changes.items(), key=lambda item: (-item[1], item[0]))
        ],
        moved=found.moved,
    )


def worklist(page: WorklistPage) -> shapes.WorklistDocument:
    return shapes.WorklistDocument(
        items=[listed(item) for item in page.items],
        counts={str(level): n for level, n in page.counts.items()},
        next=page.next,
    )


def listed(item: Item) -> shapes.WorklistItem:
    """A study as the list shows it."""

    def breast(side: str) -> shapes.BreastShape | None:
        said = item.breasts.get(side)
        if said is None:
            return None
        return shapes.BreastShape(score=said.score, probability=said.probability)

    return shapes.WorklistItem(
        study_uid=item.study_uid,
        pseudonym=item.pseudonym,
        rank=item.rank,
        level=str(item.level),
        score=item.score,
        probability=item.probability,
        breasts=shapes.BreastsShape(L=breast("L"), R=breast("R")),
        findings=[
            shapes.FindingShape(
                laterality=finding.laterality,
                view=finding.view,
                sop_instance_uid=finding.sop_instance_uid,
                box=finding.box,
                kind=finding.kind,
                probability=finding.probability,
                score=finding.score,
                location=finding.location,
            )
            for finding in item.findings
        ],
        missing_views=list(item.missing_views),
        warnings=list(item.warnings),
        exclusions=[
            shapes.ExclusionShape(sop_instance_uid=e.sop_instance_uid, reason=e.reason)
            for e in item.exclusions
        ],
        release=item.release,
        study_date=item.study_date.isoformat() if item.study_date else None,
        site=item.site,
        status=str(item.status),
        claimed_by=item.claimed_by,
        aged=item.aged,
    )


def status(run: Run, counted: Summary) -> shapes.StatusDocument:
    """A run that says nothing any more was killed: the next one goes on where it stopped."""
    silent = (datetime.now(UTC) - run.heartbeat_at).total_seconds() > SILENT_S
    state = "interrupted" if run.state == "running" and silent else run.state
    rate = counted.studies_per_minute
    left = 60 * counted.pending / rate if state == "running" and rate else None
    return shapes.StatusDocument.model_validate(
        screen_fields(run, counted)
        | {
            "state": state,
            "seconds_left": left,
        }
    )
