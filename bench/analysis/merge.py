"""Several runs as one: every record that counts, every launch, nothing computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.run.records import (
    FILE,
    FINISHED,
    read_launches,
    read_records,
    write_launches,
    write_text,
)
from bench.run.shape import Record, canonical, cell_of

SAID = 3  # conflicts that are named


@dataclass
class Merged:
    """What became of runs that were merged.

    Attributes:
        records: by their key, in the order of the runs.
        launches: of all runs, each once.
        conflicts, notes: a line each.
    """

    records: dict[str, Record] = field(default_factory=dict)
    launches: list[dict[str, Any]] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def merge(runs: Sequence[Path], target: Path) -> Merged:
    """Writes the records and launches of runs into a new folder.

    A key's records are one where their results are: versions, sources and checkpoints are in the
    key and stay apart, each a line of its own. Of a failed and a finished cell the finished one is
    kept. Key, result and sha keep their bytes; a record's number of its launch moves with it.

    Raises:
        ValueError: a folder holds no results, two results stand under one key, or the target
            exists; then nothing is written.
    """
    if target.exists() or target.is_symlink():
        raise ValueError(f"{target} exists already: name a new folder")
    merged = Merged()
    for folder in runs:
        _add(merged, folder)
    if merged.conflicts:
        more = len(merged.conflicts) - SAID
        told = "; ".join(merged.conflicts[:SAID]) + (f"; and {more} more" if more > 0 else "")
        raise ValueError(f"the runs differ under one key, nothing is written: {told}")
    twice = len(merged.records) - len({cell_of(r["key"]) for r in merged.records.values()})
    if twice:
        merged.notes.append(
            f"{twice} records stay beside another version or source of their cell; tables show "
            "that of the run named last"
        )
    write_launches(target, merged.launches)
    text = "".join(f"{canonical(record)}\n" for record in merged.records.values())
    write_text(target / FILE, text)
    return merged


def _add(merged: Merged, folder: Path) -> None:
    found = read_records(folder)
    if not found.current:
        raise ValueError(f"no results in {folder}: no cell is recorded")
    merged.notes += [f"left out: {line}" for line in found.spoilt]
    places = _join_launches(merged, folder, found.current)
    for record in found.current:
        moved = {**record, "run": {**record["run"], "launch": places[record["run"]["launch"]]}}
        name = canonical(record["key"])
        known = merged.records.get(name)
        if known and _finished(known):
            if _finished(record) and known["result"] != record["result"]:
                merged.conflicts.append(_conflict(known, record, folder))
            continue
        merged.records.pop(name, None)
        merged.records[name] = moved


def _finished(record: Record) -> bool:
    return record["result"]["status"] in FINISHED


def _join_launches(merged: Merged, folder: Path, records: Sequence[Record]) -> dict[int, int]:
    """{number of a launch in its run: in the merged one}; a launch of both runs is one."""
    launches = dict(enumerate(read_launches(folder)))
    places = {}
    for number in sorted({*launches, *(record["run"]["launch"] for record in records)}):
        launch = launches.get(number, {"command": f"unknown, launch {number} of {folder.name}"})
        if launch not in merged.launches:
            merged.launches.append(launch)
        places[number] = merged.launches.index(launch)
    return places


def _conflict(first: Record, second: Mapping[str, Any], folder: Path) -> str:
    """Names a cell, and the first metric or part that differs."""
    ours, theirs = first["result"], second["result"]
    told = f"{first['key']['method']} on {ours['task']}, in {folder} and before it: "
    names = [*ours["metrics"], *theirs["metrics"]]
    for name in names:
        pair = [part["metrics"].get(name, {}) for part in (ours, theirs)]
        if pair[0] != pair[1]:
            values = (str(p.get("value", p.get("missing", "none"))) for p in pair)
            return told + f"{name} is {' and '.join(values)}"
    part = next(name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name))
    return told + f"{part} differs"
