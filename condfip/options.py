"""What the values of options may be; argparse names the option in front of what is raised here."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from condfip.layout import WHOLE_MOST

SEED_MOST, THREADS_MOST = 2**63 - 1, 1024  # more threads than any machine has end in the C library


def whole(least: int, most: int = WHOLE_MOST) -> Callable[[str], int]:
    """The reader of a whole number from `least` to `most`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            bounds = f"of at least {least}" if most == WHOLE_MOST else f"from {least} to {most}"
            raise _refusal(text, f"a whole number {bounds}")
        return value

    return read


def number(above: float = -math.inf, least: float = -math.inf) -> Callable[[str], float]:
    """The reader of a finite number that is above one bound and not below another."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (above < value and least <= value <= WHOLE_MOST):
            bounds = f"above {above:g}" if math.isfinite(above) else f"of at least {least:g}"
            raise _refusal(text, f"a finite number {bounds}")
        return value

    return read


def place(text: str) -> Path:
    """Reads a path, which is not empty, as a variable of a shell that was never set would be."""
    if not text or "\0" in text:
        raise _refusal(text, "a path")
    return Path(text)


def _refusal(text: str, wanted: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{ascii(text)[:40]} is not {wanted}")


seed, threads, count = whole(0, SEED_MOST), whole(0, THREADS_MOST), whole(1)
