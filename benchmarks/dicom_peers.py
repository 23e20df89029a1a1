"""Grey values by implementations that nobody here wrote: DCMTK, and ITK with GDCM inside.

DCMTK (Debian package dcmtk) has the whole chain from stored values to 8-bit grey. ITK, reached
through SimpleITK, decodes by GDCM and applies rescale slope and intercept; its filters
IntensityWindowing and Sigmoid are then given the window's numbers. It knows no tables, so films
with one are not asked of it. MONOCHROME1 it turns on the *stored* values, before slope and window,
where PS3.4 N.2 puts it last; so it is given films as MONOCHROME2, and polarity is turned here.
"""

import subprocess
import tempfile
from copy import deepcopy
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom import Dataset, dcmread
from pydicom.multival import MultiValue

from helpers.dicom_decoders import JPEG_LS
from helpers.dicom_grey import contrast_of

sitk.ProcessObject.SetGlobalWarningDisplay(False)


def by_dcmtk(path: Path, *, index: int = 0, prefer_lut: bool = True) -> np.ndarray | None:
    """Return uint8 (rows, columns) as `dcmj2pnm` or `dcml2pnm` shows a film, None where it refuses.

    By itself it applies neither window nor table, so the film's own is asked for.
    """
    film = dcmread(path, stop_before_pixels=True)
    tool = "dcml2pnm" if film.file_meta.TransferSyntaxUID in JPEG_LS else "dcmj2pnm"
    contrast = contrast_of(film, prefer_lut=prefer_lut)
    chosen = {"VOI LUT": ["+Wl", str(index + 1)], "window": ["+Wi", str(index + 1)]}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "film.pgm")
        command = [tool, "-q", "-O", *chosen.get(contrast, []), "+op"]
        run = subprocess.run([*command, str(path), str(out)], capture_output=True, check=False)
        if run.returncode or not out.exists():
            return None
        return _read_pgm(out.read_bytes())


def _read_pgm(data: bytes) -> np.ndarray | None:
    """Read a binary PGM of 8 bits; None for a colour picture."""
    fields: list[bytes] = []
    at = 0
    while len(fields) < 4:
        if data[at : at + 1] == b"#":
            at = data.index(b"\n", at) + 1
            continue
        end = at
        while not data[end : end + 1].isspace():
            end += 1
        if end > at:
            fields.append(data[at:end])
        at = end + 1
    if fields[0] != b"P5":
        return None
    columns, rows = int(fields[1]), int(fields[2])
    return np.frombuffer(data, "u1", rows * columns, at).reshape(rows, columns)


def by_itk(path: Path, *, index: int = 0, prefer_lut: bool = True) -> np.ndarray | None:
    """Return uint8 (rows, columns) by ITK's filters, None where it defines no result."""
    film = dcmread(path)
    contrast = contrast_of(film, prefer_lut=prefer_lut)
    if contrast == "VOI LUT" or film.get("ModalityLUTSequence") or "PixelData" not in film:
        return None
    picture = _after_rescale(film)
    if picture is None:
        return None
    shown = _windowed(picture, film, index) if contrast == "window" else _whole_range(picture, film)
    grey = sitk.GetArrayFromImage(shown)
    if film.PhotometricInterpretation == "MONOCHROME1" or film.get("PresentationLUTShape") == (
        "INVERSE"
    ):
        grey = 255 - grey
    return np.rint(grey).astype("u1")


def _after_rescale(film: Dataset) -> sitk.Image | None:
    """Let ITK decode a film and apply slope and intercept; None where it refuses."""
    grey = film.PhotometricInterpretation in ("MONOCHROME1", "MONOCHROME2")
    if not grey or int(film.get("NumberOfFrames") or 1) != 1:
        return None
    plain = deepcopy(film)
    plain.PhotometricInterpretation = "MONOCHROME2"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "film.dcm")
        plain.save_as(path)
        try:
            values = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        except RuntimeError:
            return None
    return sitk.Cast(sitk.GetImageFromArray(values.reshape(values.shape[-2:])), sitk.sitkFloat64)


def _windowed(picture: sitk.Image, film: Dataset, index: int) -> sitk.Image:
    """Apply the window with the ends that PS3.3 C.11.2.1.2 and C.11.2.1.3 give it."""
    center, width = (
        float(value[index] if isinstance(value, MultiValue) else value)
        for value in (film.WindowCenter, film.WindowWidth)
    )
    function = film.get("VOILUTFunction") or "LINEAR"
    if function == "SIGMOID":
        return sitk.Sigmoid(picture, alpha=width / 4, beta=center, outputMaximum=255)
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    low = center - width / 2
    high = max(center + width / 2, np.nextafter(low, np.inf))
    return sitk.IntensityWindowing(picture, low, high, 0, 255)


def _whole_range(picture: sitk.Image, film: Dataset) -> sitk.Image:
    """Map all that the stored bits can hold to 0 to 255."""
    lowest = -(2 ** (film.BitsStored - 1)) if film.PixelRepresentation else 0
    slope = float(film.get("RescaleSlope") or 1)
    intercept = float(film.get("RescaleIntercept") or 0)
    ends = sorted(slope * value + intercept for value in (lowest, lowest + 2**film.BitsStored - 1))
    return sitk.IntensityWindowing(picture, ends[0], ends[1], 0, 255)
