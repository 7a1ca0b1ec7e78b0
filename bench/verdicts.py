"""How often each method of a run is better or worse than each method of the paper."""

from collections import Counter, defaultdict

import pandas as pd

from bench.published import SOURCE, Figure
from bench.stats import combined_se
from bench.tables import Entry, Table, blocks, entries, in_order, metrics_of, published_figures

CLEAR = 2.0  # combined standard errors
NOT_SMOOTHED = {("noise_smoothed", paper) for paper in ("DECI", "DoWhy", "FiP")}
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
    for metric in metrics_of(frame):
        for _, block in frame.groupby([*blocks(frame), "scenario"], sort=True):
            scenario = block["scenario"].iloc[0]
            for paper, by_scenario in published_figures(block, metric).items():
                if scenario not in by_scenario or (metric, paper) in NOT_SMOOTHED:
                    continue
                for ours, entry in entries(block, metric, "show").items():
                    counts[metric, ours][paper][_verdict(entry, by_scenario[scenario])] += 1
    if not counts:
        raise ValueError("the paper has no figures for these problems")
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


def _verdict(entry: Entry, figure: Figure) -> int:
    gap = (entry.mean - figure.mean) / combined_se(entry.se, figure.se)
    return (gap > CLEAR) - (gap < -CLEAR)
