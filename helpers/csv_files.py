"""Publishers' CSV files, read as strings: nothing is guessed, and a damaged one gets a sentence."""

import csv
import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

# What tables raise that are none, or were cut off within quotes.
_DAMAGED = (UnicodeDecodeError, csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError)


def read_csv(path: Path, required: Sequence[str], *, comment: str | None = None) -> pd.DataFrame:
    """Read a table as strings, blanks as "".

    Parameters
    ----------
    path
        UTF-8, with or without a byte order mark.
    required
        Columns that it must have.
    comment
        With what the lines begin that belong to no row.

    Raises
    ------
    ValueError
        If it is no such table, lacks a column, or has rows longer or shorter than its header.
    OSError
        If it cannot be opened.
    """
    try:
        with warnings.catch_warnings():
            # Of rows longer than the header: without index_col pandas would move all columns.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            raw = pd.read_csv(
                path,
                dtype="string",
                keep_default_na=False,
                encoding="utf-8-sig",
                index_col=False,
                comment=comment,
            )
        short = _short_rows(path, len(raw.columns), comment)
    except _DAMAGED as error:
        raise ValueError(f"{path.name} is no UTF-8 CSV table ({str(error).strip()})") from error
    except pd.errors.ParserWarning as error:
        raise ValueError(
            f"{path.name} has rows longer than its header, so nobody knows which column is which"
        ) from error
    if short:
        raise ValueError(
            f"{path.name} has {len(short)} rows shorter than its header, one of {short[-1]} fields "
            f"instead of {len(raw.columns)}: it was cut off, or damaged by hand"
        )
    missing = [column for column in required if column not in raw]
    if missing:
        raise ValueError(
            f"{path.name} lacks the columns {', '.join(missing)}; found "
            f"{', '.join(raw.columns[:8])} …; expected as published"
        )
    return raw


def read_table(
    root: Path, name: str, cohort: str, required: list[str], *, advice: str = ""
) -> pd.DataFrame:
    """Read a publisher's CSV as strings, blanks as ""; refuse one that lacks columns.

    Parameters
    ----------
    root, name
        Folder and name of the table.
    cohort
        For the message.
    required
        Columns that it must have.
    advice
        How to get it, where `helpers.downloads` cannot.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    ValueError
        As :func:`read_csv`.
    OSError
        If it cannot be opened.
    """
    path = root / name
    advice = advice or f"fetch it with `python -m helpers.downloads {cohort}`"
    if not path.is_file():
        raise FileNotFoundError(
            f"The {cohort} cohort needs {name} in {root.name}/, and it is not there: {advice}, "
            "or make the phantoms with `python -m phantoms`."
        )
    try:
        return read_csv(path, required)
    except ValueError as error:
        raise ValueError(f"{cohort}: {error}: {advice}.") from error
    except OSError as error:
        raise type(error)(
            error.errno, f"{cohort}: {name} cannot be read ({error.strerror}): {advice}."
        ) from error


def _short_rows(path: Path, fields: int, comment: str | None) -> list[int]:
    """Lengths of the rows shorter than the header: a table that was cut off ends in one."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = (line for line in file if not (comment and line.startswith(comment)))
        return [len(row) for row in csv.reader(lines) if 0 < len(row) < fields]
