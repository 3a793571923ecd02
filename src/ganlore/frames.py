"""Tables read from CSV with each number as it was written, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import pandas as pd


def read_csv(source: Path | TextIO, **options: Any) -> pd.DataFrame:
    """A table from CSV; a float of 17 digits is the float that they were written from.

    pandas below 3.1 reads two fifths of such numbers one unit in the last place beside it, unless
    it is asked for Python's own parser; from 3.1 on that is the only one, and asking for it warns.

    Args:
        source: a file, or an open text.
        options: what `pandas.read_csv` may be asked besides.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no CSV (pandas' errors are of this kind).
    """
    import pandas as pd

    version = tuple(int(part) for part in pd.__version__.split(".")[:2])
    exact = {} if version >= (3, 1) else {"float_precision": "round_trip"}
    table: pd.DataFrame = pd.read_csv(source, **exact, **options)  # noqa: TID251
    return table
