"""records.jsonl: one line a cell, appended by the run's own process and read by everyone.

A line is a JSON object of four parts:

- `key`: what the cell answers to: suite, settings, generator, method, method_settings, version,
  source, checkpoint.
- `result`: task, scm, status, reason, role, noise_space, seen_in_training, metrics {name: {version,
  value} or {version, missing}}, nodes {column: number}, columns {column: [mean, deviation]}. Equal
  bytes wherever it is computed on one kind of machine.
- `run`: number of the launch in run.json, seconds, memory, threads, device, when it finished.
- `sha`: sha256 of the canonical JSON of [key, result].

The last line of a cell (suite, task, method) is its record; lines of the same cell under
another key are stale. A last line without its line break is what a kill left: it never was a
record. Any other line that is not as above is spoilt: it is named and counts for nothing.
"""

import contextlib
import gzip
import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from bench.run.shape import FAILED as FAILED
from bench.run.shape import FINISHED as FINISHED
from bench.run.shape import (
    LINE_MOST,
    TEXT_MOST,
    Record,
    Spoilt,
    canonical,
    check,
    clean,
    parse,
)

FILE, PACKED, LAUNCHES = "records.jsonl", "records.jsonl.gz", "run.json"
PARTS = ("logs", "tables", "figures")  # folders of a run
DRIFT = 1e-3
SKIPS_MOST = 5  # reasons told
SPOILT_FILE = Path("logs") / "spoilt-lines.txt"


@dataclass(frozen=True)
class Records:
    """The records that a run's folder holds.

    Attributes:
        current: each cell's last record, in the order of the file.
        stale: how many older lines have another key than their cell's last one.
        spoilt: one line for each line of the file that is no record.
        older: one line for each method some of whose current records were made by another
            version, source, checkpoint or generator than its last one.
    """

    current: list[Record] = field(default_factory=list)
    stale: int = 0
    spoilt: list[str] = field(default_factory=list)
    older: list[str] = field(default_factory=list)


def records_path(folder: Path) -> Path | None:
    """The records of a run's folder, plain or packed; None where it has none."""
    return next((p for p in (folder / FILE, folder / PACKED) if p.is_file()), None)


def _lines(path: Path) -> Iterator[tuple[bytes, str]]:
    """Each whole line with "", then, where the file cannot be read on, why."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        try:
            while line := file.readline(LINE_MOST + 2):
                part = line
                while len(part) > LINE_MOST and not part.endswith(b"\n"):
                    part = file.readline(LINE_MOST + 2)  # of a line that is too long to be one
                if part.endswith(b"\n"):
                    yield line.removesuffix(b"\n"), ""
        except (OSError, EOFError, zlib.error) as error:
            yield b"", f"the file cannot be read on: {clean(str(error), 100)}"


def read_records(folder: Path) -> Records:
    """The records of a run's folder, or of a records file; empty where there is none.

    A packed file is read where there is no plain one.
    """
    path = folder if folder.is_file() else records_path(folder)
    last: dict[str, Record] = {}
    keys: Counter[tuple[str, str]] = Counter()
    spoilt = []
    for number, (line, broken) in enumerate(_lines(path) if path else (), 1):
        try:
            if broken:
                raise Spoilt(broken)
            record = parse(line)
        except Spoilt as error:
            spoilt.append(f"{path}, line {number}: {error}; the line counts for nothing")
            continue
        cell = _asked(record)
        keys[cell, canonical(record["key"])] += 1
        last.pop(cell, None)
        last[cell] = record
    current = list(last.values())
    stale = keys.total() - sum(keys[cell, canonical(r["key"])] for cell, r in last.items())
    return Records(current, stale, spoilt, _older(current))


def _asked(record: Record) -> str:
    """Names a record's cell by its task, which axes that its suite has got since do not rename."""
    key = record["key"]
    return canonical([key["suite"], record["result"]["task"], key["method"]])


def _older(current: list[Record]) -> list[str]:
    made_by: dict[tuple[str, str, str], list[str]] = {}
    for record in current:
        key = dict(record["key"])
        # problems whose graph was found answer to their finder's source as well
        finder = key.pop("settings").get("discovery", "")
        made_by.setdefault((key["suite"], key["method"], finder), []).append(canonical(key))
    return [
        f"{method} on {suite}: {len(keys) - keys.count(keys[-1])} of {len(keys)} cells are of "
        "another version or source than its last one; run the same command to renew them"
        for (suite, method, _), keys in made_by.items()
        if len(set(keys)) > 1
    ]


class RecordFile:
    """A run's records.jsonl, open for its only writer; healed when it is opened.

    What is torn or spoilt leaves the file; spoilt lines are kept in logs/spoilt-lines.txt.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        folder.mkdir(parents=True, exist_ok=True)
        for path in (self.path, folder / SPOILT_FILE, *(folder / part for part in PARTS)):
            _refuse_link(path)
        packed = folder / PACKED
        if not self.path.exists() and packed.exists():
            kept = b"".join(line + b"\n" for line, broken in _lines(packed) if not broken)
            write_bytes(self.path, kept)
        self._heal(folder)
        self.file: BinaryIO = self.path.open("ab")

    def _heal(self, folder: Path) -> None:
        if not self.path.exists():
            return
        good, bad = [], []
        for line, broken in _lines(self.path):
            try:
                if not broken:
                    parse(line)
                    good.append(line + b"\n")
            except Spoilt:
                bad.append(line[: 2 * TEXT_MOST] + b"\n")
        if sum(map(len, good)) == self.path.stat().st_size:
            return
        if bad:
            (folder / SPOILT_FILE).parent.mkdir(exist_ok=True)
            with (folder / SPOILT_FILE).open("ab") as file:
                file.writelines(bad)
        write_bytes(self.path, b"".join(good))

    def append(self, record: Mapping[str, Any]) -> None:
        """Writes one line so that it is whole or absent, also after a kill or a power cut.

        Raises:
            Spoilt: it is no record. OSError: it cannot be written; the file is as it was.
        """
        self.check_there()
        line = (canonical(check(dict(record))) + "\n").encode()
        size = os.fstat(self.file.fileno()).st_size
        try:
            self.file.write(line)
            self.file.flush()
            os.fsync(self.file.fileno())
        except OSError:
            self._abandon(size)
            raise

    def check_there(self) -> None:
        """Checks that the file is still in its place.

        Raises:
            OSError: it was moved or deleted, or another one was put there.
        """
        try:
            same = os.path.samestat(os.stat(self.path), os.fstat(self.file.fileno()))
        except OSError:
            same = False
        if not same:
            raise OSError(
                f"{self.path} was moved or deleted while the run wrote to it; "
                "put it back, or run the same command again"
            )

    def _abandon(self, size: int) -> None:
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(OSError):
            os.truncate(self.path, size)
        self.file = self.path.open("ab")

    def close(self) -> None:
        """Closes the file."""
        self.file.close()

    def __enter__(self) -> "RecordFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def drifts(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """How the columns of two problems of one name differ beyond what two machines may.

    Args:
        first, second: {column: [mean, deviation]} of a record. Means are compared in units of the
            deviation, deviations by their ratio.
    """
    lines = []
    for name, (mean, deviation) in second.items():
        before = first.get(name, [mean, deviation])
        unit = max(abs(before[1]), abs(deviation)) or 1.0
        gap = max(abs(mean - before[0]), abs(deviation - before[1])) / unit
        if gap > DRIFT:
            lines.append(f"column {name} differs by {gap:.1e} of its deviation")
    return lines


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file so that it is whole or absent, also after a kill or a power cut.

    Raises:
        OSError: it cannot be written, or its folder is a part of a run and a link.
    """
    if path.parent.name in PARTS:
        _refuse_link(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)  # a link that waits there is not followed
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _refuse_link(path: Path) -> None:
    if path.is_symlink():  # its target would be written to
        raise OSError(f"{path} is a link; remove it, a run follows none there")


def write_text(path: Path, text: str) -> None:
    """Writes a text file as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8", "replace"))


def sweep_temporaries(folder: Path) -> None:
    """Removes what a killed writer left half written; only while this run holds the folder."""
    for path in folder.glob(".*"):
        if re.fullmatch(r"\..+\.\d+", path.name):
            path.unlink(missing_ok=True)


def read_launches(folder: Path) -> list[dict[str, Any]]:
    """The launches of a run's folder, oldest first; empty where run.json is missing or is none."""
    try:
        found = list(json.loads((folder / LAUNCHES).read_text(encoding="utf-8"))["launches"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    return (
        [launch for launch in found if isinstance(launch, dict)] if isinstance(found, list) else []
    )


def skips(records: Iterable[Record]) -> list[str]:
    """Why cells were skipped: a line for each reason, with its methods and how many cells."""
    found: dict[str, list[str]] = {}
    for record in records:
        if record["result"]["status"] == "skipped":
            found.setdefault(record["result"]["reason"], []).append(record["key"]["method"])
    lines = [
        f"skipped: {len(methods)} of {', '.join(sorted(set(methods)))}: {clean(reason)}"
        for reason, methods in found.items()
    ]
    more = [f"skipped: {len(lines) - SKIPS_MOST} more reasons"] if len(lines) > SKIPS_MOST else []
    return lines[:SKIPS_MOST] + more


def write_launches(folder: Path, launches: list[dict[str, Any]]) -> None:
    """Writes the launches of a run into run.json."""
    write_text(folder / LAUNCHES, json.dumps({"launches": launches}, indent=1) + "\n")
