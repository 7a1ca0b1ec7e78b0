"""One run a folder at a time."""

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

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
            holder.write_text(f"process {os.getpid()} on {platform.node()}\n", encoding="utf-8")
            yield
        finally:
            with contextlib.suppress(OSError):
                holder.unlink(missing_ok=True)
            lock.release()
