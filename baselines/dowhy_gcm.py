"""DoWhy's graphical causal models with mechanisms that it chooses itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pandas as pd
from dowhy import gcm
from threadpoolctl import threadpool_limits

from baselines.randomness import seeded
from bench.method import fit_additive
from bench.scm.base import AdditiveSCM
from bench.task import Dataset

if TYPE_CHECKING:
    from collections.abc import Sequence


class DoWhy:
    """DoWhy-GCM, automatic assignment of quality GOOD (Bloebaum et al., JMLR 25(147), 2024).

    Each node gets the additive-noise model whose regression has the least five-fold
    cross-validated error: linear, polynomial of degree 2 (up to five parents), or histogram
    gradient boosting. F is asked for as the mechanism's value at noise 0.

    Deviations: columns are standardised first, so that integers count as numbers and not as
    categories; a root's noise is its distance from its mean, where DoWhy takes the value itself.
    """

    version = "1"

    def skip(self, dataset: Dataset) -> str | None:
        """Five-fold cross-validation needs some rows."""
        return "fewer than 10 rows" if len(dataset.rows) < 10 else None

    def fit(self, df: "pd.DataFrame", graph: nx.DiGraph, *, seed: int = 0) -> AdditiveSCM:
        """Fits every node; see `fit_additive`."""
        return fit_additive(df, graph, learn, seed)


def learn(z: np.ndarray, parents: list[np.ndarray], seed: int) -> "Mechanisms":
    """Assigns and fits the mechanisms of all nodes at once, [N, D] rows."""
    graph = nx.DiGraph((int(i), j) for j, columns in enumerate(parents) for i in columns)
    graph.add_nodes_from(range(len(parents)))
    model, rows = gcm.InvertibleStructuralCausalModel(graph), pd.DataFrame(z)
    with seeded(seed), serial():
        gcm.auto.assign_causal_mechanisms(model, rows, gcm.auto.AssignmentQuality.GOOD)
        gcm.fit(model, rows)
    return Mechanisms(model, parents)


class Mechanisms:
    """F of the nodes of a fitted DoWhy model."""

    def __init__(self, model: gcm.InvertibleStructuralCausalModel, parents: list) -> None:
        self.model, self.parents = model, parents

    def __call__(self, z: np.ndarray, nodes: "Sequence[int]") -> np.ndarray:
        """F of `nodes` at z [N, D], [N, len(nodes)]."""
        silence = np.zeros(len(z))
        values = (
            self.model.causal_mechanism(j).evaluate(z[:, self.parents[j]], silence) for j in nodes
        )
        return np.column_stack([value.reshape(len(z)) for value in values])


@contextmanager
def serial() -> Iterator[None]:
    """One process, one thread and no progress bars; DoWhy keeps these as global settings."""
    before = gcm.config.default_n_jobs, gcm.config.show_progress_bars
    gcm.config.default_n_jobs, gcm.config.show_progress_bars = 1, False
    try:
        with threadpool_limits(1):
            yield
    finally:
        gcm.config.default_n_jobs, gcm.config.show_progress_bars = before
