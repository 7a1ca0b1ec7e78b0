"""Missing values filled by the fitted SCM itself, several times over.

Data augmentation (Tanner and Wong, "The calculation of posterior distributions by data
augmentation", JASA 1987): values are drawn given all that their row holds, the method is fitted to
the filled rows, and so on. Answers of several fits are pooled where they are told.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bench.method import member
from bench.mixed.scm import MixedSCM
from bench.scm.columns import FLOAT, coded_columns
from bench.task import Dataset, as_frame

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

IMPUTATIONS = 5  # kept
BURN_IN = 3  # fits before them
SWEEPS = 3  # over the nodes of a row between fits
CANDIDATES = 20  # values of a number that are weighed
ENOUGH = 0.2  # share of complete rows from which the first fit is theirs
FEWEST = 30

Fit = Callable[[Dataset], MixedSCM]


def holed(df: "pd.DataFrame", graph: "nx.DiGraph") -> Dataset:
    """`Dataset.typed` of rows that may lack values, NaN there.

    Raises:
        ValueError: see `Dataset.of`; no row is complete.
    """
    data = Dataset.typed(df.dropna(), graph)
    if not df.isna().any(axis=None):
        return data
    data = replace(data, columns=coded_columns(df)[1])
    return replace(data, rows=data.codes(df))


def impute(fit: Fit, data: Dataset, seed: int) -> list[tuple[MixedSCM, np.ndarray]]:
    """Estimates, each with the rows [N, D] that it was fitted to, no value of which is missing.

    Args:
        fit: of rows without holes, over tables of codes. data: NaN where a value is missing.

    Raises:
        ValueError: what `fit` raises.
    """
    rng = np.random.default_rng([seed % 2**63, 5])
    data = replace(data, columns=data.columns or (FLOAT,) * len(data.names))
    holes = np.isnan(data.rows)
    rows = hot_deck(data.rows, holes, rng)
    whole = ~holes.any(1)
    begin = rows[whole] if whole.sum() >= max(FEWEST, ENOUGH * len(rows)) else rows
    scm, kept = fit(_filled(data, begin)), []
    for turn in range(BURN_IN + IMPUTATIONS):
        told = scm
        if draws := member(scm, "draws"):
            told = next(iter(draws(1, int(rng.integers(2**31)))))
        for _ in range(SWEEPS):
            for j in (j for level in scm.levels for j in level if holes[:, j].any()):
                rows[holes[:, j], j] = redraw(told, rows, holes[:, j], j, rng)
        refit = member(scm, "refit") if turn else None
        filled = _filled(data, rows)
        scm = refit(as_frame(rows, data.names)) if refit else fit(filled)
        if turn >= BURN_IN:
            kept.append((scm, rows.copy()))
    return kept


def _filled(data: Dataset, rows: np.ndarray) -> Dataset:
    return replace(data, rows=rows.copy())


def hot_deck(rows: np.ndarray, holes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows [N, D] with every hole filled by a value that its column has elsewhere."""
    filled = rows.copy()
    for j in np.flatnonzero(holes.any(0)):
        there = rows[~holes[:, j], j]
        filled[holes[:, j], j] = rng.choice(there, int(holes[:, j].sum()))
    return filled


def redraw(
    scm: MixedSCM, rows: np.ndarray, where: np.ndarray, j: int, rng: np.random.Generator
) -> np.ndarray:
    """New values of node j in some of the rows [N, D], given the rest of each row.

    Of a level all are weighed; of a number its value and draws given its parents, by how likely
    they make its children (Andrieu, Doucet and Holenstein 2010, section 4.1: with the value itself
    among the candidates the conditional distribution is kept).
    """
    here = rows[where]
    if j in scm.classifiers:
        prior = scm.probabilities(scm.encoder(here), j)
        values = np.tile(np.arange(prior.shape[1], dtype=float), (len(here), 1))
        weights = np.log(prior)
    else:
        left = rows[~where, j] - scm.expected(rows[~where], [j])[:, 0]
        drawn = rng.choice(left, (len(here), CANDIDATES)) + scm.expected(here, [j])
        values = np.column_stack([here[:, j], scm.columns[j].keep(drawn)])
        weights = np.zeros(values.shape)
    tried = np.repeat(here, values.shape[1], 0)
    tried[:, j] = values.ravel()
    for child in np.flatnonzero(scm.adjacency[j]):
        weights += likelihood(scm, rows, tried, int(child)).reshape(values.shape)
    weights = np.exp(weights - weights.max(1, keepdims=True)).cumsum(1)
    pick = (rng.random((len(here), 1)) * weights[:, -1:] > weights).sum(1)
    return values[np.arange(len(here)), pick.clip(max=values.shape[1] - 1)]


def likelihood(scm: MixedSCM, rows: np.ndarray, tried: np.ndarray, child: int) -> np.ndarray:
    """Log density of a child's value given its parents in rows `tried` [M, D], [M].

    Of a number that of a normal as wide as what F leaves in `rows`.
    """
    if child in scm.classifiers:
        p = scm.probabilities(scm.encoder(tried), child)
        return np.log(np.take_along_axis(p, tried[:, [child]].astype(int), 1)[:, 0])
    left = rows[:, child] - scm.expected(rows, [child])[:, 0]
    scale = max(float(left.std()), 1e-12)
    return -0.5 * np.square((tried[:, child] - scm.expected(tried, [child])[:, 0]) / scale)
