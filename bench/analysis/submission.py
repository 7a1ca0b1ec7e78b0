"""A stranger's run, checked as data: nothing of it is run, imported, followed or believed."""

import gzip
import json
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.analysis.outputs import tables_of
from bench.analysis.render import render
from bench.analysis.results import read_results
from bench.registry import find_task, list_suites
from bench.run.records import FILE, LAUNCHES, PACKED
from bench.run.shape import STATUSES, Record, Spoilt, canonical, clean, parse

MIB = 2**20
MOST = {LAUNCHES: MIB, PACKED: 8 * MIB, FILE: 64 * MIB, "README.md": MIB // 8}
TABLE_MOST, UNPACKED_MOST, RECORDS_MOST, FILES_MOST = MIB, 64 * MIB, 50_000, 100
LAUNCHES_MOST, TEXT_MOST = 1000, 4000
LAUNCH: dict[str, type | tuple[type, ...]] = {
    "command": str,
    "started": str,
    "commit": str,
    "cpu": str,
    "dirty": list,
    "cells": dict,
}
LAUNCH |= {"versions": (str, dict)}
METRIC_MOST = 1e100  # no method errs by more; squares of what is larger are no numbers


@dataclass(frozen=True)
class Submission:
    """What a folder holds, once it was found sound.

    Attributes:
        records: of its cells.
        launches: how many.
        tables: names of those that its records give.
    """

    records: list[Record]
    launches: int
    tables: list[str]

    def __str__(self) -> str:
        said = {
            part: sorted({r["key"][part] for r in self.records}) for part in ("suite", "method")
        }
        ended = [r["result"]["status"] for r in self.records]
        counts = ", ".join(f"{ended.count(s)} {s}" for s in STATUSES if s in ended)
        return (
            f"{len(self.records)} records ({counts}) of {self.launches} launches; "
            f"{len(self.tables)} tables, as the records have it; "
            f"suites {', '.join(said['suite'])}; methods {', '.join(said['method'])}"
        )


def check_submission(folder: Path) -> Submission:
    """Reads a run as `rebuild --publish` writes one, whoever wrote it.

    Raises:
        ValueError: the first thing that is not as it should be; one line that names the file.
    """
    files = dict(_files(folder))
    records = _records(files)
    launches = _launches(files.get(LAUNCHES), folder)
    for number, record in enumerate(records, 1):
        if not 0 <= record["run"]["launch"] < launches:
            raise ValueError(f"{folder / LAUNCHES} has no launch of the record {number}")
    return Submission(records, launches, _tables(files, folder))


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """(name within the folder, path): known names, plain files, none too large."""
    if folder.is_symlink() or not folder.is_dir():
        raise ValueError(f"{_said(folder)} is no folder")
    found = 0
    for place in (folder, folder / "tables"):
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            name, state = path.relative_to(folder).as_posix(), path.lstat()
            found += 1
            if found > FILES_MOST:
                raise ValueError(f"{_said(folder)} has more than {FILES_MOST} files")
            if stat.S_ISDIR(state.st_mode) and name == "tables":
                continue
            if not stat.S_ISREG(state.st_mode):
                raise ValueError(f"{_said(path)} is a link or no plain file")
            table = place != folder and path.suffix == ".md"
            if name not in MOST and not table:
                raise ValueError(f"{_said(path)} is no part of a run that is sent")
            most = TABLE_MOST if table else MOST[name]
            if state.st_size > most:
                raise ValueError(f"{_said(path)} has {state.st_size} bytes, more than {most}")
            yield name, path


def _said(path: Path) -> str:
    return clean(str(path), 300)


def _records(files: dict[str, Path]) -> list[Record]:
    names = [name for name in (FILE, PACKED) if name in files]
    if len(names) != 1:
        raise ValueError(f"a run that is sent has one of {FILE} and {PACKED}, not {len(names)}")
    path, records, keys = files[names[0]], [], set()
    content = _unpacked(path) if names[0] == PACKED else path.read_bytes()
    lines = content.split(b"\n")
    if lines.pop():
        raise ValueError(f"{_said(path)} does not end with a line break: it is cut off")
    if not 0 < len(lines) <= RECORDS_MOST:
        raise ValueError(f"{_said(path)} has {len(lines)} lines, not 1 to {RECORDS_MOST}")
    for number, line in enumerate(lines, 1):
        try:
            record = parse(line)
            if odd := unprintable(record):
                raise Spoilt(f"its text {odd} is not printable")
            if canonical(record).encode() != line:
                raise Spoilt("it is not written as records are")
            _known(record)
        except Spoilt as error:
            raise ValueError(f"{_said(path)}, line {number}: {error}") from None
        key = canonical(record["key"])
        if key in keys:
            raise ValueError(f"{_said(path)}, line {number}: its cell is there already")
        keys.add(key)
        records.append(record)
    return records


def _known(record: Record) -> None:
    """Raises Spoilt where a registered suite has no such task, or an error is out of measure."""
    key = record["key"]
    if key["suite"] in list_suites():
        try:
            find_task(key["suite"], key["settings"])
        except ValueError as error:
            raise Spoilt(clean(str(error), 200)) from None
    for name, metric in record["result"]["metrics"].items():
        if abs(metric.get("value", 0)) > METRIC_MOST:
            raise Spoilt(f"its metric {clean(name, 40)} is above {METRIC_MOST:g}")


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            content = file.read(UNPACKED_MOST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{_said(path)} is no gzip file: {clean(str(error), 80)}") from None
    if len(content) > UNPACKED_MOST:
        raise ValueError(f"{_said(path)} unpacks to more than {UNPACKED_MOST} bytes")
    return content


def unprintable(part: Any) -> str:
    """The first text within JSON that a terminal would not just print, "" where there is none."""
    parts = [part]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            parts += [*part.keys(), *part.values()]
        elif isinstance(part, list):
            parts += part
        elif isinstance(part, str) and not part.isprintable():
            return ascii(part)[:60]
    return ""


def _launches(path: Path | None, folder: Path) -> int:
    """How many launches a run.json has, all of them as runs write them."""
    if path is None:
        raise ValueError(f"{_said(folder)} has no {LAUNCHES}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise ValueError(f"{_said(path)} is no JSON") from None
    launches = found.get("launches") if isinstance(found, dict) else None
    if not isinstance(launches, list) or not 0 < len(launches) <= LAUNCHES_MOST:
        raise ValueError(f"{_said(path)} is no object with a list of launches")
    for number, launch in enumerate(launches):
        if not isinstance(launch, dict) or not all(
            isinstance(launch.get(name), kind) for name, kind in LAUNCH.items()
        ):
            raise ValueError(f"{_said(path)}: launch {number} lacks one of {', '.join(LAUNCH)}")
        text = json.dumps(launch, ensure_ascii=False)
        if len(text) > TEXT_MOST or unprintable(launch):
            raise ValueError(f"{_said(path)}: launch {number} is too long, or not printable")
    return len(launches)


def _tables(files: dict[str, Path], folder: Path) -> list[str]:
    """The tables of the folder, each of which says what the records say."""
    made = {f"tables/{t.name}.md": render(t) for t in tables_of(read_results(folder))}
    for name, path in files.items():
        if not name.startswith("tables/"):
            continue
        if name not in made:
            raise ValueError(f"{_said(path)} is no table of these records")
        if path.read_bytes() != made[name].encode():
            raise ValueError(f"{_said(path)} says something else than the records: edited by hand?")
    return [name for name in files if name in made]
