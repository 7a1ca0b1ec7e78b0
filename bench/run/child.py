"""The child in which cells run: python -m bench.run.child FD (see `bench.run.supervisor`)."""

import contextlib
import ctypes
import faulthandler
import os
import pickle
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import networkx  # noqa: F401  what cells import when they first need it, before any clock runs
import pandas  # noqa: F401

from bench.run.cell import compute

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def serve(connection: Connection) -> None:
    """Computes cells until the other end is gone; messages are (record, whether whole, log)."""
    connection.send((None, False, ""))
    while True:
        try:
            cell = pickle.loads(connection.recv_bytes())
        except EOFError:
            return
        _reap()
        record, log = compute(cell, begun=lambda begun: connection.send((begun, False, "")))
        connection.send((record, True, log))


def _tie_to_parent() -> None:
    """Dies with its parent, adopts its orphans, and is the kernel's first choice when memory ends.

    All three where the system can (Linux); elsewhere the parent's death is noticed between cells.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
        Path("/proc/self/oom_score_adj").write_text("1000")


def _reap() -> None:
    """Buries what an earlier method left and the watcher killed."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    faulthandler.enable()
    _tie_to_parent()
    serve(Connection(int(sys.argv[1])))
