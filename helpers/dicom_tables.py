"""Lookup tables of DICOM: the modality LUT (PS3.3 C.11.1) and VOI LUTs (C.11.2), built alike.

Looked up here rather than by pydicom, which counts positions in the type of a table's entries: in a
table of 8 bits with more than 256 entries they come round again.
"""

from typing import Any

import numpy as np
from pydicom import Dataset, FileDataset

from helpers.dicom_errors import UnreadableDicom

_DEPTHS = range(8, 17)  # bits of an entry (C.11.1.1, C.11.2.1.1)


def look_up(
    values: np.ndarray, table: Dataset, film: FileDataset, lowest: float, highest: float
) -> np.ndarray:
    """Look values up in a table; those outside get its first or last entry (C.11.1.1, C.11.2.1.1).

    Parameters
    ----------
    values : numpy.ndarray
        Integer or float, any shape; floats go to the nearest entry, NaN to the first.
    table : pydicom.Dataset
        Item of a Modality LUT Sequence or VOI LUT Sequence.
    film : pydicom.FileDataset
        Tells the byte order of the table.
    lowest, highest : float
        Between which values can lie. If they can be negative, and none reaches 32,768, the first
        value of the table has to be written as signed; if none can be negative, as unsigned
        (C.11.1.1, C.11.2.1.1). Often it is not, or pydicom took it by the sign of the pixels: then
        65,524 means −12, or −25,536 means 40,000.

    Returns
    -------
    numpy.ndarray
        int64 entries, of the shape of `values`.

    Raises
    ------
    UnreadableDicom
        If the table holds fewer entries than it says, or entries of a depth that there is not.
    """
    entries = _entries(table, film)
    first = int(table.LUTDescriptor[1])
    if first >= 2**15 and lowest < 0 and highest < 2**15:
        first -= 2**16
    elif first < 0 <= lowest:
        first += 2**16
    nearest = np.nan_to_num(np.rint(values), nan=first)
    positions = np.clip(nearest, first, first + len(entries) - 1) - first
    return entries[positions.astype(np.int64)]


def highest_entry(table: Dataset, film: FileDataset) -> float:
    """Return the highest value that the bits of a table's entries can hold.

    Where entries are larger than the bits that the table claims, the claim is wrong and the entries
    are believed, as in DCMTK (dcmimgle, ``DiLookupTable::checkTable``): the brightest would all
    become white otherwise.
    """
    needed = int(_entries(table, film).max()).bit_length()
    return 2.0 ** max(int(table.LUTDescriptor[2]), needed) - 1


def _entries(table: Dataset, film: FileDataset) -> np.ndarray:
    """Return the entries of a table, int64, as many as its descriptor says."""
    count, _, bits = (int(number) for number in table.LUTDescriptor[:3])
    # A film of signed pixels without kinds of values makes pydicom read the count as signed.
    count = count % 2**16 or 2**16  # which has no room in 16 bits
    if bits not in _DEPTHS:
        raise UnreadableDicom(
            f"The film's lookup table has entries of {bits} bits; expected {_DEPTHS[0]} to "
            f"{_DEPTHS[-1]}. Export the film again."
        )
    words = _words(table.LUTData, film)
    # Entries of 8 bits may be packed, two in a word, the first in the lower half.
    if bits == 8 and len(words) < count:
        words = words.astype("<u2").view(np.uint8)
    if len(words) < count:
        raise UnreadableDicom(
            f"The film's lookup table is not valid: it claims {count:,} entries and holds "
            f"{len(words):,}. Export the film again."
        )
    return words[:count].astype(np.int64)


def _words(data: Any, film: FileDataset) -> np.ndarray:
    """Return the 16-bit words of a table, which pydicom gives as bytes (OW) or as numbers (US)."""
    if isinstance(data, (bytes, memoryview)):
        little = film.file_meta.TransferSyntaxUID.is_little_endian
        return np.frombuffer(data, "<u2" if little else ">u2", len(data) // 2)
    return np.atleast_1d(np.asarray(data, dtype=np.uint16))
