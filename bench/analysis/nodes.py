"""A table of how well each method fits each node of a user's own data."""

import math

from bench.analysis.table import Entry, Table

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
    ranked = sorted(mean, key=mean.get)
    table = Table("nodes", NODES, ["node", *ranked])
    for node in next(iter(residuals.values())):
        values = {method: residuals[method][node] for method in ranked}
        table.rows.append([node, *(_single(v, v == min(values.values())) for v in values.values())])
    table.rows.append(["mean", *(_single(mean[m], m == ranked[0]) for m in ranked)])
    return table


def _single(value: float, best: bool) -> Entry:
    return Entry(value, math.nan, 1, 1, best)
