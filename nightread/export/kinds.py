"""What a result goes out as."""

from enum import StrEnum


class Kind(StrEnum):
    """A word of `nightread export --as`."""

    CAD_SR = "cad-sr"
    GSPS = "gsps"
    SC = "sc"
    CSV = "csv"
    PARQUET = "parquet"


TABLES = frozenset({Kind.CSV, Kind.PARQUET})
