"""What `nightread models` says of releases, as documents."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db.promotions import active_at
from db.session import connect
from nightread import shapes
from nightread.settings import Settings
from triton_repo.ahead import Compiled
from triton_repo.contract import Tensor
from triton_repo.release import Release, ReleaseError, load, names


def sites_by_release(settings: Settings) -> dict[str, list[str]] | None:
    """At which sites each release (its digest) is active; None when the database can't be asked.

    One try: what releases there are is worth knowing without a database too.
    """
    if settings.database_url is None:
        return {}
    engine: Engine = connect(settings.database_url)
    try:
        with Session(engine) as session:
            return active_at(session)
    except DBAPIError:
        return None
    finally:
        engine.dispose()


def listed(releases: Path, sites: Mapping[str, list[str]]) -> shapes.ListDocument:
    """Every release of a folder, the newest last."""
    found = names(releases)
    return shapes.ListDocument(
        releases=[_listed(releases / name, newest=name == found[-1], sites=sites) for name in found]
    )


def _listed(folder: Path, *, newest: bool, sites: Mapping[str, list[str]]) -> shapes.ListedRelease:
    try:
        release = load(folder)
    except ReleaseError as error:
        return shapes.ListedRelease(
            name=folder.name,
            digest=None,
            refused=str(error),
            newest=newest,
            valid_for=[],
            description=None,
            active_at=[],
        )
    return shapes.ListedRelease(
        name=folder.name,
        digest=release.digest,
        refused=None,
        newest=newest,
        valid_for=list(release.manifest.valid_for),
        description=release.manifest.description,
        active_at=sites.get(release.digest, []),
    )


def verified(
    release: Release, target: str, problems: list[str], plans: Iterable[Compiled] = ()
) -> shapes.VerifyDocument:
    manifest = release.manifest
    return shapes.VerifyDocument(
        name=manifest.name,
        digest=release.digest,
        target=target,
        files=len(manifest.files),
        canary_boxes=manifest.canary.count,
        reference_views=len(manifest.reference.views),
        problems=problems,
        compiled=[
            shapes.CompiledGraph(
                graph=plan.graph,
                precision=plan.precision,
                generation=plan.generation,
                layers=plan.layers,
                plan_bytes=plan.plan_bytes,
                refused=plan.refused or None,
            )
            for plan in plans
        ],
    )


def shown(release: Release) -> shapes.ShowDocument:
    """All that a release says of itself but the answers that it must give."""
    manifest = release.manifest
    scale = manifest.scale
    return shapes.ShowDocument(
        name=manifest.name,
        digest=release.digest,
        description=manifest.description,
        intended_use=manifest.intended_use,
        valid_for=list(manifest.valid_for),
        models=[
            shapes.ModelShape(
                name=step.model.name,
                reads=_tensors(step.model.inputs),
                answers=_tensors(step.model.outputs),
            )
            for step in release.steps
        ],
        precision=manifest.precision,
        preparation=shapes.PreparationShape(**asdict(manifest.preparation)),
        calibration=shapes.CalibrationShape.model_validate(asdict(manifest.calibration)),
        operating_points=shapes.OperatingPoints(
            finding_threshold=manifest.finding_threshold,
            steps=list(scale.steps),
            urgent=scale.urgent,
            soon=scale.soon,
            routine=scale.routine,
        ),
        reference=shapes.ReferenceShape(
            tolerances={
                target: shapes.ToleranceShape(**tolerance.model_dump())
                for target, tolerance in manifest.reference.tolerances.items()
            },
            boxes={name: view.count for name, view in manifest.reference.views.items()},
        ),
    )


def _tensors(tensors: Iterable[Tensor]) -> list[shapes.TensorShape]:
    return [shapes.TensorShape(name=t.name, dtype=t.dtype, dims=list(t.dims)) for t in tensors]
