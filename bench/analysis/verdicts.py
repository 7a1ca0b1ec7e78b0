"""How often each method of a run is better or worse than each method of the paper."""

from collections import Counter, defaultdict
from itertools import product

import pandas as pd

from bench.analysis.compare import beside_paper, steps
from bench.analysis.published import SOURCE
from bench.analysis.table import Table, in_order, metrics_of

CLEAR = 2.0  # combined standard errors
CAPTION = (
    "Cells (scenario, d and what else varies) where our method's mean is lower than the published "
    f"one ({SOURCE}) by more than two combined standard errors / within two / higher by more. "
    "The published Cond-FiP noise stands beside noise_smoothed too: its code smooths."
)


def verdicts(frame: pd.DataFrame) -> Table:
    """One row for each metric and method: lower / even / higher, by method of the paper.

    Args:
        frame: rows of `read_results`.

    Raises:
        ValueError: the paper has no figures for these problems.
    """
    counts: dict[tuple[str, str], dict[str, Counter]] = defaultdict(lambda: defaultdict(Counter))
    for metric, _, printed, cells in beside_paper(frame):
        for (ours, entry), (paper, figure) in product(cells.items(), printed.items()):
            counts[metric, ours][paper][_verdict(steps(entry, figure))] += 1
    papers = sorted({paper for row in counts.values() for paper in row})
    table = Table("verdicts", CAPTION, ["metric", "method", *(f"{p} (paper)" for p in papers)])
    for metric in metrics_of(frame):
        for ours in in_order(o for m, o in counts if m == metric):
            row = counts[metric, ours]
            cells = [
                " / ".join(str(row[p][sign]) for sign in (-1, 0, 1)) if p in row else ""
                for p in papers
            ]
            table.rows.append([metric, ours, *cells])
    return table


def _verdict(gap: float) -> int:
    return (gap > CLEAR) - (gap < -CLEAR)
