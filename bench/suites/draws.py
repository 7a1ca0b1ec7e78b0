"""How every suite draws rows and interventions from streams named by words."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import torch

from bench.scm.batched import BatchedSCM

BLOCK = 500  # rows drawn at once, so that a short context is the beginning of a long one
INTERVENTIONS = 10
QUANTILES = (0.1, 0.9)
BEYOND = {"edge": 0, "1": 1, "2": 2, "4": 4}  # deviations past the extreme value
REACHES = ("quantile", *BEYOND, "shift")  # how far an intervention goes

Stream = Callable[..., int]  # words -> a seed
Draw = Callable[[int], tuple[np.ndarray, np.ndarray]]  # a seed -> noise and rows [BLOCK, D]


def draw_rows(draw: Draw, n: int, stream: Stream) -> tuple[np.ndarray, np.ndarray]:
    """Noise and rows [n, D], in blocks of one size so that more rows never change the first."""
    blocks = [draw(stream(block)) for block in range(-(-n // BLOCK))]
    noise, rows = (np.vstack(parts)[:n].copy() for parts in zip(*blocks, strict=True))
    return noise, rows


def scm_rows(scm: BatchedSCM, n: int, stream: Stream) -> tuple[np.ndarray, np.ndarray]:
    """Noise and rows [n, D] of a batch of one SCM."""
    return draw_rows(partial(_scm_block, scm), n, stream)


def _scm_block(scm: BatchedSCM, seed: int) -> tuple[np.ndarray, np.ndarray]:
    noise = scm.noise_model.draw(BLOCK, torch.Generator().manual_seed(seed))
    return noise[0].numpy(), scm.generate(noise)[0].numpy()


def interventions(
    names: Sequence[str], query: np.ndarray, seed: int, reach: str = "quantile"
) -> tuple[dict, ...]:
    """Distinct uniform nodes, each with a value that the query's own statistics give.

    Nodes and sides are the same for every reach, and so is the whole where the context changes.

    Args:
        names: columns. query: rows [N, D]. seed: of nodes, sides and values.
        reach: "quantile", a uniform value between two quantiles of the column; "edge" or a number
            k of deviations, one side drawn, its extreme value or k deviations beyond that; "shift",
            each row's own value plus one deviation, [N].

    Raises:
        ValueError: another reach.
    """
    rng = np.random.default_rng(seed)
    nodes = rng.permutation(len(names))[:INTERVENTIONS]
    values = _values(query[:, nodes], reach, rng)
    return tuple({names[j]: v} for j, v in zip(nodes, values, strict=True))


def _values(columns: np.ndarray, reach: str, rng: np.random.Generator) -> Iterable:
    """What each of some query columns [N, K] is set to."""
    deviation = columns.std(0, ddof=1)
    if reach == "quantile":
        return rng.uniform(*np.quantile(columns, QUANTILES, axis=0)).tolist()
    if reach == "shift":
        return (columns + deviation).T
    if reach not in BEYOND:
        raise ValueError(f"unknown reach {reach}; there are {', '.join(REACHES)}")
    low, high = columns.min(0), columns.max(0)
    above = rng.random(columns.shape[1]) < 0.5
    step = BEYOND[reach] * deviation
    return np.where(above, high + step, low - step).tolist()
