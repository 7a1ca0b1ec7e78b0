"""How values of options are spelt, the same in every command."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from bench.analysis.results import Shown


def place(text: str) -> Path:
    """Reads a path from a word of the command line.

    Raises:
        ValueError: it is empty, as a variable of a shell that was never set, or holds a zero.
    """
    if not text or "\0" in text:
        raise ValueError("no path")
    return Path(text)


def plain(name: str) -> str:
    """Checks a name of a file or folder, which may not lead elsewhere.

    Raises:
        ValueError: it has other signs than letters, digits, _, - and a dot.
    """
    if not re.fullmatch(r"\w[\w.-]{0,99}", name, re.ASCII):
        raise ValueError(f"names may contain only letters, digits, _, - and .; got {name!r}")
    return name


def split(text: str) -> list[str]:
    """The parts of a text such as a,b,c; empty ones are left out.

    Raises:
        ValueError: all of several are empty.
    """
    parts = [part for part in text.split(",") if part]
    if text and not parts:
        raise ValueError(f"{text} names nothing")
    return parts


def axes(settings: Sequence[str]) -> dict[str, str]:
    """Reads words of the form AXIS=VALUES as a dict.

    Raises:
        ValueError: one is not of that form.
    """
    found = {}
    for setting in settings:
        axis, equals, values = setting.partition("=")
        if not equals or not values:
            raise ValueError(f"{setting} is not of the form AXIS=VALUES, as in d=10,20")
        if axis.lower() in ("self", "tasks"):  # words of Python's, not of a suite's
            raise ValueError(f"unknown axis {axis}")
        if axis.lower() in found:
            raise ValueError(f"{axis} is given twice; several values are {axis}=A,B")
        found[axis.lower()] = values
    return found


def chosen(settings: Sequence[str]) -> dict[str, str]:
    """Axes and values as `--set` gives them, without what has an option of its own.

    Raises:
        ValueError: one is an option of its own.
    """
    found = axes(settings)
    if own := {"seed", "preset"} & found.keys():
        name = own.pop()
        raise ValueError(f"--set takes axes of the suite; {name} is given by --{name}")
    return found


def shown(options: argparse.Namespace) -> Shown:
    """What --methods and --where narrow results to."""
    where = {axis: values.split(",") for axis, values in axes(options.where).items()}
    return Shown(split(options.methods), where)
