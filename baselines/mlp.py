"""One small neural network a node, an ensemble each, all trained together.

Letters: G networks (nodes times members), N rows, P parents (padded with zero columns).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bench.method import AdditiveMethod
from bench.standardised import padded_parents

WIDTH = 64
MEMBERS = 5
HELD_OUT = 0.2
LEARNING_RATE = 1e-2
WEIGHT_DECAY = 1e-3
STEPS, BATCH, CHECK_EVERY = 600, 64, 25
MOST_CHECKED = 10_000  # rows, held in and out, on which a stop is decided
CELLS = 2**26  # hidden numbers at a time: 256 MiB


class MLP(AdditiveMethod):
    """Two hidden layers of 64, an ensemble of 5 with early stopping, batched over nodes.

    Each member holds out its own fifth of the context, and keeps the weights that were best there;
    the answer is the members' mean (Lakshminarayanan et al. 2017, without the variance head).
    """

    version = "1"
    default = True

    def _learn(self, z: np.ndarray, parents: list[np.ndarray], seed: int) -> "Networks":
        generator = torch.Generator().manual_seed(seed % 2**63)
        nodes = [j for j, p in enumerate(parents) if len(p)]
        rows = torch.from_numpy(z).float()
        inputs = [parents[j] for j in nodes for _ in range(MEMBERS)]
        weights = initial(inputs, generator)
        train = held_in(len(inputs), len(rows), generator)
        y = rows[:, nodes].T.repeat_interleave(MEMBERS, 0)
        x = torch.from_numpy(padded_parents(z.astype(np.float32), inputs))
        x, y, train = (t.to(self.device) for t in (x, y, train))
        trained = train_networks(x, y, train, [w.to(self.device) for w in weights], generator)
        return Networks(nodes, parents, [w.cpu() for w in trained])


class Networks:
    """Trained ensembles of all nodes with parents."""

    def __init__(self, nodes: list[int], parents: list[np.ndarray], weights: list[Tensor]) -> None:
        self.place = {j: g for g, j in enumerate(nodes)}
        self.parents, self.weights = parents, weights

    def __call__(self, z: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of `nodes` at z [N, D]: the members' mean."""
        members = [self.place[j] * MEMBERS + m for j in nodes for m in range(MEMBERS)]
        inputs = [self.parents[j] for j in nodes for _ in range(MEMBERS)]
        width = self.weights[0].shape[1]
        weights, small = [w[members] for w in self.weights], z.astype(np.float32)
        outputs = [
            forward(torch.from_numpy(padded_parents(small[part], inputs, width)), weights)
            for part in blocks(len(z), len(inputs))
        ]
        return torch.cat(outputs, 1).view(len(nodes), MEMBERS, -1).mean(1).T.double().numpy()


def initial(inputs: list[np.ndarray], generator: torch.Generator) -> list[Tensor]:
    """Weights and biases of three layers, He-scaled by each network's own number of parents."""
    g, p = len(inputs), max(map(len, inputs))
    fan_in = torch.tensor([len(columns) for columns in inputs]).sqrt()[:, None, None]
    shapes = ((g, p, WIDTH), (g, WIDTH, WIDTH), (g, WIDTH, 1))
    scales = (1.5 / fan_in, (2 / WIDTH) ** 0.5, WIDTH**-0.5)
    layers = []
    for shape, scale in zip(shapes, scales, strict=True):
        layers += [torch.randn(shape, generator=generator) * scale, torch.zeros(g, 1, shape[2])]
    layers[1] = torch.randn(g, 1, WIDTH, generator=generator)
    return layers


def held_in(networks: int, rows: int, generator: torch.Generator) -> Tensor:
    """1 for the rows a network trains on, 0 for those that stop it, [G, N]."""
    order = torch.rand(networks, rows, generator=generator).argsort(1).argsort(1)
    return (order >= max(1, round(HELD_OUT * rows))).float()


def forward(x: Tensor, weights: list[Tensor]) -> Tensor:
    """Outputs of all networks, [G, N]."""
    w1, b1, w2, b2, w3, b3 = weights
    hidden = torch.nn.functional.silu(torch.baddbmm(b1, x, w1))
    hidden = torch.nn.functional.silu(torch.baddbmm(b2, hidden, w2))
    return torch.baddbmm(b3, hidden, w3).squeeze(2)


def train_networks(
    x: Tensor, y: Tensor, train: Tensor, weights: list[Tensor], generator: torch.Generator
) -> list[Tensor]:
    """Adam on the rows held in; the weights that were best on the rows held out.

    Args:
        x: [G, N, P]. y: [G, N]. train: 1 where held in, [G, N]. weights: see `initial`.
    """
    weights = [w.clone().requires_grad_() for w in weights]
    best, best_error = [w.detach().clone() for w in weights], x.new_full((len(x),), torch.inf)
    optimiser = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, STEPS)
    for step in range(STEPS):
        batch = torch.randint(x.shape[1], (min(BATCH, x.shape[1]),), generator=generator)
        squared = (forward(x[:, batch], weights) - y[:, batch]).square()
        optimiser.zero_grad(set_to_none=True)
        (train[:, batch] * squared).sum().div(len(batch)).backward()
        optimiser.step()
        schedule.step()
        if step % CHECK_EVERY == CHECK_EVERY - 1:
            error = held_out_error(x, y, train, weights)
            better = error < best_error
            best_error = torch.where(better, error, best_error)
            for kept, w in zip(best, weights, strict=True):
                kept[better] = w.detach()[better]
    return best


@torch.no_grad()
def held_out_error(x: Tensor, y: Tensor, train: Tensor, weights: list[Tensor]) -> Tensor:
    """Sum of squared errors on the rows held out, of the first `MOST_CHECKED` rows, [G]."""
    parts = blocks(min(x.shape[1], MOST_CHECKED), len(x))
    errors = [
        ((1 - train[:, k]) * (forward(x[:, k], weights) - y[:, k]).square()).sum(1) for k in parts
    ]
    return torch.stack(errors).sum(0)


def blocks(rows: int, networks: int) -> list[slice]:
    """Rows of which all networks' hidden layers hold `CELLS` numbers at most."""
    size = max(1, CELLS // (networks * WIDTH))
    return [slice(start, min(start + size, rows)) for start in range(0, max(rows, 1), size)]
