"""How much memory a process held, as Linux counts it."""

from pathlib import Path


def forget_peak() -> None:
    """Count the most memory that this process held anew from here on (Linux, proc(5))."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_megabytes(process: int | str = "self") -> float:
    """Return the most memory that a process held since its program began, MB (VmHWM).

    Not `resource.getrusage`, whose count a new program takes over from the process that started it.
    """
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
