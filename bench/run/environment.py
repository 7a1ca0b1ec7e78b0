"""Time, memory and threads of one cell, and what it ran on."""

import contextlib
import platform
import resource
import subprocess
import time
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGES = ("torch", "numpy", "scipy", "pandas", "scikit-learn", "networkx", "dowhy", "zuko")
ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Runs a block on one thread: runtimes mean nothing otherwise, and bytes may change."""
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


class Stopwatch:
    """Seconds since it was made or last read."""

    def __init__(self) -> None:
        self.start = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap, or since the start."""
        now = time.perf_counter()
        seconds, self.start = now - self.start, now
        return round(seconds, 4)


def reset_peak_memory() -> None:
    """Forgets the process's peaks of resident (where the system can: Linux) and device memory."""
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb() -> float:
    """Peak resident memory since the last reset, MiB; since the process began where it cannot."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_device_mb(device: str) -> float | str:
    """Peak memory allocated on a CUDA device since the last reset, MiB; "" for a processor."""
    if not device.startswith("cuda"):
        return ""
    return round(torch.cuda.max_memory_allocated() / 2**20, 1)


@cache
def processor() -> str:
    """The processor's model, as the system names it."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(x for x in lines if x.startswith("model name")).split(":")[1].strip()
    return platform.processor() or platform.machine()


@cache
def versions() -> str:
    """Python's and the main packages' versions in one line."""
    found = [f"python {platform.python_version()}"]
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return "; ".join(found)


@cache
def commit() -> str:
    """The commit that the code runs from, "" where it is no checkout."""
    return _git(ROOT, "rev-parse", "HEAD").strip() if (ROOT / ".git").exists() else ""


def changed_sources(sources: Iterable[Path]) -> list[str]:
    """Which files differ from the last commit of their repository, or are in none.

    Args:
        sources: that results were computed with; paths come back relative to the working folder
            where they are below it.
    """
    changed = set()
    for folder, files in _by_folder(sources).items():
        top = _git(folder, "rev-parse", "--show-toplevel").strip()
        words = ("status", "--porcelain", "-z", "--untracked-files=all", "--ignored", "--")
        told = _git(folder, *words, *map(str, files)) if top else ""
        lines = [line for line in told.split("\0") if line]
        changed |= {Path(top, line[3:]) for line in lines} if top else set(files)
    here = Path.cwd()
    return sorted(str(p.relative_to(here)) if p.is_relative_to(here) else str(p) for p in changed)


def _by_folder(sources: Iterable[Path]) -> dict[Path, list[Path]]:
    """Files of source, but for installed packages, by their folder."""
    found: dict[Path, list[Path]] = {}
    for path in map(Path.resolve, sources):
        if not {"site-packages", "dist-packages"} & set(path.parts):
            found.setdefault(path.parent, []).append(path)
    return found


def _git(folder: Path, *words: str) -> str:
    """What git says, "" where it says nothing or is not there."""
    command = ["git", "-C", str(folder), *words]
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True, text=True, errors="replace").stdout
    return ""
