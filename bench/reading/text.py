"""Text files: within limits, in UTF-8, and the character that separates their cells."""

import bz2
import codecs
import gzip
import lzma
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO

from bench.reading.rows import cut

COMPRESSED: dict[str, Callable[[Path], IO[bytes] | gzip.GzipFile]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
REFUSED = {
    ".zip": "unpack it first",
    ".xlsx": "save the sheet as CSV",
    ".xls": "save the sheet as CSV",
    ".pkl": "a pickle can run code; write it with df.to_csv or nx.write_gml",
    ".pickle": "a pickle can run code; write it with df.to_csv or nx.write_gml",
    ".gpickle": "a pickle can run code; write it with nx.write_gml",
}
SEPARATORS = (",", ";", "\t", "|")
SAMPLE = 60  # lines that are looked at


def read_text(path: Path, limit: int) -> str:
    """The text of a file, unpacked if it is .gz, .bz2 or .xz; lines of an old Mac end as any.

    Raises:
        ValueError: no file, more than `limit` bytes, no UTF-8, a form that is not read, a pipe.
    """
    content = _read_bytes(path, limit)
    if content[:4] in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        raise ValueError(f"{path} is UTF-32; save it as UTF-8")
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise ValueError(f"{path} is UTF-16; save it as UTF-8")
    try:
        text = content.decode("utf-8").lstrip("\ufeff")  # some programs add a mark to each save
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}: line {line} is not UTF-8; save the file as UTF-8") from None
    if "\0" in text:
        raise ValueError(f"{path} holds bytes that are no text; is it a CSV file?")
    return text.replace("\r", "\n") if "\n" not in text else text


def _read_bytes(path: Path, limit: int) -> bytes:
    ending = path.suffix.lower()
    if ending in REFUSED:
        raise ValueError(f"{path}: {ending} files are not read; {REFUSED[ending]}")
    try:
        refuse_stream(path)
        with COMPRESSED.get(ending, _open)(path) as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise ValueError(f"no file {path}") from None
    except (OSError, EOFError, lzma.LZMAError) as error:
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ValueError(f"cannot read {path}: {why}") from None
    if len(content) > limit:
        raise ValueError(f"{path} holds more than {limit >> 20} MB; give fewer rows or columns")
    return content


def refuse_stream(path: Path) -> None:
    """Refuses what is no file on disk: a pipe waits for ever, and a table is read more than once.

    Raises:
        ValueError: a pipe, a socket, a device or a folder.
        OSError: there is nothing of this name, or it may not be seen.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise ValueError(f"{path} is a folder; give a file in it")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path} is a pipe or a device and no file; save what it gives as a file")


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def separator_of(text: str) -> str:
    """What separates the cells of a text: the one that most cuts all of its first lines alike.

    A space stands for any white space.
    """
    lines = [line for line in text[: 2**20].splitlines()[:SAMPLE] if line.strip()]
    best = max(SEPARATORS, key=lambda separator: _cut(lines, separator), default=",")
    if _cut(lines, best)[1] > 1:
        return best
    counts = {len(line.split()) for line in lines}
    return " " if len(counts) == 1 and counts != {1} and len(lines) > 1 else ","


def _cut(lines: list[str], separator: str) -> tuple[bool, int]:
    """(whether all lines have as many cells as the first, cells of the first)."""
    try:
        rows = [len(row) for _, row in cut(lines, separator)]
    except ValueError:  # a line may be one long cell where another separator cuts it
        return False, 0
    first = rows[0] if rows else 0
    return first > 1 and all(n == first for n in rows), first
