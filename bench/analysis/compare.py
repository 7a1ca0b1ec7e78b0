"""Two runs beside each other, over the same settings: by method, or as a proof of sameness."""

from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from bench.analysis.results import (
    EVERYTHING,
    Shown,
    as_asked,
    axes_of,
    methods_of,
    metrics_of,
    read_results,
    roles_of,
)
from bench.analysis.runs import published_runs
from bench.analysis.stats import paired_difference
from bench.analysis.table import Entry, Table, blocks, short, split
from bench.metrics import METRICS
from bench.registry import SUITES, find_suite, names
from bench.run.records import read_records

SAME = 1e-6  # of errors, relative above 1
DATA = 1e-3  # of a column: means in units of the deviation, deviations by ratio
CELL = ["suite", "task", "method"]
RUNS_CAPTION = (
    "Means (standard errors) of two runs over the problems that both have, the same where their "
    "settings are, and the mean paired difference, second less first, also in its own "
    "standard errors. A method that one run lacks stands alone."
)


def compare_runs(first: pd.DataFrame, second: pd.DataFrame) -> Table:
    """Puts two runs beside each other, method by method, over the problems they share.

    Args:
        first: rows of a run, from `read_results`.
        second: rows of another.

    Returns:
        A table, a row a metric and method: means (standard errors) over SCMs in the metric's unit,
        and the mean paired difference, second less first, also in its own standard errors.

    Raises:
        ValueError: they share no problem and metric.

    Source:
        Differences are paired by SCM; see `bench.analysis.stats.paired_difference`.

    Example:
        >>> from bench import compare, read_results
        >>> run = read_results("sachs-paper")
        >>> table = compare(run, run)
        >>> {row[-2] for row in table.rows if row[0] == "residual"}  # the differences
        {'+0.000'}
    """
    shared = set(zip(first["suite"], first["task"], strict=True))
    shared &= set(zip(second["suite"], second["task"], strict=True))
    both = [_of(frame, shared).assign(side=k) for k, frame in enumerate((first, second))]
    joined = pd.concat(_with_same_axes(*both))
    if joined.empty:
        raise ValueError("the runs share no problem")
    axes = blocks(joined.drop(columns="side"))
    header = ["metric", *axes, "method", "first", "second", "difference", "difference / SE"]
    table = Table("compare-runs", RUNS_CAPTION, header)
    order = list(dict.fromkeys([*methods_of(first), *methods_of(second)]))
    roles = roles_of(joined)
    order.sort(key=lambda m: ("truth", "reference", "baseline").index(roles.get(m, "baseline")))
    for metric in metrics_of(joined):
        rows = joined[(joined["metric"] == metric) & joined["value"].notna()]
        for values, block in split(rows, axes):
            for method in [m for m in order if m in set(block["method"])]:
                pair = block[block["method"] == method].pivot(
                    index="task", columns="side", values="value"
                )
                cells = _pair(pair.reindex(columns=[0, 1]), METRICS[metric].digits)
                table.rows.append([metric, *map(short, values), method, *cells])
    return table


def _with_same_axes(*frames: pd.DataFrame) -> list[pd.DataFrame]:
    """Runs from before and after a suite had an axis: tasks of one name have its default there."""
    axes = list(dict.fromkeys(axis for frame in frames for axis in axes_of(frame)))
    return [
        frame.assign(
            **{
                axis: [_default(suite, axis) for suite in frame["suite"]]
                for axis in axes
                if axis not in frame
            }
        )
        for frame in frames
    ]


@cache
def _default(suite: str, axis: str) -> object:
    """What an axis of a registered suite is where nothing is said; NaN where that is not known."""
    if suite not in names(SUITES):
        return np.nan
    known = {field.name: field.default for field in fields(find_suite(suite).kind)}
    return np.nan if known.get(axis, MISSING) is MISSING else known[axis]


def _of(frame: pd.DataFrame, tasks: set[tuple[str, str]]) -> pd.DataFrame:
    return frame[[cell in tasks for cell in zip(frame["suite"], frame["task"], strict=True)]]


def _pair(values: pd.DataFrame, digits: int) -> list[str | Entry]:
    """Over what both have; each side over its own where the other has nothing."""
    common = values.dropna()
    if common.empty:
        sides = [values[side].dropna().to_numpy() for side in (0, 1)]
        return [*(Entry.of(v, len(v), digits) if len(v) else "-" for v in sides), "-", "-"]
    first, second = (common[side].to_numpy() for side in (0, 1))
    mean, error = paired_difference(second, first)
    steps = f"{mean / error:+.1f}" if error > 0 else "-"
    n = len(common)
    entries = [Entry.of(v, n, digits) for v in (first, second)]
    return [*entries, f"{mean:+.{digits}f}", steps]


def beside_published(folder: Path, shown: Shown = EVERYTHING) -> str:
    """How a run compares with the published run that shares most of its cells, in a line or two.

    Cells are the same where suite, settings and method are, whatever they were computed with.

    Args:
        folder: of the run. shown: which of its cells to compare.

    Raises:
        ValueError: the folder holds no results, or none that are asked for.
    """
    ours = as_asked(read_results(folder, shown))
    cells = set(ours[CELL].itertuples(index=False, name=None))
    best, most = None, 0
    published = published_runs()
    for name in sorted(published, key=lambda name: name != folder.name):
        if published[name].resolve() != folder.resolve() and most < len(cells):
            shared = len(cells & _cells_of(published[name]))
            best, most = (name, shared) if shared > most else (best, most)
    if best is None:
        if not published:
            return "beside the published results: there are none outside a checkout"
        return "beside the published results: none of these cells is published here"
    theirs = as_asked(read_results(published[best]))
    return "\n".join([_sameness(best, ours, theirs, most), *_drifted(folder, published[best])])


def _cells_of(folder: Path) -> set[tuple[str, str, str]]:
    keys = ((r["key"], r["result"]) for r in read_records(folder).current)
    return {(key["suite"], result["task"], key["method"]) for key, result in keys}


def _sameness(name: str, ours: pd.DataFrame, theirs: pd.DataFrame, shared: int) -> str:
    measure = [*CELL, "metric", "metric_version"]
    pairs = ours[[*measure, "value", "status"]].merge(theirs[[*measure, "value"]], on=measure)
    pairs = pairs[(pairs["metric"] != "") & pairs["value_x"].notna() & pairs["value_y"].notna()]
    if pairs.empty:
        return f"beside published {name}: {shared} cells shared, none with a value in both"
    unit = np.maximum(1, pairs["value_y"].abs())
    pairs = pairs.assign(gap=(pairs["value_x"] - pairs["value_y"]).abs() / unit)
    largest = pairs.groupby(CELL)["gap"].max()
    equal = int((largest <= SAME).sum())
    told = f"beside published {name}: {shared} cells, {equal} equal to {SAME:.0e}"
    told = told.replace("e-0", "e-")
    if equal < len(largest):
        worst = pairs.loc[pairs["gap"].idxmax()]
        place = f"{worst['metric']} of {worst['method']} on {worst['task']}"
        told += f", largest difference {worst['gap']:.0e} in {place}".replace("e-0", "e-")
    alone = shared - len(largest)
    return told + (f"; {alone} without a value in both" if alone else "")


def _drifted(folder: Path, published: Path) -> list[str]:
    """A line where the problems themselves differ: a column's mean or deviation beyond 1e-3."""
    there = {r["result"]["task"]: r["result"]["columns"] for r in read_records(published).current}
    tasks, largest = set(), 0.0
    for record in read_records(folder).current:
        task, columns = record["result"]["task"], record["result"]["columns"]
        for column, (mean, deviation) in columns.items():
            if column not in there.get(task, {}):
                continue
            was, spread = there[task][column]
            unit = spread or 1.0
            gap = max(abs(mean - was) / unit, abs(deviation / unit - 1) if spread else deviation)
            largest = max(largest, gap)
            if gap > DATA:
                tasks.add(task)
    if not tasks:
        return []
    return [
        f"warning: the columns of {len(tasks)} problems differ from the published ones, by up to "
        f"{largest:.1g}: another generator, or another source of random numbers"
    ]
