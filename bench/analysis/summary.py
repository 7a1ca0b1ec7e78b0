"""How methods compare over all SCMs of a run; what a user's own nodes say; when training pays."""

import math

import numpy as np
import pandas as pd

from bench.analysis.rankings import (
    friedman,
    probability_of_improvement,
    ranks,
    win_rates,
)
from bench.analysis.results import (
    DRAWS,
    axes_of,
    baselines,
    measured,
    methods_of,
    of_shared_tasks,
    roles_of,
    values_of,
)
from bench.analysis.stats import (
    Statistic,
    blocks_by_methods,
    bootstrap_interval,
    by_task,
    interquartile_mean,
    log_ratio_to_floor,
    mean_by_scm,
)
from bench.analysis.table import Entry, Table, short
from bench.metrics import METRICS

NEAR = 0.05  # of logarithms: 5 %


def rivals_of(rows: pd.DataFrame) -> list[str]:
    """The methods that compete (no controls), in the order of tables."""
    return methods_of(baselines(rows))


def floor_of(errors: pd.DataFrame, roles: dict[str, str]) -> str | None:
    """The reference to measure against: the lowest on average, where it is near the best method.

    Args:
        errors: [blocks, methods], without gaps. roles: of each method.
    """
    if (errors.drop(columns=[m for m in errors if roles[m] == "truth"]) <= 0).any(axis=None):
        return None
    middle = np.log(errors[[m for m in errors if roles[m] != "truth"]]).mean()
    references = [m for m in middle.index if roles[m] == "reference"]
    others = [m for m in middle.index if roles[m] == "baseline"]
    if not references or not others:
        return None
    lowest, rivals = min(references, key=middle.get), middle[others]
    told = len(references) > 1 or middle[lowest] < rivals.median() - NEAR
    return lowest if told and middle[lowest] <= rivals.min() + 10 * NEAR else None


def strata_of(rows: pd.DataFrame) -> pd.Series:
    """{scm: stratum}: the axes that vary and are one value within each SCM, draws apart."""
    design = [a for a in axes_of(rows) if a not in DRAWS and rows[a].nunique(dropna=False) > 1]
    within = rows.groupby("scm")[design].nunique(dropna=False).max() if design else pd.Series()
    design = [axis for axis in design if within[axis] == 1]
    firsts = rows.drop_duplicates("scm").set_index("scm")
    return firsts[design].map(short).agg("/".join, axis=1) if design else firsts["suite"]


def summary(frame: pd.DataFrame, metric: str) -> Table:
    """One row a method over the SCMs that all methods have; brackets are 95 % intervals.

    Args:
        frame: rows of `read_results`. metric: of `metrics_of`.

    Raises:
        ValueError: the methods share no SCM.
    """
    rows = measured(frame, metric)
    rows = rows[rows["role"] != "truth"]
    errors = blocks_by_methods(rows, "common")
    strata = strata_of(rows).loc[errors.index].to_numpy()
    rivals = errors[rivals_of(rows)]
    rank = ranks(rivals).mean() if len(rivals.columns) > 1 else pd.Series(dtype=float)
    best = rank.idxmin() if len(rank) else ""
    floor, ratios = _floor_ratios(rows)
    header = ["method", "mean rank", "interquartile mean", f"error / {floor}", "wins", "P(better)"]
    table = Table(f"summary-{metric}", _caption(metric, rivals, rows, best, floor), header)
    for method, values in errors.items():
        digits = METRICS[metric].digits
        middle = _with_interval(values.to_numpy(), strata, interquartile_mean, digits)
        against = [f"{rank[method]:.2f}" if method in rank else "-", middle]
        against.append(
            _with_interval(ratios[method], strata, _geometric, 2) if method in ratios else "-"
        )
        table.rows.append([method, *against, *_wins(errors, method, best, strata)])
    if floor is None:
        table.header.pop(3)
        for row in table.rows:
            row.pop(3)
    return table


def _geometric(logs: np.ndarray) -> np.ndarray:
    return np.exp(logs.mean(-1))


def _floor_ratios(rows: pd.DataFrame) -> tuple[str | None, dict[str, np.ndarray]]:
    """The reference, and {method: log(error / reference) of each SCM, its settings averaged}."""
    errors = by_task(rows, "common")
    floor = floor_of(errors, roles_of(rows))
    if floor is None:
        return None, {}
    logs = {m: log_ratio_to_floor(errors[m], errors[floor]) for m in errors if m != floor}
    return floor, {
        m: mean_by_scm(pd.Series(values, errors.index), rows).to_numpy()
        for m, values in logs.items()
    }


def _caption(
    metric: str, rivals: pd.DataFrame, rows: pd.DataFrame, best: str, floor: str | None
) -> str:
    n, total = len(rivals), rows["scm"].nunique()
    pool = f"all {n}" if n == total else f"the {n} of {total}"
    settings = rows.groupby("scm")["task"].nunique().max()
    averaged = f", each averaged over up to {settings} settings" if settings > 1 else ""
    ratio = f"; error / {floor} is a geometric mean" if floor else ""
    test = ""
    if len(rivals.columns) > 2 and n > 1:
        found = friedman(rivals)
        test = (
            f" Friedman's test of {len(rivals.columns)} methods: chi2 = {found.chi2:.1f}, "
            f"p = {found.p:.2g}; Nemenyi does not tell mean ranks closer than {found.cd:.2f} apart."
        )
    against = f" Wins and P(better), paired and unpaired within strata, are against {best}."
    return (
        f"{METRICS[metric].about} over {pool} SCMs that all methods have{averaged}; brackets are "
        f"95 % bootstrap intervals over SCMs within strata of the design{ratio}."
        f"{test}{against if best else ''}"
    )


def _with_interval(values: np.ndarray, strata: np.ndarray, of: Statistic, digits: int) -> str:
    middle = f"{float(of(values)):.{digits}f}"
    if pd.Series(strata).value_counts().min() < 2:
        return middle
    low, high = bootstrap_interval(values, strata, np.random.default_rng(0), of)
    return f"{middle} [{low:.{digits}f}, {high:.{digits}f}]"


def _wins(errors: pd.DataFrame, method: str, best: str, strata: np.ndarray) -> list[str]:
    if not best or method == best:
        return ["-", "-"]
    improvement = probability_of_improvement(errors[method], errors[best], strata)
    return [f"{win_rates(errors).loc[method, best]:.2f}", f"{improvement:.2f}"]


def wins(frame: pd.DataFrame, metric: str) -> Table:
    """Share of SCMs on which the row's method beats the column's."""
    rows = measured(frame, metric)
    rows = rows[rows["role"] != "truth"]
    rates = win_rates(blocks_by_methods(rows, "common"))
    methods = methods_of(rows)
    caption = (
        f"{metric}: share of SCMs on which the row's method beats the column's, ties one half."
    )
    table = Table(f"wins-{metric}", caption, ["method", *methods])
    for method in methods:
        shares = [f"{rates.loc[method, other]:.2f}" for other in methods]
        shares[methods.index(method)] = "-"
        table.rows.append([method, *shares])
    return table


NODES = (
    "Distance of held-out rows from F, root mean square in standard deviations of the node; "
    "methods ranked by their mean, best first. About 1 is no better than the node's mean, as at "
    "a root."
)


def node_table(residuals: dict[str, dict[str, float]]) -> Table:
    """How well each method fits each node of a user's table; methods ranked, best first.

    Args:
        residuals: {method: {node: RMS distance of held-out rows from F, in standard deviations}}.
    """
    mean = {method: sum(nodes.values()) / len(nodes) for method, nodes in residuals.items()}
    ranked = sorted(mean, key=mean.__getitem__)
    table = Table("nodes", NODES, ["node", *ranked])
    for node in next(iter(residuals.values())):
        values = {method: residuals[method][node] for method in ranked}
        table.rows.append([node, *(_single(v, v == min(values.values())) for v in values.values())])
    table.rows.append(["mean", *(_single(mean[m], m == ranked[0]) for m in ranked)])
    return table


def _single(value: float, best: bool) -> Entry:
    return Entry(value, math.nan, 1, 1, best)


AMORTIZED = (
    "Median seconds per dataset for fit and all queries, one thread a cell, over {scms} SCMs a "
    "size. repaid: the number of datasets after which the pretrained method of the column, its "
    "training of {training} on one core included, has taken less time than the method of the row; "
    "-: it is never faster."
)


def amortization(frame: pd.DataFrame) -> Table:
    """What pretraining buys: seconds a dataset, and when it has paid, for each d and method.

    Over the SCMs that all methods have, where there are such.

    Args:
        frame: rows of `read_results`.

    Raises:
        ValueError: no method of the run came trained.
    """
    trained = frame.dropna(subset="pretrain_s").groupby("method", sort=False)["pretrain_s"].first()
    training = trained.to_dict()
    if not training:
        raise ValueError("no method of the run was pretrained")
    cells = baselines(frame[frame["status"] == "ok"]).drop_duplicates(["task", "method"])
    axes = ["d"] if "d" in axes_of(frame) else []
    told = ", ".join(f"{value / 60:.0f} min ({name})" for name, value in training.items())
    header = [*axes, "method", "seconds", *(f"repaid, {name}" for name in training)]
    sizes = values_of(cells, "d") if axes else [None]
    parts = [of_shared_tasks(cells[cells["d"] == d] if axes else cells) for d in sizes]
    scms = "/".join(map(str, dict.fromkeys(part["scm"].nunique() for part in parts)))
    table = Table("amortization", AMORTIZED.format(training=told, scms=scms), header)
    for d, here in zip(sizes, parts, strict=True):
        seconds = (here["fit_s"] + here["query_s"]).groupby(here["method"]).median()
        for method in methods_of(here):
            repaid = [
                ""
                if method in training
                else _repaid(seconds[method] - seconds.get(name, math.nan), cost)
                for name, cost in training.items()
            ]
            label = [str(d)] if axes else []
            table.rows.append([*label, method, f"{seconds[method]:.3g}", *repaid])
    return table


def _repaid(saved: float, cost: float) -> str:
    return f"{math.ceil(cost / saved):,}" if saved > 0 else "-"
