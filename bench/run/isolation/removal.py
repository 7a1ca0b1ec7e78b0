"""Removes what a process of a run wrote, however deep it is."""

import contextlib
import os
from collections import deque
from pathlib import Path


def remove(folder: Path) -> None:
    """Removes a folder with all that is in it, as far as that is allowed; links are not followed.

    A method may nest folders deeper than a recursion goes and than a path may be long: folders
    inside are first moved to the top.
    """
    with contextlib.suppress(OSError):
        left, count = deque([str(folder)]), 0
        while left:
            path = left.popleft()
            with contextlib.suppress(OSError):
                os.chmod(path, 0o700)
                for entry in list(os.scandir(path)):
                    if path == str(folder) and entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                    elif entry.is_dir(follow_symlinks=False):
                        count += 1
                        moved = os.path.join(folder, f"-{os.getpid()}-{count}")
                        os.rename(entry.path, moved)
                        left.append(moved)
                    else:
                        os.unlink(entry.path)
            if path != str(folder):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
        os.rmdir(folder)
