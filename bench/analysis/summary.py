"""How methods compare over all SCMs of a run, metric by metric: ranks, pools, wins."""

import numpy as np
import pandas as pd

from bench.analysis.rankings import (
    friedman,
    probability_of_improvement,
    ranks,
    win_rates,
)
from bench.analysis.stats import (
    Statistic,
    blocks_by_methods,
    bootstrap_interval,
    interquartile_mean,
    log_ratio_to_floor,
)
from bench.analysis.table import Table, in_order
from bench.metrics import METRICS
from bench.registry import CONTROLS

HEADER = ["method", "mean rank", "interquartile mean", "error / floor", "wins", "P(better)"]


def summary(frame: pd.DataFrame, metric: str) -> Table:
    """One row a method over the SCMs that all methods have; brackets are 95 % intervals.

    Args:
        frame: rows of `read_results`. metric: of `metrics_of`.

    Raises:
        ValueError: the methods share no SCM.
    """
    rows = frame[(frame["metric"] == metric) & (frame["method"] != "truth")]
    errors = blocks_by_methods(rows, "common")
    errors = errors[in_order(errors.columns)]
    places = rows.drop_duplicates("problem").set_index("problem").loc[errors.index]
    strata = (places["scenario"] + "/" + places["d"].astype(str)).to_numpy()
    rivals = errors.drop(columns=[c for c in CONTROLS if c in errors])
    rank = ranks(rivals).mean() if len(rivals.columns) > 1 else pd.Series(dtype=float)
    best = rank.idxmin() if len(rank) else ""
    table = Table(f"summary-{metric}", _caption(metric, rivals, rows, best), HEADER)
    for method, values in errors.items():
        digits = METRICS[metric].digits
        middle = _with_interval(values.to_numpy(), strata, interquartile_mean, digits)
        against = [f"{rank[method]:.2f}" if method in rank else "-", middle]
        against.append(_floor_ratio(errors, method, strata))
        table.rows.append([method, *against, *_wins(errors, method, best, strata)])
    return table


def _caption(metric: str, rivals: pd.DataFrame, rows: pd.DataFrame, best: str) -> str:
    n, total = len(rivals), rows["problem"].nunique()
    pool = f"all {n}" if n == total else f"the {n} of {total}"
    test = ""
    if len(rivals.columns) > 2 and n > 1:
        found = friedman(rivals)
        test = (
            f" Friedman's test of {len(rivals.columns)} methods: chi2 = {found.chi2:.1f}, "
            f"p = {found.p:.2g}; Nemenyi does not tell mean ranks closer than {found.cd:.2f} apart."
        )
    against = f" Wins and P(better), paired and unpaired within strata, are against {best}."
    return (
        f"{METRICS[metric].about} over {pool} SCMs that all methods have; brackets are 95 % "
        "bootstrap intervals over SCMs within scenario and d; error / floor is a geometric mean."
        f"{test}{against if best else ''}"
    )


def _with_interval(values: np.ndarray, strata: np.ndarray, of: Statistic, digits: int) -> str:
    middle = f"{float(of(values)):.{digits}f}"
    if pd.Series(strata).value_counts().min() < 2:
        return middle
    low, high = bootstrap_interval(values, strata, np.random.default_rng(0), of)
    return f"{middle} [{low:.{digits}f}, {high:.{digits}f}]"


def _floor_ratio(errors: pd.DataFrame, method: str, strata: np.ndarray) -> str:
    if "floor" not in errors or method == "floor" or (errors <= 0).any(axis=None):
        return "-"
    logs = log_ratio_to_floor(errors[method], errors["floor"])
    return _with_interval(logs, strata, lambda v: np.exp(v.mean(-1)), 2)


def _wins(errors: pd.DataFrame, method: str, best: str, strata: np.ndarray) -> list[str]:
    if not best or method == best:
        return ["-", "-"]
    improvement = probability_of_improvement(errors[method], errors[best], strata)
    return [f"{win_rates(errors).loc[method, best]:.2f}", f"{improvement:.2f}"]


def wins(frame: pd.DataFrame, metric: str) -> Table:
    """Share of SCMs on which the row's method beats the column's."""
    rows = frame[(frame["metric"] == metric) & (frame["method"] != "truth")]
    rates = win_rates(blocks_by_methods(rows, "common"))
    methods = in_order(rates.columns)
    caption = (
        f"{metric}: share of SCMs on which the row's method beats the column's, ties one half."
    )
    table = Table(f"wins-{metric}", caption, ["method", *methods])
    for method in methods:
        shares = [f"{rates.loc[method, other]:.2f}" for other in methods]
        shares[methods.index(method)] = "-"
        table.rows.append([method, *shares])
    return table
