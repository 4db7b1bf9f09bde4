"""Findings over one image as Grayscale Softcopy Presentation State, for viewers without CAD SR.

The image keeps the rendering that its own header asks for. Sources: PS3.3 A.33.1, C.10.4
(displayed area), C.10.5 (graphic annotation), C.11.6 (softcopy presentation LUT), C.11.8 (VOI).
"""

from copy import deepcopy

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from mammo.lenient import items, numbers, texts
from mammo.lut import Lut, read_lut
from mammo.reports.contents import NOTICE, PRODUCT, Image, Mark, Report
from mammo.reports.modules import begun, by_series, item, local, reference, sealed, sequence
from mammo.voi import PREFERRED

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.11.1"
SERIES_NUMBER = 9402
LAYER = "NIGHTREAD"
CORAL = (45000, 46000, 42000)  # CIELab as 16 bit (PS3.3 C.10.7.1.1): light, towards red
GREY = 0xFFFF  # of the layer where there is no colour: white
CORNER = ([0.02, 0.02], [0.98, 0.06])  # of the notice, as a share of the display
LABEL_HEIGHT = 0.02  # of the image's rows


def gsps(report: Report, image: Image, header: Dataset, number: int) -> Dataset:
    """The state of one analysed image, whose `header` it is; `number` tells a study's states apart."""
    rows, columns = int(header.Rows), int(header.Columns)
    made = begun(report, "GSPS", SOP_CLASS, "PR", SERIES_NUMBER)
    made.Laterality = ""  # the series holds states of both breasts
    made.InstanceNumber = number
    made.ContentLabel = PRODUCT.upper()
    made.ContentDescription = NOTICE
    made.ContentCreatorName = ""  # no person
    made.PresentationCreationDate, made.PresentationCreationTime = local(report)
    made.ReferencedSeriesSequence = by_series([image], "ReferencedImageSequence")
    made.DisplayedAreaSelectionSequence = sequence(
        [
            item(
                DisplayedAreaTopLeftHandCorner=[1, 1],  # whole pixels, counted from 1
                DisplayedAreaBottomRightHandCorner=[columns, rows],
                PresentationSizeMode="SCALE TO FIT",
                PresentationPixelAspectRatio=[1, 1],
            )
        ]
    )
    made.GraphicLayerSequence = sequence(
        [
            item(
                GraphicLayer=LAYER,
                GraphicLayerOrder=1,
                GraphicLayerRecommendedDisplayGrayscaleValue=GREY,
                GraphicLayerRecommendedDisplayCIELabValue=list(CORAL),
                GraphicLayerDescription=f"{report.algorithm.release}. {NOTICE}"[:64],
            )
        ]
    )
    made.GraphicAnnotationSequence = sequence(_annotations(report, image, rows, columns))
    _modality(made, header)
    _voi(made, header)
    # P-values: the photometric interpretation of the image does not count (PS3.3 C.11.6.1).
    inverse = str(header.get("PhotometricInterpretation", "")).strip() == "MONOCHROME1"
    made.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"
    return sealed(made)


def _annotations(report: Report, image: Image, rows: int, columns: int) -> list[Dataset]:
    marks = report.marks_in(image)
    said = f"{len(marks)} finding{'' if len(marks) == 1 else 's'}" if marks else "no finding"
    notice = f"{PRODUCT} {report.algorithm.release}: {image.name}, {said}. {NOTICE}."
    made = item(
        ReferencedImageSequence=sequence([reference(image)]),
        GraphicLayer=LAYER,
        TextObjectSequence=sequence(
            [
                item(
                    BoundingBoxAnnotationUnits="DISPLAY",
                    UnformattedTextValue=notice,
                    BoundingBoxTopLeftHandCorner=CORNER[0],
                    BoundingBoxBottomRightHandCorner=CORNER[1],
                    BoundingBoxTextHorizontalJustification="LEFT",
                ),
                *(_label(mark, rows, columns) for mark in marks),
            ]
        ),
    )
    if marks:
        made.GraphicObjectSequence = sequence(_outline(mark) for mark in marks)
    return [made]


def label(mark: Mark) -> str:
    """What stands beside a box."""
    return f"{mark.kind} {mark.score}/10"


def _label(mark: Mark, rows: int, columns: int) -> Dataset:
    """Above the box, or below where there is no room."""
    x0, y0, _, y1 = mark.box
    height = LABEL_HEIGHT * rows
    top = y0 - height if y0 >= height else min(y1, rows - height)
    left = min(x0, columns - 1.0)
    return item(
        BoundingBoxAnnotationUnits="PIXEL",
        UnformattedTextValue=label(mark),
        BoundingBoxTopLeftHandCorner=[left, top],
        BoundingBoxBottomRightHandCorner=[min(left + 8 * height, float(columns)), top + height],
        BoundingBoxTextHorizontalJustification="LEFT",
    )


def _outline(mark: Mark) -> Dataset:
    """A closed polyline; (0, 0) is the outer corner of the top left pixel (PS3.3 C.10.5.1.2)."""
    x0, y0, x1, y1 = mark.box
    return item(
        GraphicAnnotationUnits="PIXEL",
        GraphicDimensions=2,
        NumberOfGraphicPoints=5,
        GraphicData=[x0, y0, x1, y0, x1, y1, x0, y1, x0, y0],
        GraphicType="POLYLINE",
        GraphicFilled="N",
    )


def _modality(made: Dataset, header: Dataset) -> None:
    """The image's own transform from stored values (PS3.3 C.11.1)."""
    if found := items(header, "ModalityLUTSequence"):
        made.ModalityLUTSequence = sequence([deepcopy(found[0])])
        return
    slope, intercept = numbers(header, "RescaleSlope"), numbers(header, "RescaleIntercept")
    if slope and intercept and (slope[0], intercept[0]) != (1.0, 0.0):
        made.RescaleIntercept, made.RescaleSlope = intercept[0], slope[0]
        made.RescaleType = next(iter(texts(header, "RescaleType")), "") or "US"


def _voi(made: Dataset, header: Dataset) -> None:
    """The rendering that the header prefers, as `mammo.voi` chooses it; none where it has none."""
    lowest = _lowest(header)
    offered = [
        (" ".join(texts(one, "LUTExplanation")).upper() not in PREFERRED, lut)
        for one in items(header, "VOILUTSequence")
        if (lut := read_lut(one, lowest, header)) is not None
    ]
    centers, widths = numbers(header, "WindowCenter"), numbers(header, "WindowWidth")
    words = [*texts(header, "WindowCenterWidthExplanation"), *[""] * len(centers)]
    windows = sorted(
        (offer for offer in zip(words, centers, widths, strict=False) if offer[2] > 0),
        key=lambda offer: offer[0].upper() not in PREFERRED,
    )
    if offered:
        _, lut = min(offered, key=lambda pair: pair[0])
        chosen = item(VOILUTSequence=sequence([_deep(lut)]))
    elif windows:
        word, center, width = windows[0]
        chosen = item(WindowCenter=center, WindowWidth=width)
        if word:
            chosen.WindowCenterWidthExplanation = word
        function = " ".join(texts(header, "VOILUTFunction")).upper()
        if function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
            chosen.VOILUTFunction = function
    else:
        return
    made.SoftcopyVOILUTSequence = sequence([chosen])


def _deep(lut: Lut) -> Dataset:
    """The same LUT with entries of 16 bits: a state takes 8 or 16, an image 10 and 12 too."""
    entries = np.rint(lut.entries * (0xFFFF / lut.white)).clip(0, 0xFFFF).astype("<u2")
    made = Dataset()
    vr = "SS" if lut.first < 0 else "US"
    made.add_new("LUTDescriptor", vr, [len(entries) % (1 << 16), lut.first, 16])
    made.add_new("LUTData", "OW", entries.tobytes())
    return made


def _lowest(header: Dataset) -> NDArray[np.float64]:
    """The least value that the modality transform can give: it tells a signed LUT from another."""
    bits = int((numbers(header, "BitsStored") or [16.0])[0])
    signed = numbers(header, "PixelRepresentation") == [1.0]
    slope = (numbers(header, "RescaleSlope") or [1.0])[0]
    intercept = (numbers(header, "RescaleIntercept") or [0.0])[0]
    ends = np.array([-(1 << bits - 1), (1 << bits - 1) - 1] if signed else [0, (1 << bits) - 1])
    values: NDArray[np.float64] = ends * slope + intercept
    return values
