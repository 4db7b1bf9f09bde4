"""Text in the character sets of DICOM (PS3.3 C.12.1.1.2, PS3.5 6.1).

The tables are pydicom's; its decoder is not used, because it warns, and what it warns holds the
text. Nothing is refused: what cannot be decoded is replaced.
"""

import re

from pydicom.charset import CODES_TO_ENCODINGS, default_encoding, python_encoding

JAPANESE = ("iso2022_jp", "iso2022_jp_2")  # Python's codecs want the escape sequence itself


def codecs(raw: bytes) -> tuple[str, ...]:
    """Python's names of what Specific Character Set (0008,0005) names."""
    names = (part.strip(" \0") for part in raw.decode("ascii", "ignore").split("\\")[:8])
    return tuple(python_encoding.get(name, default_encoding) for name in names)


def decode(raw: bytes, codecs: tuple[str, ...]) -> str:
    """A text; code extensions by their escape sequences (ISO 2022)."""
    first = codecs[0] if codecs else default_encoding
    if b"\x1b" not in raw:
        return raw.decode(first, "replace")
    plain, *switched = re.split(rb"(?=\x1b)", raw)
    return plain.decode(first, "replace") + "".join(_fragment(part, first) for part in switched)


def _fragment(part: bytes, first: str) -> str:
    """Text after one escape sequence; a delimiter ends what the sequence began."""
    for code, codec in CODES_TO_ENCODINGS.items():
        if part.startswith(code):
            if codec in JAPANESE:
                return part.decode(codec, "replace")
            body = re.split(rb"(?=[\^=\\])", part[len(code) :], maxsplit=1)
            return body[0].decode(codec, "replace") + b"".join(body[1:]).decode(first, "replace")
    return part.decode(first, "replace")
