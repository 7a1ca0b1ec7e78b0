"""Ctrl-C, SIGTERM and SIGHUP: how a run is asked to stop."""

import os
import signal
import threading
from types import FrameType
from typing import Any


class Interrupts:
    """While entered: Ctrl-C lets running cells finish; a second one, SIGTERM or SIGHUP kills them.

    Attributes:
        asked: whether the run was asked to stop.
    """

    def __init__(self) -> None:
        self.asked = self.killed = False
        self.before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self.before = {
                signal.SIGINT: signal.signal(signal.SIGINT, self._interrupt),
                signal.SIGTERM: signal.signal(signal.SIGTERM, self._terminate),
                signal.SIGHUP: signal.signal(signal.SIGHUP, self._terminate),
            }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            self._terminate(number, frame)
        else:
            self.asked = True
            # no print: the main thread may be inside one
            os.write(2, b"\nfinishing the running cells; Ctrl-C again kills them\n")

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if not self.killed:  # a third one must not break the clearing up
            self.killed = True
            raise KeyboardInterrupt
