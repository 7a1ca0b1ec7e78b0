"""Rows of one run or of several joined, a column an axis: where tables, plots and pages begin.

A frame has one row a cell and metric; a cell without a metric has one row with metric "". Rows come
methods first, in the order of every table (truth, references, then as registered), so that the
order of first appearance is the order to show.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.rows import AFTER, BEFORE, HIDDEN, TIMES, rows_of
from bench.analysis.runs import Run, locate
from bench.metrics import METRICS
from bench.registry import METHODS, SUITES, find_suite, names
from bench.run.records import Records, read_records

ROLES = ("truth", "reference", "baseline")
DRAWS = ("graph_kind", "index", "seed")
"""Axes that draw further SCMs of one design: tables and tests average over them."""


@dataclass(frozen=True)
class Shown:
    """What of a run is to be shown; empty: everything.

    Attributes:
        methods: by name.
        where: {axis: values, as text or numbers}.
        tasks: by name.
    """

    methods: Sequence[str] = ()
    where: Mapping[str, Sequence[object]] = field(default_factory=dict)
    tasks: Sequence[str] = ()

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of a run's results that are to be shown.

        Raises:
            ValueError: an unknown method, axis or value, or nothing is left.
        """
        notes = frame.attrs
        asked = frame.get("asked", frame["method"])
        for name in self.methods:
            _known("method", name, dict.fromkeys([*methods_of(frame), *asked]))
        if self.methods:
            frame = frame[frame["method"].isin(self.methods) | asked.isin(self.methods)]
        if self.tasks:
            frame = frame[frame["task"].isin(set(self.tasks))]
        for axis, values in self.where.items():
            frame = frame[_matching(frame, axis, values)]
        if frame.empty:
            raise ValueError("nothing is left of the results that --methods and --where ask for")
        frame.attrs = notes
        return frame


def _matching(frame: pd.DataFrame, axis: str, values: Sequence[Any]) -> pd.Series:
    if axis == "scms" and "index" in frame:
        return frame["index"] < max(int(value) for value in values)
    _known("axis", axis, [*axes_of(frame), "suite"])
    column = frame[axis]
    there = {_plain(value): value for value in column.unique()}
    for value in values:
        _known(axis, _plain(value), there)
    return column.isin([there[_plain(value)] for value in values])


def _plain(value: Any) -> str:
    """10, 10.0 and "10" are one value; so are RFF_IN and rff_in."""
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError):
        return str(value).lower()


def _known(what: str, name: str, there: Iterable[str]) -> None:
    if name not in there:
        raise ValueError(f"no {what} {name} in these results; there are {', '.join(there)}")


EVERYTHING = Shown()


def read_results(runs: Run | Sequence[Run], shown: Shown = EVERYTHING) -> pd.DataFrame:
    """Reads runs as one table, joined on settings: where runs share a cell, the first counts.

    Args:
        runs: one run or several, each a folder or the name of a published run.
        shown: which methods, settings and tasks; by default all of them.

    Returns:
        A row a cell and metric, with the columns `suite`, `task`, `scm`, one for each axis,
        `method`, `metric`, `value` (in the metric's unit; NaN where it is missing, `reason` says
        why), `status`, and the times and memory of the cell. `attrs["notes"]` has a line for
        whatever was left out.

    Raises:
        ValueError: no such run, it holds no results, or nothing is left of what is asked for.

    Example:
        >>> from bench import read_results
        >>> frame = read_results("lorch-quick")
        >>> frame[frame["metric"] == "noise"].groupby("method")["value"].mean().idxmax()
        'marginal'
    """
    runs = [runs] if isinstance(runs, str | Path) else list(runs)
    rows, notes = [], []
    for folder in map(locate, runs):
        found = read_records(folder)
        notes += _left_out(folder, found)
        if not found.current:
            raise ValueError(f"no results in {folder}: no cell is recorded")
        rows += [row for record in found.current for row in rows_of(record, folder.name)]
    frame = _in_order(_with_defaults(pd.DataFrame(rows)))
    cell = ["suite", "task", "method"]
    first = frame.groupby(cell, sort=False)["run"].transform("first")
    twice = frame[frame["run"] != first]
    if len(twice):
        count = len(twice.drop_duplicates(["run", *cell]))
        notes.append(f"{count} cells are in several of these runs: those of the first count")
    frame = frame[frame["run"] == first].reset_index(drop=True)
    frame.attrs["notes"] = notes + _versions(frame)
    return shown.of(frame)


def _left_out(folder: Path, found: Records) -> list[str]:
    lines = [f"{folder}: {line}" for line in found.older]
    if found.stale:
        lines.append(f"{folder}: {found.stale} stale records left out: newer ones took their place")
    if found.spoilt:
        more = f" (and {len(found.spoilt) - 1} more)" if len(found.spoilt) > 1 else ""
        lines.append(f"spoilt records left out: {found.spoilt[0]}{more}")
    return lines


def _versions(frame: pd.DataFrame) -> list[str]:
    measured = frame[frame["metric"] != ""].groupby("metric")["metric_version"]
    several = {m: v for m, v in measured.unique().items() if len(v) > 1}
    return [
        f"metric {name} was measured in versions {', '.join(sorted(versions))}; all are shown"
        for name, versions in several.items()
    ]


def as_asked(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows under the method's own name: a control has two, by what it bounds, and is one cell."""
    return frame.assign(method=frame["asked"])


def _with_defaults(frame: pd.DataFrame) -> pd.DataFrame:
    """A record that is older than an axis of its suite was made with the axis's default."""
    for axis in axes_of(frame):
        older = frame[axis].isna()
        for suite in frame["suite"][older].unique():
            default = _default(suite, axis)
            if default is not MISSING:
                frame.loc[older & (frame["suite"] == suite), axis] = default
    return frame


@cache
def _default(suite: str, axis: str) -> object:
    kind = find_suite(suite).kind if suite in _suites() else None
    return {f.name: f.default for f in fields(kind)}.get(axis, MISSING) if kind else MISSING


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns as documented, rows by method, then by setting; text where text is missing."""
    axes = _suites_order(frame, axes_of(frame))
    for axis in axes:
        if not pd.api.types.is_numeric_dtype(frame[axis]):
            frame[axis] = frame[axis].fillna("")
    for name in TIMES:
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
    frame["value"] = frame["value"].astype(float)
    places = {"method": {m: k for k, m in enumerate(_ranked(roles_of(frame)))}}
    for axis in axes:
        places[axis] = {value: k for k, value in enumerate(values_of(frame, axis))}
    keys = ["method", "suite", *axes, "task", "metric"]
    ranks = pd.DataFrame({k: frame[k].map(places[k]) if k in places else frame[k] for k in keys})
    frame = frame.loc[ranks.sort_values(keys, kind="stable").index]
    return frame[[*BEFORE, *axes, *AFTER, *HIDDEN]]


def _suites_order(frame: pd.DataFrame, axes: list[str]) -> list[str]:
    """Axes as the registered suites have them, then others, draws last: JSON sorts them by name."""
    given = [axis for suite in frame["suite"].unique() for axis in _axes(suite)]
    known = [axis for axis in dict.fromkeys(given) if axis in axes and axis not in DRAWS]
    rest = [axis for axis in axes if axis not in (*known, *DRAWS)]
    return [*known, *rest, *(axis for axis in DRAWS if axis in axes)]


def _ranked(roles: Mapping[str, str]) -> list[str]:
    known = _registered()
    return sorted(roles, key=lambda m: (_place(roles[m]), known.get(m, len(known)), m))


def _place(role: str) -> int:
    return ROLES.index(role) if role in ROLES else len(ROLES)


def axes_of(frame: pd.DataFrame) -> list[str]:
    """The columns that are axes of the suites, in their order."""
    return [name for name in frame.columns if name not in (*BEFORE, *AFTER, *HIDDEN)]


def methods_of(frame: pd.DataFrame) -> list[str]:
    """Methods in the order of every table and plot."""
    return list(dict.fromkeys(frame["method"]))


def roles_of(frame: pd.DataFrame) -> dict[str, str]:
    """The role of each method of some results: truth, reference or baseline."""
    return dict(zip(frame["method"], frame["role"], strict=True))


def baselines(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of methods that compete: neither the truth nor a reference."""
    return frame[frame["role"] == "baseline"]


def metrics_of(frame: pd.DataFrame) -> list[str]:
    """The metrics with a value, in the order of the registry."""
    present = set(frame["metric"][frame["value"].notna()])
    return [name for name in METRICS if name in present]


def errors_of(frame: pd.DataFrame) -> list[str]:
    """Of `metrics_of` those that are errors, never negative and best at 0."""
    return [name for name in metrics_of(frame) if METRICS[name].is_error]


def measured(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows that have a value of a metric."""
    return frame[(frame["metric"] == metric) & frame["value"].notna()]


def of_shared_tasks(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of tasks that all methods of `rows` have; all rows where there is no such task."""
    shared = rows.groupby("task")["method"].transform("nunique") == rows["method"].nunique()
    return rows[shared | ~shared.any()]


def values_of(frame: pd.DataFrame, axis: str) -> list:
    """The values on an axis as its suite orders them, others by size or by name."""
    given: dict[str, int] = {}
    for suite in frame["suite"].unique():
        for choice in _choices(suite, axis):
            given.setdefault(str(choice), len(given))
    return sorted(frame[axis].unique(), key=lambda v: (given.get(str(v), len(given)), _size(v)))


@cache
def _registered() -> dict[str, int]:
    """{registered method: its place}; looked up once, for entry points are slow to read."""
    return {name: place for place, name in enumerate(names(METHODS))}


@cache
def _suites() -> frozenset[str]:
    return frozenset(names(SUITES))


@cache
def _axes(suite: str) -> Sequence[str]:
    """The axes of a registered suite."""
    return tuple(find_suite(suite).axes) if suite in _suites() else ()


@cache
def _choices(suite: str, axis: str) -> Sequence[object]:
    """What a registered suite says may stand on an axis; a stranger's module is not loaded."""
    return find_suite(suite).choices.get(axis, ()) if suite in _suites() else ()


def _size(value: Any) -> tuple:
    """Numbers by size, corrupt-2 before corrupt-10, "" first."""
    if not isinstance(value, str):
        return (0, float(value), "", 0)
    word = value.rstrip("0123456789")
    return (1, 0.0, word, int(value[len(word) :] or 0))


def counts(frame: pd.DataFrame) -> dict[str, int]:
    """Counts cells by their status: {status: cells}."""
    one = frame["record"].where(frame["record"] != "", frame["method"])  # a floor has two names
    cells = frame.assign(record=one).drop_duplicates(["suite", "task", "record"])
    return dict(Counter(cells["status"]))
