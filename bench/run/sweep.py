"""What a run that was killed left on this machine: found by the next one, and ended."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.run.isolation.process_tree import kill, kill_descendants, started, tagged
from bench.run.isolation.processes import OWNER, PREFIX
from bench.run.isolation.removal import remove


def sweep_left() -> None:
    """Ends what a run that was killed left on this machine: processes and folders.

    Each base's folder names its owner and itself by number and start time.
    """
    for folder in _folders():
        try:
            left = json.loads((folder / OWNER).read_text())
            owner, base = ((int(pid), float(when)) for pid, when in (left["owner"], left["base"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if started(owner[0]) == owner[1]:
            continue
        if started(base[0]) == base[1]:
            kill_descendants(base[0])
            kill([psutil.Process(base[0])])
        kill(tagged(folder.name))
        remove(folder)


def _folders() -> Iterator[Path]:
    """The folders of bases, of this user's alone."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.is_symlink() and path.stat().st_uid == os.getuid():
                yield path
