"""Every combination of the steps from stored values to grey, as small films of 8 × 8 pixels.

`benchmarks.dicom_agreement` shows them to other implementations; what those answered is kept in
`dicom_expected.npz`, so that the tests compare with them without having them.
"""

from collections.abc import Iterator
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.dicom_films import make_film, make_table

EXPECTED = Path(__file__).with_name("dicom_expected.npz")
ENCODED = Path(__file__).with_name("dicom_encoded")

TABLE = [0, 10, 40, 90, 160, 250, 360, 490, 640, 810, 1000, 1023]  # 10 bits, not linear

MODALITY = {
    "none": {},
    "rescale": {"RescaleSlope": 2, "RescaleIntercept": -100},
    "negative slope": {"RescaleSlope": -1, "RescaleIntercept": 50},
    "table": {"ModalityLUTSequence": make_table(TABLE, first=3, bits=10)},
}
CONTRAST = {
    "none": {},
    "linear": {"WindowCenter": 60, "WindowWidth": 200},
    "exact": {"WindowCenter": 60.5, "WindowWidth": 99.5, "VOILUTFunction": "LINEAR_EXACT"},
    "sigmoid": {"WindowCenter": 60, "WindowWidth": 80, "VOILUTFunction": "SIGMOID"},
    "table": {"VOILUTSequence": make_table(TABLE, first=20, bits=10)},
}
POLARITY = {
    "MONOCHROME2": {},
    "MONOCHROME1": {"PhotometricInterpretation": "MONOCHROME1"},
    "both": {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
}
STORED = {"u8": ("u1", 8), "u12": ("u2", 12), "u16": ("u2", 16), "i8": ("i1", 8), "i13": ("i2", 13)}

# The chosen contrast of each film: arguments of `read_dicom`.
CHOICES: dict[str, dict[str, int | bool]] = {
    "second of two windows": {"index": 1},
    "table and window, table": {"prefer_lut": True},
    "table and window, window": {"prefer_lut": False},
}
_TWO = {"WindowCenter": [900, 60], "WindowWidth": [50, 200]}
_BOTH = CONTRAST["linear"] | CONTRAST["table"]
ALL_CONTRAST = CONTRAST | {
    "one value wide": {"WindowCenter": 60, "WindowWidth": 1},
    "second of two windows": _TWO,
    "table and window, table": _BOTH,
    "table and window, window": _BOTH,
}
ALL_STORED = STORED | {"u10": ("u2", 10), "i16": ("i2", 16)}
ALL_POLARITY = POLARITY | {"INVERSE alone": {"PresentationLUTShape": "INVERSE"}}
PADDING = {"no padding": {}, "padding": {"value": 0, "limit": 2}}


class Case(NamedTuple):
    """A film and how to read it."""

    name: str
    stored: str
    modality: str
    contrast: str
    polarity: str
    padding: str

    def pixels(self) -> np.ndarray:
        """Return stored values (8, 8): half over the whole range, half where contrasts change."""
        dtype, bits = ALL_STORED[self.stored]
        low = -(2 ** (bits - 1)) if dtype.startswith("i") else 0
        high = low + 2**bits - 1
        wide = np.linspace(low, high, 32).round()
        near = np.clip(np.linspace(-120, 260, 32).round(), low, high)
        return np.concatenate([wide, near]).astype(dtype).reshape(8, 8)

    def shown(self) -> np.ndarray:
        """Return where the pixels (8, 8) are picture rather than padding."""
        pixels = self.pixels().astype(int)
        low = -(2 ** (ALL_STORED[self.stored][1] - 1)) if pixels.min() < 0 else 0
        limits = PADDING[self.padding]
        return pixels > low + limits["limit"] if limits else np.full(pixels.shape, True)

    def film(self) -> bytes:
        """Return the film as the bytes of a file."""
        dtype, bits = ALL_STORED[self.stored]
        elements = MODALITY[self.modality] | ALL_CONTRAST[self.contrast]
        elements = elements | ALL_POLARITY[self.polarity]
        padding = PADDING[self.padding]
        low = -(2 ** (bits - 1)) if dtype.startswith("i") else 0
        if padding:
            elements = elements | {"PixelPaddingValue": low + padding["value"]}
        if "limit" in padding:
            elements = elements | {"PixelPaddingRangeLimit": low + padding["limit"]}
        return make_film(self.pixels(), bits=bits, **elements)

    def choice(self) -> dict[str, int | bool]:
        """Return the arguments of `read_dicom` that choose the contrast meant."""
        return CHOICES.get(self.contrast, {})


def cases() -> Iterator[Case]:
    """Yield every combination in a fixed order; with padding, those of one modality step."""
    for parts in product(ALL_STORED, MODALITY, ALL_CONTRAST, ALL_POLARITY, PADDING):
        if parts[4] == "no padding" or parts[1] == "rescale":
            yield Case(" · ".join(parts), *parts)


def digest(films: list[bytes]) -> str:
    """Return a hash of films, to tell whether kept answers still belong to them."""
    return sha256(b"".join(films)).hexdigest()


def tolerance(case: Case, peer: str) -> int:
    """Return by how much of 255 an implementation may differ: 1, but for a known deviation.

    DCMTK 3.6.7 shows LINEAR_EXACT (PS3.3 C.11.2.1.3.2) as LINEAR, which moves the window by half a
    value and narrows it by one: 3 of 255 in the window of 99.5 values used here.
    """
    return 3 if peer == "dcmtk" and case.contrast == "exact" else 1
