"""One run a folder at a time."""

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from bench.run.records import write_text

LOCK, HOLDER = ".lock", ".holder"


@contextlib.contextmanager
def only_run_of(folder: Path) -> Iterator[None]:
    """Holds a folder for one run; the system lets go of it however the run ends.

    Raises:
        ValueError: another run holds it, or it cannot be written.
    """
    lock, holder = FileLock(folder / LOCK, blocking=False), folder / HOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / LOCK).is_symlink():  # its target would be emptied
            raise ValueError(f"{folder / LOCK} is a link; remove it, a run follows none there")
        lock.acquire()
    except Timeout:
        who = "another process"
        with contextlib.suppress(OSError):
            who = holder.read_text(encoding="utf-8", errors="replace").strip()
        raise ValueError(
            f"another run ({who}) is writing to {folder}: wait for it, or choose another folder "
            "with --out"
        ) from None
    except OSError as error:
        raise ValueError(f"cannot write to {folder}: {error.strerror or error}") from error
    with lock:
        try:
            write_text(holder, f"process {os.getpid()} on {platform.node()}\n")
            yield
        finally:
            with contextlib.suppress(OSError):
                holder.unlink(missing_ok=True)
            lock.release()
