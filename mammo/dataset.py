"""Typed values out of a walked data set (PS3.5 section 6.2).

A value that is not what its attribute should be is None, and its being so is remembered:
vendors and de-identification write dates of zeros, and an image must not be lost for that.
"""

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from mammo.charset import decode
from mammo.elements import Element, Encoding, Malformed, Short, items

UID = re.compile(r"[0-9.]{1,64}")
MAX_INTEGER = 2**31 - 1  # what an IS may hold, and a column of integers
MAX_TEXT = 1024  # characters that are read of any text


@dataclass(slots=True)
class DataSet:
    """Elements by tag; of a tag that occurs twice the last one counts, as in pydicom."""

    data: bytes
    encoding: Encoding
    elements: dict[int, Element]
    codecs: tuple[str, ...] = ()  # of its texts, by Specific Character Set
    invalid: set[int] = field(default_factory=set)  # tags whose value could not be read

    def __contains__(self, tag: int) -> bool:
        return tag in self.elements

    def raw(self, tag: int) -> bytes:
        """The value's bytes; none for an absent attribute."""
        element = self.elements.get(tag)
        return b"" if element is None else self.data[element.start : element.end]

    def text(self, tag: int) -> str:
        """All of a text, without control characters; empty if absent."""
        raw = self.raw(tag)[: 4 * MAX_TEXT]
        return clean(decode(raw, self.codecs))

    def codes(self, tag: int) -> tuple[str, ...]:
        """The values of a CS (or another short text), upper-cased and trimmed."""
        text = self.text(tag).upper()
        return tuple(part.strip() for part in text.split("\\")) if text else ()

    def code(self, tag: int) -> str:
        """The first value of a CS; empty if absent."""
        return next(iter(self.codes(tag)), "")

    def uid(self, tag: int) -> str | None:
        """A UID; None if absent or not one."""
        text = self.text(tag)
        if not text:
            return None
        if UID.fullmatch(text):
            return text
        self.invalid.add(tag)
        return None

    def numbers(self, tag: int) -> tuple[float, ...]:
        """The finite values of a DS, IS or number in binary; none if any is rubbish."""
        element = self.elements.get(tag)
        if element is None:
            return ()
        try:
            values = tuple(float(part) for part in self.text(tag).split("\\") if part.strip())
        except ValueError:
            self.invalid.add(tag)
            return ()
        if not all(math.isfinite(value) for value in values):
            self.invalid.add(tag)
            return ()
        return values

    def number(self, tag: int) -> float | None:
        """The first of `numbers`."""
        return next(iter(self.numbers(tag)), None)

    def integer(self, tag: int) -> int | None:
        """The first value of an IS."""
        value = self.number(tag)
        if value is None or value != int(value) or abs(value) > MAX_INTEGER:
            return None
        return int(value)

    def unsigned(self, tag: int) -> int | None:
        """The first value of a US, or of a UL in its place."""
        element = self.elements.get(tag)
        raw = self.raw(tag)
        if element is None or not raw:
            return None
        if element.vr in ("IS", "DS"):
            return self.integer(tag)
        wide = element.vr in ("UL", "SL") or (element.vr is None and len(raw) == 4)
        size = 4 if wide else 2
        if len(raw) < size:
            self.invalid.add(tag)
            return None
        value = int.from_bytes(raw[:size], "little" if self.encoding.little else "big")
        return value if value <= MAX_INTEGER else None

    def date(self, tag: int) -> str | None:
        """A DA as YYYYMMDD; None if absent or not a date."""
        text = self.text(tag).replace(".", "")
        if re.fullmatch(r"(1[89]|2\d)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", text):
            return text
        if text:
            self.invalid.add(tag)
        return None

    def time(self, tag: int) -> str | None:
        """A TM as HHMMSS with its fraction; None if absent or not a time."""
        text = self.text(tag).replace(":", "")
        if re.fullmatch(r"([01]\d|2[0-3])([0-5]\d([0-5]\d|60)?)?(\.\d{1,6})?", text):
            whole, _, fraction = text.partition(".")
            return whole.ljust(6, "0") + (f".{fraction}" if fraction else "")
        if text:
            self.invalid.add(tag)
        return None

    def date_time(self, tag: int) -> tuple[str | None, str | None]:
        """Date and time of a DT, without its zone; Nones if absent or not one."""
        found = re.fullmatch(r"(\d{8})(\d{2,6}(\.\d{1,6})?)([+-]\d{4})?", self.text(tag))
        return (found[1], found[2]) if found else (None, None)

    def items(self, tag: int, limit: int = 16) -> list["DataSet"]:
        """The first items of a sequence; those before a malformed one."""
        element = self.elements.get(tag)
        found: list[DataSet] = []
        if element is None or element.start == element.end:
            return found
        try:
            for item in items(self.data, element, self.encoding):
                elements = {one.tag: one for one in item}
                found.append(DataSet(self.data, self.encoding, elements, self.codecs, self.invalid))
                if len(found) == limit:
                    break
        except (Malformed, Short):
            self.invalid.add(tag)
        return found


def clean(text: str) -> str:
    """Without control characters (escape sequences, line ends, NUL) and padding."""
    printable = (one if unicodedata.category(one)[0] != "C" else " " for one in text[:MAX_TEXT])
    return "".join(printable).strip()


def plain(texts: Iterable[str]) -> str:
    """Texts as one, upper-cased and without accents, to look for words in."""
    joined = unicodedata.normalize("NFKD", " | ".join(texts)).upper()
    return "".join(one for one in joined if not unicodedata.combining(one))
