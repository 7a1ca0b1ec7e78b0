"""How a training is asked to stop, by a person or by a scheduler."""

import signal
import threading
from types import FrameType
from typing import Any

# Windows has no SIGHUP
SIGNALS = [getattr(signal, s) for s in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, s)]


class Stops:
    """While entered, Ctrl-C, SIGTERM or SIGHUP lets the running step end; a second one kills.

    A step that is broken off in its middle would leave weights and moments of two steps. What was
    ignored before (as `nohup` ignores SIGHUP) stays ignored.

    Attributes:
        asked: whether a signal came.
    """

    def __init__(self) -> None:
        self.asked = False
        self.before: dict[int, Any] = {}

    def __enter__(self) -> "Stops":
        if threading.current_thread() is threading.main_thread():
            heard = [s for s in SIGNALS if signal.getsignal(s) != signal.SIG_IGN]
            self.before = {number: signal.signal(number, self._ask) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        for heard in self.before:
            signal.signal(heard, signal.SIG_DFL)
