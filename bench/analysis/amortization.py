"""What pretraining buys: seconds a dataset, and after how many datasets it has paid for itself."""

import math

import pandas as pd

from bench.analysis.table import Table, in_order
from bench.registry import CONTROLS

CAPTION = (
    "Median seconds per dataset for fit and all queries, one thread a cell. repaid: the number of "
    "datasets after which the pretrained method of the column, its training of {training} on one "
    "core included, has taken less time than the method of the row; -: it is never faster."
)


def pretrained(frame: pd.DataFrame) -> dict[str, float]:
    """Seconds of training of the methods that came trained."""
    seconds = pd.to_numeric(frame["pretrain_s"], errors="coerce")
    trained = frame.assign(pretrain_s=seconds).dropna(subset="pretrain_s")
    found = trained.groupby("method")["pretrain_s"].first()
    return {name: float(found[name]) for name in in_order(found.index)}


def amortization(frame: pd.DataFrame) -> Table:
    """One row for each d and method.

    Args:
        frame: rows of `read_results`.

    Raises:
        ValueError: no method of the run came trained.
    """
    training = pretrained(frame)
    if not training:
        raise ValueError("no method of the run was pretrained")
    rows = frame[(frame["status"] == "ok") & ~frame["method"].isin(CONTROLS)]
    cells = rows.drop_duplicates(["problem", "method"])
    seconds = (cells["fit_s"] + cells["query_s"]).groupby([cells["d"], cells["method"]]).median()
    told = ", ".join(f"{value / 60:.0f} min ({name})" for name, value in training.items())
    header = ["d", "method", "seconds", *(f"repaid, {name}" for name in training)]
    table = Table("amortization", CAPTION.format(training=told), header)
    for d, here in seconds.groupby("d"):
        here = here.droplevel("d")
        for method in in_order(here.index):
            repaid = [
                "" if method in training else _repaid(here[method] - here.get(name, math.nan), cost)
                for name, cost in training.items()
            ]
            table.rows.append([str(d), method, f"{here[method]:.3g}", *repaid])
    return table


def _repaid(saved: float, cost: float) -> str:
    return f"{math.ceil(cost / saved):,}" if saved > 0 else "-"
