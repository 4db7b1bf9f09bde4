"""CBIS-DDSM's mass films, reduced to 800 x 800 (Lee et al., Scientific Data 4:170177, 2017).

The official split, by patient. Films were squeezed to a square; 800 x 480 makes breasts look
right. Masses have boxes; calcifications that some films also hold have none.
"""

from pathlib import Path

from mammo.codes import Kind, SourceKind
from mammo.views import Laterality
from training.datasets.folders import held_back, labels, lesions
from training.datasets.record import Lesion, Record, Split

NAME = "cbis-ddsm-mass-800"
SHAPE = (800, 480)  # rows, columns: native films are 1.55 to 1.8 times as high as wide


def read(folder: Path) -> list[Record]:
    """The films of `images/`, in the order of labels.csv."""
    rows, marked = labels(folder), lesions(folder)
    return [
        Record(
            source=NAME,
            name=row["image"],
            path=folder / row["file"],
            source_kind=SourceKind.FILM,
            patient=row["patient"],
            laterality=Laterality(row["laterality"]),
            view=row["view"],
            split=Split.TEST if row["split"] == "test" else held_back(NAME, row["patient"]),
            malignant=row["label"] == "M",
            lesions=tuple(
                Lesion(_unsqueezed(line["bbox"]), Kind.MASS, _malignant(line["pathology"]))
                for line in marked[row["file"]]
            ),
            ignored=(),
            kinds=frozenset(Kind) if row["n_calc_rows"] == "0" else frozenset({Kind.MASS}),
            shape=SHAPE,
        )
        for row in rows
        if row["file"].startswith("images/")
    ]


def _unsqueezed(box: list[float]) -> tuple[float, float, float, float]:
    """A box on the 800 x 800 picture as one on the 800 x 480 picture."""
    across = SHAPE[1] / 800
    return box[0] * across, box[1], box[2] * across, box[3]


def _malignant(pathology: str | None) -> bool | None:
    return None if pathology is None else pathology == "M"
