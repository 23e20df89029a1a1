"""Whether a file is DICOM, by its first bytes: some archives send films without their preamble."""

from typing import Literal

from pydicom.datadict import dictionary_has_tag
from pydicom.valuerep import STANDARD_VR

# Groups in which a film's first element may be: meta, identity, patient, how it was taken, series,
# picture. Its value, where the kind is not said, is short: a length, a date, a word, a name.
_FIRST_GROUPS = (0x0002, 0x0008, 0x0010, 0x0018, 0x0020, 0x0028)
_MOST_FIRST = 64  # bytes
_KINDS_OF_VALUES = {kind.value.encode() for kind in STANDARD_VR}


def is_dicom(data: bytes) -> bool:
    """Whether a file says that it is one (PS3.10 7.1), or begins as one without its preamble."""
    return data[128:132] == b"DICM" or _begins_with_elements(data)


def _begins_with_elements(data: bytes) -> bool:
    """Whether a file begins with an element of the standard's that may be a film's first."""
    if len(data) < 132:
        return False
    if data[4:6] in _KINDS_OF_VALUES:
        return _may_be_first(data, "little") or _may_be_first(data, "big")
    short = int.from_bytes(data[4:8], "little") <= _MOST_FIRST  # big endian always says the kind
    return short and data[:2] != b"\x02\x00" and _may_be_first(data, "little")


def _may_be_first(data: bytes, order: Literal["little", "big"]) -> bool:
    """Whether a file begins with a tag that the standard knows, in one of the first groups."""
    group, element = (int.from_bytes(data[at : at + 2], order) for at in (0, 2))
    if group not in _FIRST_GROUPS:
        return False
    return element == 0 or dictionary_has_tag((group, element))  # 0: the group's length (PS3.5 7.2)
