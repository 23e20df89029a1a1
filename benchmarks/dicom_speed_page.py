"""The page that benchmarks.dicom prints: tables of times and ratios, and of PNG settings."""

import os
import platform
import shutil
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.dicom_converters import SIZE
from helpers.dicom_picture import PNG_SETTINGS, shrink

OURS, POOL = "ours, one core", "ours, process pool on two cores"
FLOOR, WRITTEN = "floor", "floor, written to a file"
# Of the film that is like the collection's: what, beside what, at least or at most.
ASKED = [
    ("one core, as a multiple of the floor", OURS, FLOOR, "≤", 1.2),
    ("one core, as a multiple of the floor written to a file", OURS, WRITTEN, "≤", 1.2),
    ("faster than pydicom + Pillow, same resize", "pydicom + Pillow, same resize", OURS, "≥", 6),
    (
        *("faster than pydicom + Pillow, full-size PNG", "pydicom + Pillow, full-size PNG"),
        *(OURS, "≥", 10),
    ),
    ("faster than DCMTK", "DCMTK", OURS, "≥", 2.5),
    ("faster than SimpleITK", "SimpleITK", OURS, "≥", 2.5),
    ("process pool on two cores, faster than one core", OURS, POOL, "≥", 1.8),
]
MOST_MEGABYTES = 300
SETTINGS = {
    "as OpenCV comes": (),
    "level 1": (cv2.IMWRITE_PNG_COMPRESSION, 1),
    "level 6": (cv2.IMWRITE_PNG_COMPRESSION, 6),
    "level 9": (cv2.IMWRITE_PNG_COMPRESSION, 9),
    "Huffman codes only": (cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY),
    "ours: runs only, filter Paeth": PNG_SETTINGS,
}
INTRODUCTION = f"""\
# DICOM: how fast

`helpers.dicom.convert` against other ways from a DICOM file to a PNG of {SIZE:,} pixels on its
longer side. Printed by `python -m benchmarks.dicom`, not written by hand: the same files, in memory
so that disks do not count, in turns; each way in a process of its own, on one thread on one core,
but for the process pool. Ratios are medians over the turns, of ratios within a turn, with the 95 %
interval of that median (bootstrap). Memory is the most that a process ever held, its libraries
among it; of DCMTK it is that of the process that calls its program.

- **floor**: read the file's bytes, average a film that is already 8-bit grey in memory, pack it as
  ours does; nothing is parsed or mapped to grey. Once it ends in memory, once it writes the file,
  which nobody can avoid either.
- **ours** reads, checks and names every film, maps it to grey by the standard, averages areas,
  writes the picture and its row of the manifest.
- **pydicom + Pillow**: as public notebooks do it, `apply_voi_lut`, then stretched between the
  film's own darkest and brightest pixel; Pillow's BOX filter is an area average.
- **SimpleITK**: its window and its linear resampling, which averages nothing.
- **DCMTK**: its program with the film's window, one process a film, area average.
- **MONAI**: its loader, then its scaling between the film's own extremes and its area average.

Where greys differ: stretching between a film's own extremes makes every film as bright as its
letters and collars leave it; linear resampling keeps noise that averages lose; DCMTK averages and
rounds otherwise. On the real film, which is MONOCHROME1, MONAI's PydicomReader leaves black and
white exchanged, and SimpleITK turns them before the window rather than after it.

There is no separate fast path: every film of at most 16 bits goes through one lookup table over all
bit patterns, uncompressed pixels are looked up where they lie in the file's bytes, and
`tests/test_dicom_speed.py` holds that to pydicom's own arrays, value by value."""


class Measured(NamedTuple):
    """What was found for one film."""

    film: str
    copies: int  # films that ours and the floor take in a turn
    grey: np.ndarray  # uint8 (rows, columns)
    times: dict[str, list[float]]  # ms a film, by way, of each turn
    missing: dict[str, str]  # reason, by way
    apart: dict[str, str]  # from our picture, by way
    memory: dict[str, float]  # MB, the most that a process held, by way


def ratio(measured: Measured, way: str, other: str) -> tuple[float, float, float]:
    """Return the median of one way's time over another's, and its 95 % interval."""
    each = np.divide(measured.times[way], measured.times[other])
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(each, (2000, len(each))), axis=1)
    return float(np.median(each)), *map(float, np.quantile(medians, [0.025, 0.975]))


def page(measured: list[Measured], repeats: int) -> str:
    """Return the whole page."""
    parts = [INTRODUCTION, machine(repeats), required(measured[0])]
    parts += [section(each) for each in measured]
    parts.append(packing(measured))
    return "\n\n".join(parts)


def section(measured: Measured) -> str:
    """Return a film's table."""
    rows = [
        f"## {measured.film[0].upper()}{measured.film[1:]}",
        "",
        f"Ours and the floor take {measured.copies} films a turn, the others a few of them.",
        "",
        "| way | ms a film | × ours | × floor | MB a process | grey from ours: mean, greatest |",
        "|---|---|---|---|---|---|",
    ]
    for way, times in measured.times.items():
        if way in measured.missing:
            rows.append(f"| {way} | – | | | | left out: {measured.missing[way]} |")
            continue
        ratios = " | ".join(_shown(*ratio(measured, way, other)) for other in (OURS, FLOOR))
        rows.append(
            f"| {way} | {np.median(times):.1f} | {ratios} | {measured.memory[way]:.0f} "
            f"| {measured.apart.get(way, '')} |"
        )
    return "\n".join(rows)


def _shown(middle: float, low: float, high: float) -> str:
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"


def required(measured: Measured) -> str:
    """Return the table of what is asked for, of the film that is like the collection's."""
    rows = ["## What is asked for", "", f"Film: {measured.film}.", ""]
    rows += ["| what | asked | found | held |", "|---|---|---|---|"]
    for what, way, other, sign, asked in ASKED:
        if way in measured.missing:
            rows.append(f"| {what} | {sign} {asked:g} × | {measured.missing[way]} | – |")
            continue
        found = ratio(measured, way, other)
        held = found[0] <= asked if sign == "≤" else found[0] >= asked
        rows.append(f"| {what} | {sign} {asked:g} × | {_shown(*found)} | {_word(held)} |")
    megabytes = measured.memory[POOL]
    rows.append(
        f"| most memory of a worker | ≤ {MOST_MEGABYTES} MB | {megabytes:.0f} MB "
        f"| {_word(megabytes <= MOST_MEGABYTES)} |"
    )
    return "\n".join(rows)


def _word(held: bool) -> str:
    return "yes" if held else "**no**"


def packing(measured: list[Measured]) -> str:
    """Return the table of PNG settings: time and size of the films' small pictures."""
    pictures = {each.film: shrink(each.grey, SIZE) for each in measured if "JPEG" not in each.film}
    rows = [
        "## Why the PNGs are packed as they are",
        "",
        "Milliseconds and kilobytes of the pictures above. Noise leaves deflate hardly a",
        "repetition to find: the search for them, which levels are about, costs time and gains",
        "little.",
        "",
        "| settings | " + " | ".join(name.split(",")[0] for name in pictures) + " |",
        "|---|" + "---|" * len(pictures),
    ]
    for name, settings in SETTINGS.items():
        cells = (_packed(picture, settings) for picture in pictures.values())
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _packed(picture: np.ndarray, settings: tuple[int, ...]) -> str:
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        _, data = cv2.imencode(".png", picture, settings)
        seconds.append(time.perf_counter() - start)
    return f"{1000 * np.median(seconds):.1f} ms, {len(data) / 1000:.0f} kB"


def machine(repeats: int) -> str:
    """Describe the machine and the versions, without names of hosts."""
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
    cores = f"{len(os.sched_getaffinity(0))} cores of {models[0].split(':')[1].strip()}"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    names = ("pydicom", "numpy", "opencv-python-headless", "pillow", "SimpleITK", "monai", "itk")
    versions = [f"{name} {found}" for name in names if (found := _version(name))]
    return (
        f"Machine: {cores}, {memory:.0f} GB of memory, {platform.system()}, Python "
        f"{platform.python_version()}; {', '.join([*versions, *_dcmtk()])}. Turns: {repeats}."
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _dcmtk() -> list[str]:
    program = shutil.which("dcm2img") or shutil.which("dcmj2pnm")
    if program is None:
        return []
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return ["DCMTK " + shown.stdout.split(" v")[1].split()[0]]
