"""Skill: error over that of a reference on the same SCMs, comparable between unlike suites.

Logarithms of the ratios are averaged within an SCM first, since its settings are no further SCMs,
then over SCMs.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.results import axes_of, measured, methods_of, roles_of, values_of
from bench.analysis.stats import bootstrap_interval
from bench.analysis.table import Entry, Table, short
from bench.metrics import METRICS

ROLES = {"baseline": "method", "reference": "control"}
GROUPS = {"suite": "suite", "scenario": "scenario", "d": "size"}
HEADS = {"d": "d = ", "n_context": "n = "}
SCORE = (
    "{about}: geometric mean of error / error of {reference} over SCMs, lower is better; brackets "
    "are 95 % bootstrap intervals over SCMs within strata of suite, scenario and d. n/{total}: "
    "the method has n of these SCMs, maybe easier or harder ones: such numbers do not compare. "
    "Bold: the lowest of the methods that are no controls, where it has all SCMs."
)
OVER = (
    "{about}: geometric mean of error / error of {reference} over {scms}, lower is better; "
    "brackets are 95 % bootstrap intervals over SCMs within suite, scenario and d; bold: the "
    "lowest of those that have all SCMs, controls apart"
)
RANK = (
    " rank: mean over SCMs of the place among such methods that have the SCM, of so many on "
    "average; seconds: median of fit and all queries of a cell, one thread, over its own cells; "
    "sources: how many versions of its source its cells are of."
)
COMMON_LEAST = 5  # SCMs


@dataclass(frozen=True)
class Score(Entry):
    """exp of a mean of logarithms over n of `total` SCMs, with its interval where it has one."""

    low: float = np.nan
    high: float = np.nan

    def text(self) -> str:
        """The ratio, its interval, and n/N where SCMs are missing."""
        known = self.low < self.high  # else it is the reference's own, or of too few SCMs
        interval = f" [{_digits(self.low)}, {_digits(self.high)}]" if known else ""
        share = "" if self.n == self.total else f" {self.n}/{self.total}"
        return f"{_digits(self.mean)}{interval}{share}"


def _digits(value: float) -> str:
    return f"{value:.2g}" if value >= 100 or value < 0.01 else f"{value:.3f}"


def ratios(frame: pd.DataFrame, metric: str, reference: str) -> pd.DataFrame:
    """log(error / error of the reference) of every cell that has both, and both positive.

    Args:
        frame: rows of `read_results`. metric: of `metrics_of`.
        reference: a method; or several, A,B: the lowest error of a task that has all of them.

    Returns:
        The rows of other methods than the truth, with a column `log`; none where the reference
        was not measured, or where the metric does not depend on the method.
    """
    rows = measured(frame, metric)
    rows = rows[(rows["role"] != "truth") & (rows["value"] > 0)]
    place = pd.MultiIndex.from_frame(rows[["suite", "task"]])
    names = reference.split(",")
    errors = [
        pd.Series(rows.loc[of, "value"].to_numpy(), place[of]).reindex(place).to_numpy()
        for of in (_called(rows, name) for name in names)
    ]
    below = np.min(errors, axis=0)  # NaN where one of them is missing
    rows = rows.assign(log=np.log(rows["value"]) - np.log(below)).dropna(subset="log")
    told = (rows["log"].abs() > 1e-12).any()
    return rows if told else rows.iloc[:0]


def _called(rows: pd.DataFrame, name: str) -> pd.Series:
    """Which rows are of the method, by the name that tables show or the one it was asked by."""
    return (rows["method"] == name) | (rows.get("asked", rows["method"]) == name)


def _named(reference: str) -> str:
    """What errors are divided by, in words."""
    return f"the best of {reference} in each" if "," in reference else reference


def by_scm(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean logarithms [SCMs, methods], NaN where a method lacks one; settings averaged."""
    logs = rows.pivot_table(index="scm", columns="method", values="log", sort=False)
    return logs[methods_of(rows)]


def strata_of(rows: pd.DataFrame) -> pd.Series:
    """{scm: suite/scenario/d}; strata of one SCM, which has no spread, are put together."""
    axes = [axis for axis in GROUPS if axis in rows]
    firsts = rows.drop_duplicates("scm").set_index("scm")[axes]
    return firsts.map(short).agg("/".join, axis=1)


def score(logs: pd.Series, strata: pd.Series, total: int) -> Score:
    """The geometric mean of a method's ratios with its interval; logs: {scm: log}."""
    logs = logs.dropna()
    labels = strata.loc[logs.index]
    alone = labels.map(labels.value_counts()) < 2
    labels = labels.where(~alone, "alone")
    if alone.sum() == 1:
        labels = pd.Series("together", labels.index)
    low = high = np.nan
    if len(logs) > labels.nunique():
        rng = np.random.default_rng(0)
        low, high = np.exp(bootstrap_interval(logs.to_numpy(), labels.to_numpy(), rng, draws=1000))
    mean = float(np.exp(logs.mean()))
    return Score(mean, np.nan, len(logs), total, low=float(low), high=float(high))


def tables(rows: pd.DataFrame, metric: str, reference: str) -> Iterable[dict[str, Any]]:
    """All SCMs, those that most methods share, and a table a way of dividing them, with links."""
    yield _linked("all SCMs", _overall(rows, metric, reference), rows)
    logs = by_scm(rows)
    many = [method for method in logs if 2 * logs[method].count() >= len(logs)]
    common = logs.index[logs[many].notna().all(axis=1)]
    if len(common) >= COMMON_LEAST and len(common) * len(many) < logs.size:
        both = rows[rows["scm"].isin(common) & rows["method"].isin(many)]
        shared = replace(_overall(both, metric, reference), name=f"{metric}, shared SCMs")
        about = f"{len(common)} SCMs that all methods with at least half of them share"
        yield _linked(about, shared, both)
    for axis, about in GROUPS.items():
        if axis in rows and len(values := _values(rows, axis)) > 1:
            yield _linked(f"by {about}", _divided(rows, metric, reference, axis, values), rows)


def over(frame: pd.DataFrame, metric: str, reference: str, axis: str = "") -> Table:
    """Errors over those of one method on the same SCMs, a row a method, a column a value.

    Args:
        frame, metric, reference: see `ratios`; of several methods each has a row too.
        axis: whose values have a column each; "": one column over all settings.

    Raises:
        ValueError: no other method shares a cell with the reference, or no such axis.
    """
    rows = ratios(frame, metric, reference)
    if rows.empty:
        raise ValueError(f"{metric}: no method shares a cell with {_named(reference)}")
    if axis and axis not in axes_of(frame):
        raise ValueError(f"no axis {axis} in these results; there are {', '.join(axes_of(frame))}")
    rows = rows[~_called(rows, reference)]
    table = _divided(rows, metric, reference, axis, _values(rows, axis) if axis else [])
    counted = "; n/N where a method lacks SCMs of its column." if "/" in _texts(table) else "."
    scms = f"{rows['scm'].nunique()} SCMs"
    about = METRICS[metric].about.rstrip(".")
    caption = OVER.format(about=about, reference=_named(reference), scms=scms)
    return replace(table, caption=caption + counted)


def _texts(table: Table) -> str:
    return " ".join(cell.text() for row in table.rows for cell in row if isinstance(cell, Entry))


def _values(rows: pd.DataFrame, axis: str) -> list:
    known = rows[rows[axis].notna() & (rows[axis] != "")]
    return values_of(known, axis)


def _caption(metric: str, reference: str, total: int) -> str:
    about = METRICS[metric].about.rstrip(".")
    return SCORE.format(about=about, reference=reference, total=total)


def _overall(rows: pd.DataFrame, metric: str, reference: str) -> Table:
    logs, strata, roles = by_scm(rows), strata_of(rows), roles_of(rows)
    rivals = [m for m in logs if roles[m] == "baseline"]
    rank, places = logs[rivals].rank(axis=1), logs[rivals].notna().sum(axis=1)
    seconds = seconds_of(rows)
    header = ["method", "role", f"error / {reference}", "rank", "SCMs", "seconds", "sources"]
    caption = _caption(metric, reference, len(logs)) + RANK
    table = Table(f"{metric}, all SCMs", caption, header)
    sources = rows.groupby("method")["source"].nunique()
    for method, found in zip(logs, _best([logs[m] for m in logs], strata, roles), strict=True):
        there = rank[method].dropna().index if method in rank else ()
        place = f"{rank[method].mean():.2f} of {places[there].mean():.1f}" if len(there) else "-"
        counted = str(found.n if found else 0)
        made = str(sources[method])
        row = [method, ROLES.get(roles[method], ""), found or "-", place, counted]
        row += [f"{seconds[method]:.3g}", made]
        table.rows.append(row)
    table.rows.sort(key=lambda row: row[2].mean if isinstance(row[2], Score) else np.inf)
    return table


def _divided(rows: pd.DataFrame, metric: str, reference: str, axis: str, values: list) -> Table:
    methods, roles = methods_of(rows), roles_of(rows)
    columns = []
    for value in values or [None]:
        here = rows if value is None else rows[rows[axis] == value]
        logs = by_scm(here).reindex(columns=methods)
        columns.append(_best([logs[m] for m in methods], strata_of(here), roles))
    name = f"{metric}, by {GROUPS.get(axis, axis)}" if axis else f"{metric} over {reference}"
    heads = [HEADS.get(axis, "") + short(value) for value in values]
    header = ["method", *(heads or [f"error / {reference}"])]
    table = Table(name, _caption(metric, reference, rows["scm"].nunique()), header)
    for place, method in enumerate(methods):
        table.rows.append([method, *(column[place] or "-" for column in columns)])
    return table


def _best(logs: list[pd.Series], strata: pd.Series, roles: dict[str, str]) -> list[Score | None]:
    """A column of scores; the lowest is marked where it is over all of the column's SCMs."""
    total = len(strata)
    column = [score(part, strata, total) if part.notna().any() else None for part in logs]
    rivals = {
        k: found.mean
        for k, (found, part) in enumerate(zip(column, logs, strict=True))
        if found and roles[str(part.name)] == "baseline"
    }
    best = min(rivals, key=rivals.__getitem__, default=None)
    if best is not None and (found := column[best]) and found.n == total:
        column[best] = replace(found, best=True)
    return column


def seconds_of(rows: pd.DataFrame) -> pd.Series:
    """Median seconds of a cell, its fit and its answers, by method."""
    return (rows["fit_s"] + rows["query_s"]).groupby(rows["method"]).median()


def _linked(about: str, table: Table, rows: pd.DataFrame) -> dict[str, Any]:
    """A table, and for each number what finds the runs it was computed in."""
    asked = dict(zip(rows["method"], rows["asked"], strict=True))
    links = [[f"method={asked[str(row[0])]}"] * len(table.header) for row in table.rows]
    return {"about": about, "table": table, "links": links}
