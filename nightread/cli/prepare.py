"""`nightread prepare`: what the model sees of a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightread.cli.options import Config, Json

if TYPE_CHECKING:
    from mammo.prepare import Preparation

FORMATS = (".png", ".npz")


def command(
    path: Annotated[
        Path, typer.Argument(help="A DICOM file, or a picture.", exists=True, dir_okay=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", help="FILE.png to look at, FILE.npz with the tensor.")
    ],
    boxes: Annotated[
        Path | None,
        typer.Option(
            help="JSON: boxes in native pixels, a worklist, or a truth.json.", exists=True
        ),
    ] = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Write the prepared view of a file: its crop on the native image, and the tensor beside it.

    A JPEG, WebP, PNG, PGM or TIFF is taken as 8-bit gray and prepared with the same geometry.

    Example: nightread prepare image.dcm --out view.png --boxes worklist.json
    """
    from nightread.errors import UsageError
    from nightread.preparing import prepare_file, write_picture, write_tensor

    if out.suffix not in FORMATS:
        raise UsageError(f"--out {out} must end in .png or .npz.")
    name, params = _release(config)
    view = prepare_file(path, params)
    if out.suffix == ".npz":
        write_tensor(view, out)
    else:
        write_picture(view, boxes, out)
    document = view.document(name)
    if as_json:
        typer.echo(document.model_dump_json(indent=1))
    else:
        typer.echo(
            f"{out}: {document.laterality or '?'} {document.view or '?'}, "
            f"{document.voi or 'gray'}, scale "
            f"{document.geometry.scale:.3f}, {sum(document.milliseconds.model_dump().values()):.0f} ms"
        )


def _release(config: Path | None) -> "tuple[str, Preparation]":
    from nightread.releases import open_chosen
    from nightread.settings import load_settings

    release = open_chosen(None, load_settings(config))
    return release.manifest.name, release.manifest.preparation
