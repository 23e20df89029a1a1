"""The refusal of a DICOM file, and what of its header may stand in the message."""

from pydicom import FileDataset


class UnreadableDicom(ValueError):
    """A file that gives no grey picture; the message is for the user and names no patient."""


def shown(film: FileDataset, name: str) -> str:
    """Return a number of the header for a message, if it is of 16 bits as the standard has it.

    Careless and damaged files hold text where a number belongs, and text may be anything.
    """
    fit = name in film and film[name].VR == "US" and isinstance(film[name].value, int)
    return str(film[name].value) if fit else "(no number)"
