"""The published figures of Cond-FiP and its baselines (Mahajan et al., TMLR 2025, tables 1-30)."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = "Mahajan et al., TMLR 2025"
FILE = Path(__file__).parents[1] / "data" / "published.csv"
NAMES = {
    "condfip": "Cond-FiP",
    "condfip-published": "Cond-FiP",
    "fip": "FiP",
    "fip-published": "FiP",
    "fip-published-best": "FiP",
    "deci": "DECI",
    "dowhy": "DoWhy",
    "causalnf": "CausalNF",
}
SHIFTED = {"shift_mechanism": "mechanism", "shift_noise": "noise"}
ONLY = {"noise_residual": "CausalNF", "noise_smoothed": "Cond-FiP"}
GIVEN_GRAPH = ("main", "counterfactual", "low_data_50", "low_data_100", "large_context_1000")


@dataclass(frozen=True)
class Figure:
    """One printed figure: mean and standard error over SCMs (RMSE, standardised units)."""

    table: int
    experiment: str
    metric: str
    method: str
    d: int
    alpha: float
    n_context: int
    scenario: str
    mean: float
    se: float


@cache
def figures() -> tuple[Figure, ...]:
    """All published figures."""
    with FILE.open(encoding="utf-8") as file:
        return tuple(_figure(row) for row in csv.DictReader(file))


def _figure(row: dict[str, str]) -> Figure:
    return Figure(
        table=int(row["table"]),
        experiment=row["experiment"],
        metric=row["task"],
        method=row["method"],
        d=int(row["d"]),
        alpha=float(row["alpha"] or 1),
        n_context=int(row["n_context"]),
        scenario=row["scenario"],
        mean=float(row["mean"]),
        se=float(row["se"] or "nan"),
    )


def matching(
    metric: str, d: int, n_context: int = 400, shift: str = "", alpha: float = 1.0
) -> Iterable[Figure]:
    """The figures for problems of one kind with the true graph given.

    Two metrics meet the noise of the one method that had them: `noise_residual` CausalNF's (table
    25: its own noise has other units), `noise_smoothed` Cond-FiP's (its code smooths).
    """
    name = "noise" if metric in ONLY else metric
    for figure in figures():
        here = SHIFTED.get(figure.experiment, "") == shift and figure.alpha == alpha
        known = figure.experiment in GIVEN_GRAPH or figure.experiment in SHIFTED
        known = known or metric == "noise_residual"
        same = (figure.metric, figure.d, figure.n_context) == (name, d, n_context)
        if same and here and known and figure.method == ONLY.get(metric, figure.method):
            yield figure
