"""Lines for people that may hold names of files and columns, which may be anything."""

import re

from bench.run.shape import clean

LINE_MOST = 5000
LONG_NAME = re.compile(r"([^\s,]{300})[^\s,]+")


def shown(line: str) -> str:
    """A line as one printable line, with its long names cut."""
    return clean(LONG_NAME.sub(r"\1...", line), LINE_MOST)
