"""Tables from results: mean (standard error) over SCMs, marks of the best, published figures."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.entry import Entry as Entry
from bench.analysis.entry import Table as Table
from bench.analysis.published import SOURCE, beside
from bench.analysis.rankings import ALPHA, not_worse, smallest_p
from bench.analysis.results import (
    DRAWS,
    axes_of,
    baselines,
    measured,
    methods_of,
    values_of,
)
from bench.analysis.seen import told
from bench.metrics import METRICS
from bench.metrics.metric import DEVIATIONS
from bench.registry import find_suite, list_suites

MISSING = ("error", "common", "show")
SPREAD, SPREAD_MOST = "scenario", 6  # the axis with a column a value, while they fit a page


def blocks(frame: pd.DataFrame) -> list[str]:
    """The columns that divide a table: every axis that varies, d in any case, but draws.

    `suite` is one of them where joined suites have other SCMs.
    """
    families = frame["scm"].str.split("/").str[0].nunique()
    axes = [axis for axis in axes_of(frame) if axis not in DRAWS]
    axes = ["suite", *axes] if families > 1 else axes
    return [a for a in axes if a == "d" or frame[a].nunique(dropna=False) > 1]


def spread(frame: pd.DataFrame) -> list[str]:
    """The values with a column each, [] where no axis has few enough."""
    known = SPREAD in axes_of(frame) and 0 < frame[SPREAD].nunique() <= SPREAD_MOST
    return values_of(frame, SPREAD) if known else []


def metric_table(frame: pd.DataFrame, metric: str, missing: str = "error") -> Table:
    """One metric: a row a method within each block, a column a scenario.

    Where there are many scenarios or none: a row a block, a column a method.

    Args:
        frame: rows of `read_results`. metric: of `metrics_of`.
        missing: what to do with unequal sets of SCMs: refuse ("error"), take the common ones
            ("common"), or average what is there and print n/N ("show").

    Raises:
        ValueError: methods have unequal sets of SCMs and `missing` is "error".
    """
    frame = _cells(frame, metric)
    columns, axes = spread(frame), blocks(frame)
    methods, caption = methods_of(measured(frame, metric)), _caption(frame, metric)
    if columns:
        axes = [axis for axis in axes if axis != SPREAD]
        table = Table(metric, caption, [*axes, "method", *map(short, columns)])
        fill = _method_rows
    elif axes and axes != ["d"]:
        table = Table(metric, caption, [*axes, *methods])
        fill = _block_row
    else:
        table = Table(metric, caption, [*axes, "method", metric])
        fill = _single_rows
    for values, block in split(frame, axes):
        label = [short(value) for value in values]
        for row in fill(frame, block, metric, missing):
            table.rows.append([*label, *row])
    entered = (cell for row in table.rows for cell in row if isinstance(cell, Entry))
    return replace(table, caption=caption + EXPLOSIVE) if any(e.middle for e in entered) else table


def _cells(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A row a cell, with its value of one metric or NaN."""
    cell = ["suite", "task", "method"]
    rows = measured(frame, metric)
    rest = frame.drop_duplicates(cell).assign(metric=metric, value=np.nan)
    rows = pd.concat([rows, rest]).drop_duplicates(cell).sort_index()
    kept = [*cell, "scm", "role", "seen_in_training", "metric", "value", *axes_of(frame)]
    return rows[kept]


def _method_rows(
    frame: pd.DataFrame, block: pd.DataFrame, metric: str, missing: str
) -> Iterable[list[str | Entry]]:
    columns = spread(frame)
    cells = [_marked(frame, block[block[SPREAD] == c], metric, missing) for c in columns]
    for method in methods_of(measured(block, metric)):
        yield [method, *(cell.get(method, "-") for cell in cells)]
    yield from _published_rows(block, metric, columns)


def _block_row(
    frame: pd.DataFrame, block: pd.DataFrame, metric: str, missing: str
) -> Iterable[list[str | Entry]]:
    found = _marked(frame, block, metric, missing)
    if found:
        yield [found.get(method, "-") for method in methods_of(measured(frame, metric))]


def _single_rows(
    frame: pd.DataFrame, block: pd.DataFrame, metric: str, missing: str
) -> Iterable[list[str | Entry]]:
    for method, entry in _marked(frame, block, metric, missing).items():
        yield [method, entry]


def split(frame: pd.DataFrame, axes: Sequence[str]) -> list[tuple[tuple, pd.DataFrame]]:
    """The blocks of a frame in order: (values of the axes, rows)."""
    if not axes:
        return [((), frame)]
    places = [{value: k for k, value in enumerate(values_of(frame, axis))} for axis in axes]
    groups = frame.groupby(list(axes), sort=False, dropna=False)
    return sorted(
        ((values, block) for values, block in groups),
        key=lambda group: [place.get(v, -1) for place, v in zip(places, group[0], strict=True)],
    )


def _marked(
    frame: pd.DataFrame, block: pd.DataFrame, metric: str, missing: str
) -> dict[str, Entry]:
    """The entries of a cell, what is not significantly worse than the best marked."""
    if block.empty:
        return {}
    pool = np.full(len(frame), True)
    for axis in blocks(frame):
        value = block[axis].iloc[0]
        if axis != "d":
            pool &= frame[axis].isna() if value != value else frame[axis] == value
    return _near(entries(block, metric, missing), frame[pool], metric, missing)


def by_scm(frame: pd.DataFrame, metric: str) -> dict[str, pd.Series]:
    """Each method's errors, one an SCM (its settings averaged): {method: {scm: value}}."""
    rows = measured(frame, metric)
    means = rows.groupby(["method", "scm"], sort=False)["value"].mean()
    return {m: means.loc[m] for m in methods_of(rows)}


def entries(block: pd.DataFrame, metric: str, missing: str = "show") -> dict[str, Entry]:
    """Each method's entry over the SCMs of a block, the best one marked.

    Raises:
        ValueError: methods have unequal sets of SCMs and `missing` is "error".
    """
    scms = set(block["scm"])
    have = by_scm(block, metric)
    if missing == "common" and have:
        scms = set.intersection(*(set(v.index) for v in have.values()))
        have = {m: v[v.index.isin(scms)] for m, v in have.items()}
    few = [f"{m} {len(v)}/{len(scms)}" for m, v in have.items() if len(v) < len(scms)]
    if few and missing == "error":
        place = ", ".join(f"{a} {short(block[a].iloc[0])}" for a in blocks(block)) or "all"
        raise ValueError(
            f"{metric}, {place}: unequal sets of SCMs ({', '.join(few)}); "
            "choose --missing common or show"
        )
    asked = METRICS[metric]
    digits, aim = asked.digits, asked.aim or 0.0
    form = partial(Entry.of, total=len(scms), digits=digits, is_error=asked.is_error)
    found = {m: form(v.to_numpy()) for m, v in have.items() if len(v)}
    compete = set(baselines(block)["method"])
    rivals = {m: round(abs(e.mean - aim), digits) for m, e in found.items() if m in compete}
    best = {m for m in rivals if rivals[m] == min(rivals.values())}
    told_apart = len(best) < len(rivals) or len(rivals) == 1
    return {m: replace(e, best=told_apart and m in best) for m, e in found.items()}


def _near(
    cells: dict[str, Entry], pool: pd.DataFrame, metric: str, missing: str
) -> dict[str, Entry]:
    """Marks what is not significantly worse than the best of a cell, tested over a pool.

    Methods that lack SCMs of the pool are not tested, unless `missing` is "common".
    """
    best = [m for m in cells if cells[m].best and METRICS[metric].is_error]
    rivals = baselines(pool)
    errors = pd.DataFrame(by_scm(rivals, metric))
    every = errors.reindex(rivals["scm"].unique())
    errors = every.dropna() if missing == "common" else every.dropna(axis=1)
    first = min(best, key=lambda m: cells[m].mean, default=None)
    tested = first is not None and first in errors and len(errors.columns) > 1
    near = not_worse(errors, first) if first is not None and tested else set()
    return {m: replace(e, near=m in near and not e.best) for m, e in cells.items()}


def place_of(block: pd.DataFrame) -> Mapping[str, Any]:
    """The axes of a block's first row."""
    return block[axes_of(block)].iloc[0].to_dict()


def _published_rows(block: pd.DataFrame, metric: str, columns: Sequence[str]) -> list[list]:
    rows = []
    figures = beside(metric, block["scm"].iloc[0], place_of(block))
    for method, by_scenario in sorted(figures.items()):
        found = [by_scenario.get(c) for c in columns]
        text = ["-" if f is None else f"{f.mean:.2f} ({f.se:.2f})" for f in found]
        if any(f is not None for f in found):
            rows.append([f"{method} (paper)", *text])
    return rows


def _caption(frame: pd.DataFrame, metric: str) -> str:
    axes = blocks(frame)
    fixed = [
        f"{axis} {short(frame[axis].iloc[0])}"
        for axis in axes_of(frame)
        if axis not in (*DRAWS, *axes) and frame[axis].iloc[0] not in ("", 0)
    ]
    counted = [block["scm"].nunique() for _, block in split(frame, axes)]
    plural = "" if max(counted) == 1 else "s"
    apart = [m for m in methods_of(frame) if m not in set(baselines(frame)["method"])]
    controls = f" ({', '.join(apart)} apart)" if apart else ""
    paper = spread(frame) and any(
        beside(metric, block["scm"].iloc[0], place_of(block)) for _, block in split(frame, axes)
    )
    return (
        f"{METRICS[metric].about}{_unit(frame, metric)}; mean (standard error) over "
        f"{_range(counted)} SCM{plural} each, {_better(metric)}, best method bold{controls}. "
        f"{_test_note(frame, metric)}{_seen(frame, metric)}"
        f"{', '.join(fixed)}{'.' if fixed else ''}"
        f"{PAPER if paper else ''}"
    ).strip()


def _seen(frame: pd.DataFrame, metric: str) -> str:
    return told(measured(frame, metric), SPREAD if SPREAD in axes_of(frame) else "")


def _better(metric: str) -> str:
    aim = METRICS[metric].aim
    return "lower is better" if aim is None else f"the nearer to {aim:g} the better"


def _unit(frame: pd.DataFrame, metric: str) -> str:
    """What a metric counts in, as those of the frame's suites say that are registered."""
    unit, known, here = METRICS[metric].unit, list_suites(), frame["suite"].unique()
    own = [find_suite(name).unit if name in known else "" for name in here]
    said = dict.fromkeys(unit.replace(DEVIATIONS, word or DEVIATIONS) for word in own)
    return f", in {' or '.join(said)}" if unit else ""


def _range(counted: Sequence[int]) -> str:
    low, high = min(counted), max(counted)
    return f"{low}" if low == high else f"{low} to {high}"


def _test_note(frame: pd.DataFrame, metric: str) -> str:
    """What the underlines mean, with the pool and its size, or why there are none."""
    rivals = baselines(measured(frame, metric))
    methods = rivals["method"].nunique()
    if methods < 2 or not METRICS[metric].is_error:
        return ""
    axes = [axis for axis in blocks(frame) if axis != "d"]
    counted = [block["scm"].nunique() for _, block in split(rivals, axes)]
    told = [n for n in counted if smallest_p(n, methods - 1) <= ALPHA]
    if not told:
        plural = "" if max(counted) == 1 else "s"
        return (
            f"No test of {methods} methods can reject at 5 % over {_range(counted)} SCM{plural}. "
        )
    pool = "the SCMs of all d" if "d" in frame and frame["d"].nunique() > 1 else "the SCMs"
    few = "" if len(told) == len(counted) else "; pools with fewer are not tested"
    return (
        f"Underlined: not significantly worse (paired signed ranks against the best, Holm, 5 %, "
        f"over {pool} alike in all else, {_range(told)}{few}). "
    )


PAPER = (
    f" (paper): {SOURCE}, over 9 (IN) or 6 (OUT) other SCMs, presumably of variant causica. "
    "Its Cond-FiP noise is smoothed and stands beside noise_published only."
)


EXPLOSIVE = " Where a mean explodes on single SCMs, median and interquartile mean stand beside it."


def short(value: object) -> str:
    """A setting as a table shows it: `-` where it has none, `none` for an empty one."""
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:g}"
    return str(value) or "none"
