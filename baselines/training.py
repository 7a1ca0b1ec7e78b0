"""Gradient training of one network on part of a context, stopped by the other part."""

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

SAY_EVERY_S = 30.0
ROWS_AT_ONCE = 2048
Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        steps: at most.
        batch: rows a step, 0 for all.
        learning_rate: its maximum where it is annealed (linear warm-up over a twentieth of the
            steps, then cosine to zero), else its constant value.
        betas, eps, weight_decay: of AdamW.
        held_out: share of the context that decides when to stop.
        check_every: steps between looks at it.
        patience: steps without a gain of `tolerance` before training ends.
        best: keep the best weights met, else the last.
    """

    steps: int
    batch: int
    learning_rate: float
    anneal: bool = True
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    held_out: float = 0.1
    check_every: int = 10
    patience: int = 10**9
    tolerance: float = 0.0
    best: bool = True


def train(network: nn.Module, loss: Loss, rows: Tensor, recipe: Recipe, seed: int) -> None:
    """Trains a network in place, on one thread: more of them may change the bytes.

    Args:
        loss: (rows [M, D]) -> scalar. rows: the context [N, D], on the network's device.
        seed: of which rows are held out and of the batches.
    """
    generator = torch.Generator().manual_seed(seed % 2**63)
    shuffled = rows[torch.randperm(len(rows), generator=generator)]
    few = max(1, round(recipe.held_out * len(rows)))
    held_out, kept = shuffled[:few], shuffled[few:]
    optimiser = torch.optim.AdamW(
        network.parameters(),
        recipe.learning_rate,
        betas=recipe.betas,
        eps=recipe.eps,
        weight_decay=recipe.weight_decay,
    )
    judge = Judge(network, loss, held_out, recipe)
    with _one_thread():
        for step in range(recipe.steps):
            if recipe.anneal:
                rate = recipe.learning_rate * annealed(step, recipe.steps)
                optimiser.param_groups[0]["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
            loss(_batch(kept, recipe.batch, generator)).backward()
            optimiser.step()
            if (step + 1) % recipe.check_every == 0 and judge.ends(step + 1):
                break
    judge.restore()


def annealed(step: int, steps: int) -> float:
    """Share of the learning rate at a step: linear warm-up, then half a cosine to zero."""
    warm_up = steps / 20
    done = (step + 1 - warm_up) / (steps - warm_up)
    return min((step + 1) / warm_up, (1 + math.cos(math.pi * max(done, 0.0))) / 2)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _batch(rows: Tensor, size: int, generator: torch.Generator) -> Tensor:
    if not size or size >= len(rows):
        return rows
    return rows[torch.randperm(len(rows), generator=generator)[:size]]


class Judge:
    """Watches the loss on rows held out."""

    def __init__(self, network: nn.Module, loss: Loss, held_out: Tensor, recipe: Recipe) -> None:
        self.network, self.loss, self.rows, self.recipe = network, loss, held_out, recipe
        self.lowest, self.gained, self.gained_at = torch.inf, torch.inf, 0
        self.weights: dict[str, Tensor] = {}
        self.said = time.monotonic()

    @torch.no_grad()
    def ends(self, step: int) -> bool:
        """Looks at the loss after `step` steps; whether training has gone on for too long."""
        value = float(self.loss(self.rows))
        if value < self.lowest and self.recipe.best:
            self.weights = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.lowest = min(self.lowest, value)
        if value < self.gained - self.recipe.tolerance:
            self.gained, self.gained_at = value, step
        self._say(step, value)
        return step - self.gained_at >= self.recipe.patience

    def restore(self) -> None:
        """Goes back to the best weights, where the recipe says so."""
        if self.weights:
            self.network.load_state_dict(self.weights)

    def _say(self, step: int, value: float) -> None:
        if time.monotonic() - self.said > SAY_EVERY_S:
            self.said = time.monotonic()
            name, steps = type(self.network).__name__, self.recipe.steps
            print(f"{name}: step {step} of {steps}, held-out loss {value:.4g}", file=sys.stderr)


class Predictor:
    """A trained network as a mechanism: F of some nodes at float64 rows, in pieces.

    It answers in double precision, so that F of a row does not change with the rows beside it.

    Args:
        network: (rows [M, D], nodes) -> F of these nodes, [M, len(nodes)].
        noise_scale: its estimate of each node's noise, [D]; None where it has none.
    """

    def __init__(self, network: nn.Module, noise_scale: np.ndarray | None = None) -> None:
        self.network, self.noise_scale = network.cpu().double().eval(), noise_scale

    @torch.no_grad()
    def __call__(self, z: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of `nodes` at z [N, D], [N, len(nodes)]."""
        pieces = torch.from_numpy(z).split(ROWS_AT_ONCE)
        return torch.cat([self.network(rows, list(nodes)) for rows in pieces]).numpy()
