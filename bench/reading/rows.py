"""Rows of a delimited text: cut as csv does, refused by their line, none of too many cells."""

import csv
import re
from collections.abc import Iterable, Iterator

import numpy as np

RETURN = re.compile(r"\r(?=[^\r\n])")
BREAK, QUOTE, BLANKS = ord("\n"), ord('"'), tuple(map(ord, " \t\r\n"))
PART = 2**17  # characters looked at together: as many as stay near the processor


def cut(lines: Iterable[str], separator: str, first: int = 1) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row, and the number of the line in which it ends.

    Args:
        separator: of cells; a space stands for any white space.
        first: number of the first line.

    Raises:
        ValueError: csv cannot read a line; it is named.
    """
    if separator == " ":
        words = ([word.strip('"') for word in line.split()] for line in lines)
        yield from enumerate(words, first)
        return
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    try:
        for row in reader:
            yield first - 1 + reader.line_num, row
    except csv.Error as error:
        why = str(error)
        if "limit" in why:
            why = f"a cell has more than {csv.field_size_limit()} characters; is a quote open?"
        raise ValueError(f"line {first - 1 + reader.line_num}: {why}") from None


def refuse_returns(text: str) -> None:
    """Refuses a carriage return within a line and outside of quotes; csv and pandas differ there.

    Raises:
        ValueError: there is one; its line is named.
    """
    if "\r" not in text or text.count("\r") == text.count("\r\n"):
        return
    quotes, seen = 0, 0
    for found in RETURN.finditer(text):
        quotes, seen = quotes + text.count('"', seen, found.start()), found.start()
        if quotes % 2 == 0:
            line = text.count("\n", 0, seen) + 1
            raise ValueError(
                f"line {line} has a carriage return within it; remove it, or end all lines alike"
            )


def refuse_long_row(line: int, cells: int, most: int) -> None:
    """Refuses a row with more cells than the header.

    Raises:
        ValueError: it has.
    """
    if cells > most:
        raise ValueError(
            f"line {line} has {cells} cells, the header {most}; remove a cell, or quote one that "
            "holds the separator"
        )


def refuse_long_rows(text: str, separator: str, most: int) -> None:
    """Refuses a row of more than `most` cells, which pandas would cut off without a word.

    Raises:
        ValueError: there is one; its line is named.
    """
    line, start, cut_up_to = 1, 0, 0
    while start < len(text):
        stop = text.find("\n", start + PART) + 1 or len(text)
        part = _codes(text[start:stop])
        ends = np.flatnonzero(part == BREAK)
        starts = np.append(0, ends + 1)
        for k in np.flatnonzero(_suspicious(part, ends, separator, most)).tolist():
            if line + k > cut_up_to:
                rows = cut(_lines(text, start + int(starts[k])), separator, line + k)
                cut_up_to, row = next(rows, (line + k, []))
                if any(cell.strip() for cell in row):
                    refuse_long_row(line + k, len(row), most)
        line, start = line + len(ends), stop


def _codes(text: str) -> np.ndarray:
    """The characters by their numbers, a byte each where that holds them."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def _lines(text: str, start: int) -> Iterator[str]:
    while start < len(text):
        stop = text.find("\n", start) + 1 or len(text)
        yield text[start:stop]
        start = stop


def _suspicious(part: np.ndarray, ends: np.ndarray, separator: str, most: int) -> np.ndarray:
    """Of each line, whether its row may be too long or be carried on by a quote."""
    if separator == " ":
        blank = np.isin(part, BLANKS)
        cells = _per_line(~blank & np.append(True, blank[:-1]), ends)
    else:
        cells = _per_line(part == ord(separator), ends) + 1
    return (cells > most) | (_per_line(part == QUOTE, ends) % 2 == 1)


def _per_line(marks: np.ndarray, ends: np.ndarray) -> np.ndarray:
    before = np.searchsorted(at := np.flatnonzero(marks), ends)
    return np.diff(before, prepend=0, append=len(at))
