"""A small night: files of a phantom in S3, indexed by their real headers, results written as a job does."""

import hashlib
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.filewriter import dcmwrite
from sqlalchemy import text
from sqlalchemy.orm import Session

from db import results
from db.index import ListedObject, ObjectOutcome, indexed, listed
from db.plan import PlannedStudy, close_unscorable, pending
from db.results import BreastScore, FoundBox, PixelVerdict, StudyResult, UsedInstance
from db.runs import Prefix, Run, finish, register_release, start
from mammo import phantoms
from mammo.codes import Kind, Level, Reason, Verdict
from mammo.header import parse
from mammo.pseudonym import Pseudonyms
from mammo.verdict import Policy, judge
from mammo.views import Laterality
from nightread.stack import seaweedfs
from ray_jobs.indexing import instance_of

PREFIX = Prefix(seaweedfs.ARCHIVE, "pages/")
RELEASE = "c" * 64
NAME = "PLANTED^Öra^M"
SEED = 40_713
# Study: patient, date, views that it lacks.
STUDIES: dict[str, tuple[str, str, frozenset[str]]] = {
    "urgent": ("one", "20261120", frozenset()),
    "prior": ("one", "20241118", frozenset()),
    "incomplete": ("two", "20261121", frozenset({"LMLO"})),
    "double": ("three", "20261121", frozenset()),
    "pending": ("four", "20261122", frozenset()),
    "mixed": ("five", "20261122", frozenset()),
    "old": ("six", "20260301", frozenset()),
}
SAID = {
    "urgent": (Level.URGENT, 10, 0.9),
    "prior": (Level.LOW, 2, 0.03),
    "incomplete": (Level.SOON, 8, 0.5),
    "double": (Level.SOON, 7, 0.4),
    "old": (Level.ROUTINE, 4, 0.1),
}
LESIONS = {
    ("L", "MLO"): (Kind.MASS, 10, 0.9, "posterior third, upper half"),
    ("R", "CC"): (Kind.CALCIFICATION, 3, 0.06, "middle third, lateral half"),
}


def uid_of(study: str) -> str:
    return f"1.2.826.0.2.{list(STUDIES).index(study) + 1}"


@cache
def views() -> tuple[Dataset, ...]:
    """Of one phantom, as all studies here show it."""
    (plan,) = phantoms.plan(1, SEED)
    return tuple(
        dcmread(BytesIO(phantoms.encode(image)))
        for image in phantoms.render(plan, phantoms.Resolution.WORKING)
    )


def files(study: str) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each file of a study."""
    patient, day, lacking = STUDIES[study]
    for number, view in enumerate(views(), 1):
        name = f"{view.ImageLaterality}{view.ViewPosition}"
        if name in lacking:
            continue
        view.StudyInstanceUID, view.StudyDate = uid_of(study), day
        view.SeriesInstanceUID = f"{uid_of(study)}.0"
        view.SOPInstanceUID = f"{uid_of(study)}.{number}"
        view.file_meta.MediaStorageSOPInstanceUID = view.SOPInstanceUID
        other = study == "mixed" and number > 2
        view.PatientName, view.PatientID = NAME, f"{patient}{'-other' if other else ''}"
        view.PatientBirthDate, view.AccessionNumber = "19600229", f"A-{study}"
        out = BytesIO()
        dcmwrite(out, view, enforce_file_format=True)
        yield f"{study}/{name}.dcm", out.getvalue()


def fill(session: Session, s3: Any, settings: str) -> Run:
    """All of STUDIES, and what was said of those in SAID; `settings` are those of the only site."""
    session.execute(text("UPDATE sites SET settings = CAST(:s AS jsonb)"), {"s": settings})
    register_release(session, RELEASE, "base-test", {"name": "base-test"})
    run = start(session, PREFIX, RELEASE, "0.1.0+abc", "host:1")
    digests = {sop: sha for study in STUDIES for sop, sha in _put(session, run, s3, study)}
    for plan in pending(session, run.id, 100):
        study = next(name for name in STUDIES if uid_of(name) == plan.study_uid)
        if study in SAID:
            results.record(session, run.id, _result(study, plan, digests))
    close_unscorable(session, run.id)
    session.execute(
        text("UPDATE worklist SET aged_at = now() WHERE study_uid = :uid"), {"uid": uid_of("old")}
    )
    finish(session, run.id, "finished")
    return run


def _put(session: Session, run: Run, s3: Any, study: str) -> Iterator[tuple[str, str]]:
    pseudonyms, policy = Pseudonyms(b"k" * 32), Policy()
    for name, data in files(study):
        key = f"{PREFIX.key}{name}"
        stored = s3.put_object(Bucket=PREFIX.bucket, Key=key, Body=data)
        (ref,) = listed(
            session, run.id, PREFIX.bucket, [ListedObject(key, stored["ETag"], len(data))]
        )
        header = parse(data, len(data))
        assert header.facts is not None
        assert header.identity is not None
        held = instance_of(
            header.facts,
            header.identity,
            judge(header.facts, policy),
            pseudonyms,
            policy.rule_version,
        )
        indexed(session, [ObjectOutcome(ref.id, None, (held,))])
        yield header.facts.sop_instance_uid, hashlib.sha256(data).hexdigest()


def _result(study: str, plan: PlannedStudy, digests: dict[str, str]) -> StudyResult:
    level, score, probability = SAID[study]
    marked = LESIONS if study in ("urgent", "double") else {}
    rows, columns = views()[0].Rows, views()[0].Columns
    found = []
    for one in plan.instances:
        lesion = marked.get((one.laterality, one.view))
        if lesion is None:
            continue
        x = columns * (0.15 if one.laterality == "L" else 0.75)
        kind, of_box, p, location = lesion
        box = (x, rows * 0.42, x + columns * 0.1, rows * 0.42 + columns * 0.1)
        found.append(
            FoundBox(
                one.sop_instance_uid, Laterality(one.laterality), one.view, box, kind, p, of_box,
                location,
            )
        )  # fmt: skip
    sure = [(one, digests[one.sop_instance_uid]) for one in plan.instances]
    return StudyResult(
        study_id=plan.id,
        fingerprint=plan.fingerprint,
        level=level,
        score=score,
        probability=probability,
        left=BreastScore(score, probability),
        right=BreastScore(2, 0.02),
        missing_views=tuple(STUDIES[study][2]),
        findings=tuple(sorted(found, key=lambda box: -box.probability)),
        used=tuple(UsedInstance(one.sop_instance_uid, sha) for one, sha in sure),
        verdicts=tuple(
            PixelVerdict(one.id, Verdict.ACCEPTED, Reason.OK, "", one.flags, sha)
            for one, sha in sure
        ),
    )
