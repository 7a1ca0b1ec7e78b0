"""What is made from records: results.csv, tables and figures of a folder, a published run."""

import gzip
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.plots import PLOTS, kinds_for, save
from bench.analysis.render import FORMATS, render
from bench.analysis.results import EVERYTHING, Shown, counts, metrics_of, read_results
from bench.analysis.rows import HIDDEN
from bench.analysis.table import Table, metric_table
from bench.run.records import (
    LAUNCHES,
    PACKED,
    read_launches,
    read_records,
    write_bytes,
    write_launches,
    write_text,
)
from bench.run.shape import canonical

Bar = Callable[[Sequence[str], str], Iterable[str]]


@dataclass(frozen=True)
class Outputs:
    """What was written, and what to print of it.

    Attributes:
        tables: of what was asked for.
        figures: paths.
        notes: what was left out, a line each.
        counts: {status: cells} of what was asked for.
    """

    tables: list[Table]
    figures: list[Path]
    notes: list[str]
    counts: dict[str, int]


def plainly(names: Sequence[str], about: str) -> Iterable[str]:
    """The names, while nobody is told how far they are."""
    return names


def write_outputs(folder: Path, shown: Shown = EVERYTHING, bar: Bar = plainly) -> Outputs:
    """Makes results.csv, tables/ and figures/ of everything that a folder's records hold.

    Args:
        folder: of the run. shown: what the tables given back are about.
        bar: (kinds of figures, about) -> the same, while someone is told how far they are.

    Raises:
        ValueError: the folder holds no results.
    """
    frame = read_results(folder)
    write_csv(frame, folder / "results.csv")
    write_tables(frame, folder / "tables")
    figures = write_figures(frame, folder / "figures", bar=bar)
    part = shown.of(frame)
    return Outputs(tables_of(part), figures, frame.attrs["notes"], counts(part))


def tables_of(frame: pd.DataFrame, metrics: Sequence[str] = ()) -> list[Table]:
    """A table a metric, or of those named; incomplete pools are shown as n/N.

    Raises:
        ValueError: no cell has one of the metrics named.
    """
    there = metrics_of(frame)
    if lacking := [metric for metric in metrics if metric not in there]:
        raise ValueError(f"no cell has the metric {lacking[0]}; there are {', '.join(there)}")
    return [metric_table(frame, metric, missing="show") for metric in metrics or there]


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Every row, a column an axis, numbers in full."""
    write_text(path, frame.drop(columns=list(HIDDEN)).to_csv(index=False, lineterminator="\n"))


def write_tables(
    frame: pd.DataFrame,
    folder: Path,
    forms: Iterable[str] = FORMATS,
    metrics: Sequence[str] = (),
) -> list[Path]:
    """Every metric's table, or those of the metrics named, in every format."""
    written = []
    for table in tables_of(frame, metrics):
        for form in forms:
            written.append(folder / f"{table.name}.{form}")
            write_text(written[-1], render(table, form))
    return written


def write_figures(
    frame: pd.DataFrame, folder: Path, kinds: Iterable[str] = (), bar: Bar = plainly
) -> list[Path]:
    """Draws the kinds asked for, or all that say something about these rows, as PNG and PDF."""
    if not metrics_of(frame):
        return []
    chosen = list(kinds) or kinds_for(frame)
    drawn = bar(chosen, "drawing figures")
    return [path for kind in drawn for path in save(PLOTS[kind](frame), folder, kind)]


def publish(folder: Path, target: Path, metrics: Sequence[str] = ()) -> list[Path]:
    """Writes a run as it is committed: run.json, packed current records and tables as Markdown.

    The packed file has the same bytes for the same records. Of absolute paths in commands the last
    step is kept.

    Args:
        folder: of the run. target: where to. metrics: whose tables are written; the others can
            always be made from the records. All where none is named.

    Raises:
        ValueError: the folder holds no results, or no cell has one of the metrics.
    """
    frame = read_results(folder)
    # by task, so that what the cells of one problem share is packed once
    found = sorted((r["result"]["task"], canonical(r)) for r in read_records(folder).current)
    lines = [line for _, line in found]
    packed = gzip.compress("".join(f"{line}\n" for line in lines).encode(), 9, mtime=0)
    write_bytes(target / PACKED, packed)
    if launches := read_launches(folder):
        write_launches(target, [_without_places(launch) for launch in launches])
    paths = write_tables(frame, target / "tables", ("md",), metrics)
    for other in set((target / "tables").glob("*.md")) - set(paths):
        other.unlink()
    return [target / LAUNCHES, target / PACKED, *paths]


def _without_places(launch: Mapping[str, Any]) -> dict[str, Any]:
    """A launch whose command and files name no folder of whoever ran it: their last steps stay."""
    command = [
        re.sub(r"(?<![^=,])/[^=,]*", lambda path: Path(path[0]).name or ".", word)
        for word in shlex.split(launch.get("command", ""))
    ]
    dirty = [Path(p).name if Path(p).is_absolute() else p for p in launch.get("dirty", ())]
    return {**launch, "command": shlex.join(command), "dirty": dirty}
