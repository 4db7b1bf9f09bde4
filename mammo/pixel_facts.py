"""Whether a header describes the pixels of a mammogram (PS3.3 C.7.6.3 and C.8.11.7)."""

from mammo.facts import Facts

GRAYSCALE = ("MONOCHROME1", "MONOCHROME2")


def missing(facts: Facts) -> list[str]:
    """Names of attributes without which pixels have no meaning."""
    wanted = {
        "Rows": facts.rows,
        "Columns": facts.columns,
        "Bits Allocated": facts.bits_allocated,
        "Bits Stored": facts.bits_stored,
        "Pixel Representation": facts.pixel_representation,
        "Samples per Pixel": facts.samples_per_pixel,
        "Photometric Interpretation": facts.photometric,
    }
    return [name for name, value in wanted.items() if value is None]


def faults(facts: Facts) -> list[str]:
    """What is not as in a mammogram, in words."""
    rows, columns = facts.rows or 0, facts.columns or 0
    allocated, stored = facts.bits_allocated or 0, facts.bits_stored or 0
    high = stored - 1 if facts.high_bit is None else facts.high_bit
    checks = {
        "Rows or Columns is 0, or both are 1": rows * columns < 2,
        "Number of Frames is not 1": facts.frames != 1,
        "Samples per Pixel is not 1": facts.samples_per_pixel != 1,
        "the image is not grayscale": facts.photometric not in GRAYSCALE,
        "Bits Allocated is neither 8 nor 16": allocated not in (8, 16),
        "Bits Stored and High Bit do not fit Bits Allocated": not 1 <= stored <= allocated
        or not stored - 1 <= high < allocated,
        "Pixel Representation is neither 0 nor 1": facts.pixel_representation not in (0, 1),
    }
    return [sentence for sentence, holds in checks.items() if holds]
