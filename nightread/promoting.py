"""Making a release a site's active one, and going back.

A release is verified wholly before the database hears of it. The schema's owner does it: the job
reads which release is active and can't change it. Then the site's list follows, batch by batch
(`db.ranking`); what is interrupted is taken up by the next call, or by the next run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db import promotions
from db.promotions import Promotion, PromotionError, UnknownSite
from db.ranking import rerank
from db.runs import register_release
from db.session import connect, in_transaction
from nightread.errors import Refused, UsageError
from nightread.jobs import code_version, said_plainly
from nightread.releases import open_chosen, open_release, require_digest, require_sound
from nightread.settings import Settings
from nightread.shapes import NamedRelease, PromoteDocument
from triton_repo.release import Release


def promote(
    name: str, site: str, settings: Settings, releases: Path | None = None
) -> PromoteDocument:
    """Verify a release and make it the site's active one."""

    def made_active(session: Session) -> PromoteDocument:
        manifest = release.manifest.model_dump(mode="json")
        register_release(session, release.digest, release.manifest.name, manifest)
        before = promotions.promote(session, site, release.digest, code_version())
        return _document(session, site, before, release)

    with _as_owner(settings) as engine:
        in_transaction(engine, lambda session: promotions.active(session, site))  # there is one
        release = open_chosen(name, settings, releases)
        require_sound(release)
        return _followed(engine, in_transaction(engine, made_active))


def go_back(site: str, settings: Settings, releases: Path | None = None) -> PromoteDocument:
    """Make the release active again that was active before the last promotion."""

    def asked(session: Session) -> tuple[Promotion, str]:
        found = promotions.standing(session, site)
        return found, promotions.name_of(session, found.before)

    def made_active(session: Session) -> PromoteDocument:
        promotions.go_back(session, last, code_version())
        return _document(session, site, last.release, release)

    with _as_owner(settings) as engine:
        last, name = in_transaction(engine, asked)
        release = open_release(releases or settings.releases_dir, name)
        require_digest(release, last.before)
        require_sound(release)
        return _followed(engine, in_transaction(engine, made_active))


def _followed(engine: Engine, document: PromoteDocument) -> PromoteDocument:
    return document.model_copy(update={"reranked": rerank(engine, document.site)})


@contextmanager
def _as_owner(settings: Settings) -> Iterator[Engine]:
    engine = connect(settings.need("migration_database_url"))
    try:
        with said_plainly(settings, "migration_database_url"):
            yield engine
    except UnknownSite as error:
        raise UsageError(str(error)) from None
    except PromotionError as error:
        raise Refused(str(error)) from None
    finally:
        engine.dispose()


def _document(session: Session, site: str, before: str | None, release: Release) -> PromoteDocument:
    return PromoteDocument(
        site=site,
        before=NamedRelease(name=promotions.name_of(session, before), digest=before)
        if before
        else None,
        now=NamedRelease(name=release.manifest.name, digest=release.digest),
        reranked=0,
    )
