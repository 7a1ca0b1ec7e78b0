"""What a process does about its parent and its children; the standard library is enough.

Also used where this package is not installed (see `bench.run.isolation.foreign`). What methods may
patch is held by name.
"""

import contextlib
import ctypes
import os
import signal
from os import _exit, close, dup2, getppid, open, waitpid
from time import monotonic, sleep
from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


class Children:
    """The forked children of this process, and how those that are dead ended."""

    def __init__(self) -> None:
        self.dead: dict[int, int] = {}

    def reap(self, header: dict[str, Any]) -> dict[str, Any]:
        """Buries the dead; says how the one asked for ended, None where it lives on after a while.

        `left` is whether any child lives, also one that this process has adopted. The one asked
        for may be 0: all of them.
        """
        end = monotonic() + header.get("wait", 0.0)
        left = self._bury()
        while left and header["pid"] not in self.dead and monotonic() < end:
            sleep(0.0005)
            left = self._bury()
        return {"kind": "reaped", "status": self.dead.pop(header["pid"], None), "left": left}

    def _bury(self) -> bool:
        """Buries the dead; returns whether any child lives."""
        try:
            while found := waitpid(-1, os.WNOHANG):
                if not found[0]:
                    return True
                self.dead[found[0]] = os.waitstatus_to_exitcode(found[1])
        except ChildProcessError:
            return False


def adopt_orphans() -> None:
    """From here on what a dead child of this process had started is this process's (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """From here on this process is killed when its parent ends (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def tie_to_parent() -> None:
    """Dies with its parent and adopts what its own children leave, where the system can (Linux)."""
    parent = getppid()
    die_with_parent()
    adopt_orphans()
    if getppid() != parent:
        _exit(0)


def say_to(path: str) -> None:
    """Sends whatever this process prints from here on to a file."""
    handle = open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    dup2(handle, 1)
    dup2(handle, 2)
    close(handle)
