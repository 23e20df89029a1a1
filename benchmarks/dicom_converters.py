"""Ways from a DICOM file to a PNG that people use, each as one function, for benchmarks.dicom.

Each is written as its own documentation or well-known public notebooks do it, on one thread, and
with the choices that cost it least where several are common. Imports are made where they are
needed, so that a package that is missing is missing from the table only.
"""

import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from pydicom import dcmread

from helpers.dicom_decoders import J2K
from helpers.dicom_picture import encode_png, shrink

SIZE = 1024  # px of the longer side
Converter = Callable[[Path, Path], None]


class Missing(RuntimeError):
    """Why a converter has no row for a film."""


def floor(paths: list[Path], grey: np.ndarray, out: Path | None = None) -> None:
    """Read, average and pack, on an 8-bit film already in memory; write, too, if given a folder."""
    for path in paths:
        path.read_bytes()
        packed = encode_png(shrink(grey, SIZE))
        if out:
            (out / f"floor-{path.stem}.png").write_bytes(packed)


def by_pillow(path: Path, out: Path, *, small: bool = True) -> None:
    """Convert as public notebooks do, such as those of the VinBigData and RSNA competitions.

    Grey is stretched between the film's own darkest and brightest pixel. Pillow's BOX filter is an
    area average, as ours.
    """
    from PIL import Image
    from pydicom.pixels import apply_voi_lut

    film = dcmread(path)
    pixels = apply_voi_lut(film.pixel_array, film)
    if film.PhotometricInterpretation == "MONOCHROME1":
        pixels = np.amax(pixels) - pixels
    pixels = pixels - np.min(pixels)
    pixels = pixels / np.max(pixels)
    picture = Image.fromarray((pixels * 255).astype(np.uint8))
    if small:
        scale = SIZE / max(picture.size)
        width, height = (round(side * scale) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BOX)
    picture.save(out)


def by_pillow_whole(path: Path, out: Path) -> None:
    """Convert as `by_pillow` does, without making the picture smaller."""
    by_pillow(path, out, small=False)


def by_simpleitk(path: Path, out: Path) -> None:
    """Convert by ITK's filters; its resampling takes single points, which averages nothing."""
    sitk = _simpleitk()
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    picture = reader.Execute()
    center, width = (
        float(picture.GetMetaData(tag).split("\\")[0]) for tag in ("0028|1050", "0028|1051")
    )
    picture = picture[:, :, 0]
    grey = sitk.IntensityWindowing(picture, center - width / 2, center + width / 2, 0, 255)
    grey = sitk.Cast(grey, sitk.sitkUInt8)
    sides = picture.GetSize()
    scale = SIZE / max(sides)
    small = [round(side * scale) for side in sides]
    spacing = [s * n / m for s, n, m in zip(grey.GetSpacing(), sides, small, strict=True)]
    grey = sitk.Resample(
        *(grey, small, sitk.Transform(), sitk.sitkLinear),
        *(grey.GetOrigin(), spacing, grey.GetDirection()),
    )
    sitk.WriteImage(grey, str(out))


def _simpleitk():
    try:
        import SimpleITK as sitk
    except ImportError:
        raise Missing("the package SimpleITK is not installed") from None
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    return sitk


def by_dcmtk(path: Path, out: Path) -> None:
    """Convert by DCMTK's own program, a process a film; its default scaling averages areas."""
    program = shutil.which("dcm2img") or shutil.which("dcmj2pnm")
    if program is None:
        raise Missing("the Debian package dcmtk is not installed")
    film = dcmread(path, stop_before_pixels=True, specific_tags=["Rows", "Columns"])
    if film.file_meta.TransferSyntaxUID in J2K:
        raise Missing("DCMTK's program does not decode JPEG 2000")
    longer = "+Syv" if film.Rows >= film.Columns else "+Sxv"
    options = ["-q", "+on", "-mf", "-O", "+Wi", "1", longer, str(SIZE)]
    subprocess.run([program, *options, str(path), str(out)], check=True)


def by_monai(reader: str) -> Converter:
    """Return a converter by MONAI's loader with one of its readers, and MONAI's way on from there.

    Grey is stretched between the film's own darkest and brightest pixel: it knows no windows.
    """

    def convert(path: Path, out: Path) -> None:
        steps, writer = _monai(reader)
        writer.set_data_array(steps(path), channel_dim=0)
        writer.set_metadata({}, resample=False)
        writer.write(out)

    return convert


@cache
def _monai(reader: str):
    try:
        import torch
        from monai.data import PILWriter
        from monai.transforms import Compose, LoadImage, Resize, ScaleIntensity, SqueezeDim
    except ImportError:
        raise Missing("the package monai is not installed") from None
    if reader == "ITKReader":
        try:
            import itk
        except ImportError:
            raise Missing("the package itk is not installed") from None
        itk.set_nthreads(1)
    torch.set_num_threads(1)
    load = LoadImage(reader=reader, ensure_channel_first=True)
    small = Resize(SIZE, size_mode="longest", mode="area")
    writer = PILWriter(output_dtype=np.uint8)  # makes 255 of 1
    flat = [SqueezeDim(-1)] if reader == "ITKReader" else []  # a volume of one slice
    return Compose([load, *flat, ScaleIntensity(), small]), writer


PEERS: dict[str, Converter] = {
    "pydicom + Pillow, same resize": by_pillow,
    "pydicom + Pillow, full-size PNG": by_pillow_whole,
    "SimpleITK": by_simpleitk,
    "DCMTK": by_dcmtk,
    "MONAI, PydicomReader": by_monai("PydicomReader"),
    "MONAI, ITKReader": by_monai("ITKReader"),
}


def convert_by(name: str, paths: list[Path], out: Path) -> None:
    """Convert films by the peer of a name."""
    for path in paths:
        PEERS[name](path, out / f"{name}-{path.stem}.png")


def difference(ours: Path, theirs: Path) -> str:
    """Say how far a peer's picture is from ours: mean and greatest difference of 255."""
    one, other = (cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in (ours, theirs))
    if one is None or other is None:
        return "unreadable"
    if one.shape != other.shape:
        other = cv2.resize(other, one.shape[::-1], interpolation=cv2.INTER_AREA)
    apart = cv2.absdiff(one, other)
    return f"{apart.mean():.1f}, {apart.max()}"
