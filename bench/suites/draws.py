"""How every suite draws rows and interventions from streams named by words."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from bench.scm.batched import BatchedSCM

BLOCK = 500  # rows drawn at once, so that a short context is the beginning of a long one
INTERVENTIONS = 10
QUANTILES = (0.1, 0.9)

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


def interventions(names: Sequence[str], query: np.ndarray, seed: int) -> tuple[dict, ...]:
    """Distinct uniform nodes, each at a uniform value between two quantiles of its query column."""
    rng = np.random.default_rng(seed)
    nodes = rng.permutation(len(names))[:INTERVENTIONS]
    low, high = np.quantile(query[:, nodes], QUANTILES, axis=0)
    values = rng.uniform(low, high)
    return tuple({names[j]: float(v)} for j, v in zip(nodes, values, strict=True))
