"""One run a folder at a time."""

import contextlib
import fcntl
import os
import platform
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def only_run_of(folder: Path) -> Iterator[None]:
    """Holds a folder for one run; the system lets go of it however the run ends.

    Raises:
        ValueError: another run holds it, or it cannot be written.
    """
    path = folder / ".lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise ValueError(f"cannot write to {folder}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ValueError(
                f"another run ({file.read().strip()}) is writing to {folder}: "
                "wait for it, or choose another folder with --out"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield
