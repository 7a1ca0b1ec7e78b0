"""One training a folder at a time; made without packages that training does not need."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl

LOCK = ".lock"


@contextlib.contextmanager
def only_training_in(folder: Path) -> Iterator[None]:
    """Makes a folder and holds it for one training; the system lets go however that ends.

    Raises:
        ValueError: another training holds it. OSError: it cannot be written, or the lock is a link.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    # the file stays: another training may have opened it, and would then hold one that is gone
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        _hold(handle, folder)
        yield
    finally:
        os.close(handle)


def _hold(handle: int, folder: Path) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(
            f"another training is writing to {folder}: wait for it, or name another --out"
        ) from None
    except OSError:
        return  # a file system without locks is no reason not to train
