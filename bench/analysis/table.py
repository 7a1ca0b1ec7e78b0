"""Paper-style tables from results: mean (SE) over SCMs, the floor and published figures beside."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from bench.analysis.published import SOURCE, Figure, matching
from bench.analysis.rankings import ALPHA, not_worse, smallest_p
from bench.analysis.stats import mean_se
from bench.metrics import METRICS
from bench.registry import CONTROLS, DEFAULT_METHODS
from bench.scm.prior import SCENARIOS

MISSING = ("error", "common", "show")
SWEEPS = ("variant", "given_graph", "shift", "alpha", "noise", "n_context")


@dataclass(frozen=True)
class Entry:
    """One number of a table: mean and standard error over n of `total` SCMs.

    `best` is the lowest mean of its cell, `near` is not significantly worse.
    """

    mean: float
    se: float
    n: int
    total: int
    best: bool = False
    near: bool = False
    digits: int = 3

    def text(self) -> str:
        """mean (SE), and n/N where SCMs are missing."""
        error = "" if math.isnan(self.se) else f" ({self.se:.{self.digits}f})"
        share = "" if self.n == self.total else f" {self.n}/{self.total}"
        return f"{self.mean:.{self.digits}f}{error}{share}"


@dataclass(frozen=True)
class Table:
    """A caption, a header and rows of text or entries."""

    name: str
    caption: str
    header: list[str]
    rows: list[list[str | Entry]] = field(default_factory=list)


def read_results(folder: Path) -> pd.DataFrame:
    """The long table of a run.

    Raises:
        ValueError: the folder holds no results.
    """
    file = folder / "results.csv"
    if not file.exists():
        raise ValueError(f"no results in {folder}: there is no results.csv")
    text = ("reason", "shift", "noise", "variant", "metric", "graph_kind", "status", "given_graph")
    frame = pd.read_csv(
        file,
        dtype=dict.fromkeys(text, str),
        keep_default_na=False,
        na_values={"value": [""], "fit_s": [""], "query_s": [""]},
    )
    if frame.empty:
        raise ValueError(f"no results in {folder}: results.csv has no rows")
    return frame


def in_order(methods: Iterable[str]) -> list[str]:
    """Methods in the order of every table and plot: controls, our baselines, the rest."""
    present = set(methods)
    first = [name for name in DEFAULT_METHODS if name in present]
    return first + sorted(present - set(first))


def metrics_of(frame: pd.DataFrame) -> list[str]:
    """The metrics with a value, in the order of the registry."""
    present = set(frame["metric"])
    return [name for name in METRICS if name in present]


def scenarios_of(frame: pd.DataFrame) -> list[str]:
    """Scenarios in the paper's order, others by name."""
    present = set(frame["scenario"])
    return [s for s in SCENARIOS if s in present] + sorted(present - set(SCENARIOS))


def blocks(frame: pd.DataFrame) -> list[str]:
    """The columns that divide a table: the sweeps that vary, and d."""
    return [axis for axis in SWEEPS if frame[axis].nunique() > 1] + ["d"]


def paper_table(frame: pd.DataFrame, metric: str, missing: str = "error") -> Table:
    """One metric: a row a method within each block, a column a scenario of the paper.

    Other suites have many scenarios and few methods: a row a scenario, a column a method.

    Args:
        frame: rows of `read_results`. metric: of `metrics_of`.
        missing: what to do with unequal sets of SCMs: refuse ("error"), take the common ones
            ("common"), or average what is there and print n/N ("show").

    Raises:
        ValueError: methods have unequal sets of SCMs and `missing` is "error".
    """
    if not set(frame["scenario"]) <= set(SCENARIOS):
        return _scenario_table(frame, metric, missing)
    axes, scenarios = blocks(frame), scenarios_of(frame)
    table = Table(metric, _caption(frame, metric), [*axes, "method", *scenarios])
    for values, block in sorted(frame.groupby(axes), key=_block_order):
        pool = _pool(frame, axes, block)
        cells = {
            s: _near(
                entries(block[block["scenario"] == s], metric, missing),
                pool[pool["scenario"] == s],
                metric,
                missing,
            )
            for s in scenarios
        }
        label = [short(value) for value in values]
        for method in in_order(set().union(*cells.values())):
            table.rows.append([*label, method, *(cells[s].get(method, "-") for s in scenarios)])
        table.rows.extend([*label, *row] for row in _published_rows(block, metric, scenarios))
    return table


def _block_order(group: tuple[tuple, pd.DataFrame]) -> list[tuple]:
    """The true graph first, corrupt-2 before corrupt-10, numbers by size."""
    order = []
    for value in group[0]:
        word, _, count = str(value).rpartition("-")
        counted = (word, int(count)) if count.isdigit() and word else (str(value), 0)
        order.append((value != "true", *counted) if isinstance(value, str) else (value,))
    return order


def _scenario_table(frame: pd.DataFrame, metric: str, missing: str) -> Table:
    axes, methods = blocks(frame), in_order(frame[frame["metric"] == metric]["method"])
    table = Table(metric, _caption(frame, metric), ["scenario", *axes, *methods])
    for scenario in scenarios_of(frame):
        part = frame[frame["scenario"] == scenario]
        for values, block in part.groupby(axes, sort=True):
            pool = _pool(part, axes, block)
            cells = _near(entries(block, metric, missing), pool, metric, missing)
            label = [scenario, *map(short, values)]
            table.rows.append([*label, *(cells.get(m, "-") for m in methods)])
    return table


def entries(block: pd.DataFrame, metric: str, missing: str) -> dict[str, Entry]:
    """Each method's entry over the problems of a block, the best one marked."""
    problems = set(block["problem"])
    values = block[block["metric"] == metric].set_index(["method", "problem"])["value"]
    have = {m: values.loc[m] for m in in_order(values.index.get_level_values(0))}
    if missing == "common" and have:
        problems = set.intersection(*(set(v.index) for v in have.values()))
        have = {m: v[v.index.isin(problems)] for m, v in have.items()}
    short = [f"{m} {len(v)}/{len(problems)}" for m, v in have.items() if len(v) < len(problems)]
    if short and missing == "error":
        place = f"{block['scenario'].iloc[0]} d={block['d'].iloc[0]}"
        raise ValueError(
            f"{metric}, {place}: unequal sets of problems ({', '.join(short)}); "
            "choose --missing common or show"
        )
    digits = METRICS[metric].digits
    found = {
        m: Entry(*mean_se(v), len(v), len(problems), digits=digits)
        for m, v in have.items()
        if len(v)
    }
    rivals = {m: round(e.mean, digits) for m, e in found.items() if m not in CONTROLS}
    best = {m for m in rivals if rivals[m] == min(rivals.values())}
    told_apart = len(best) < len(rivals) or len(rivals) == 1
    return {m: replace(e, best=told_apart and m in best) for m, e in found.items()}


def _pool(frame: pd.DataFrame, axes: Sequence[str], block: pd.DataFrame) -> pd.DataFrame:
    """The rows like those of a block, whatever their d: the SCMs that a test may use."""
    same = [axis for axis in axes if axis != "d"]
    return frame[(frame[same] == block[same].iloc[0]).all(axis=1)]


def _near(
    cells: dict[str, Entry], pool: pd.DataFrame, metric: str, missing: str
) -> dict[str, Entry]:
    """Marks what is not significantly worse than the best of a cell, tested over a pool.

    Methods that lack SCMs of the pool are not tested, unless `missing` is "common".
    """
    best = [m for m in cells if cells[m].best]
    rivals = pool[~pool["method"].isin(CONTROLS)]
    problems = rivals["problem"].unique()
    errors = rivals[rivals["metric"] == metric].pivot(
        index="problem", columns="method", values="value"
    )
    errors = errors.dropna() if missing == "common" else errors.reindex(problems).dropna(axis=1)
    first = min(best, key=lambda m: cells[m].mean, default=None)
    near = not_worse(errors, first) if first in errors and len(errors.columns) > 1 else set()
    return {m: replace(e, near=m in near and not e.best) for m, e in cells.items()}


def published_figures(block: pd.DataFrame, metric: str) -> dict[str, dict[str, Figure]]:
    """Published figures beside a block: {method: {scenario: figure}}."""
    first = block.iloc[0]
    if first["given_graph"] != "true" or first["noise"] or not first["suite"].startswith("lorch"):
        return {}
    place = (first["d"], first["n_context"], first["shift"], first["alpha"])
    found: dict[str, dict[str, Figure]] = {}
    for figure in matching(metric, *place):
        found.setdefault(figure.method, {})[figure.scenario] = figure
    return found


def _published_rows(block: pd.DataFrame, metric: str, scenarios: Sequence[str]) -> list[list]:
    rows = []
    for method, by_scenario in sorted(published_figures(block, metric).items()):
        figures = [by_scenario.get(s) for s in scenarios]
        text = ["-" if f is None else f"{f.mean:.2f} ({f.se:.2f})" for f in figures]
        rows.append([f"{method} (paper)", *text])
    return rows


def _caption(frame: pd.DataFrame, metric: str) -> str:
    fixed = [
        f"{axis} {frame[axis].iloc[0]}"
        for axis in SWEEPS
        if frame[axis].nunique() == 1 and frame[axis].iloc[0] != ""
    ]
    counts = frame.groupby([*blocks(frame), "scenario"])["problem"].nunique()
    plural = "" if counts.max() == 1 else "s"
    paper = any(published_figures(block, metric) for _, block in frame.groupby(blocks(frame)))
    return (
        f"{METRICS[metric].about}{_unit(metric)}; mean (standard error) over {_range(counts)} "
        f"problem{plural} each, lower is better, best method bold (controls truth, floor, marginal "
        f"apart). {_test_note(frame, metric)}{', '.join(fixed)}.{PAPER if paper else ''}"
    )


def _unit(metric: str) -> str:
    return f", in {METRICS[metric].unit}" if METRICS[metric].unit else ""


def _range(counts: pd.Series) -> str:
    low, high = counts.min(), counts.max()
    return f"{low}" if low == high else f"{low} to {high}"


def _test_note(frame: pd.DataFrame, metric: str) -> str:
    """What the underlines mean, with the pool and its size, or why there are none."""
    rivals = frame[(frame["metric"] == metric) & ~frame["method"].isin(CONTROLS)]
    methods = rivals["method"].nunique()
    axes = [axis for axis in blocks(frame) if axis != "d"]
    counts = rivals.groupby([*axes, "scenario"])["problem"].nunique()
    if methods < 2:
        return ""
    told = counts[[smallest_p(n, methods - 1) <= ALPHA for n in counts]]
    if told.empty:
        return (
            f"No test of {methods} methods can reject at 5 % over {_range(counts)} "
            f"SCM{'' if counts.max() == 1 else 's'}. "
        )
    pool = "the SCMs of all d" if frame["d"].nunique() > 1 else "the SCMs"
    short = "" if len(told) == len(counts) else "; columns with fewer are not tested"
    return (
        f"Underlined: not significantly worse (paired signed ranks against the best, Holm, 5 %, "
        f"over {pool} of a column, {_range(told)}{short}). "
    )


PAPER = f" (paper): {SOURCE}, over 9 (IN) or 6 (OUT) other SCMs, presumably of variant causica."


def short(value: object) -> str:
    """A setting as a label."""
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"
