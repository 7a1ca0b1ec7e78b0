"""DECI's mechanisms: two networks shared by all nodes, told apart by embeddings; graph given.

Letters: N rows, D nodes, C nodes asked for, E width of an embedding and of a message.
"""

import numpy as np
import torch
from torch import Tensor, nn

from baselines.randomness import seeded
from baselines.training import Predictor, Recipe, train
from bench.method import AdditiveMethod

EMBEDDING, HIDDEN = 32, 64
RECIPE = Recipe(steps=600, batch=64, learning_rate=5e-3, patience=200)


class DECI(AdditiveMethod):
    """Deep end-to-end causal inference with the graph given and Gaussian noise.

    Geffner et al., "Deep End-to-end Causal Inference", TMLR 2024 (arXiv 2202.02195), equation 6:
    F_i(x) = readout(u_i, sum over parents j of message(u_j, x_j)), with a learnt embedding u of
    each node, fitted by maximum likelihood with a noise scale for each node.

    Deviations: the graph is given, so nothing is variational and there is no augmented Lagrangian;
    each edge weighs its message, as in the published code; batches of 64 rows, an annealed
    learning rate, and the weights that were best on a tenth of the context held out.
    """

    version = "1"

    def _learn(self, z: np.ndarray, parents: list[np.ndarray], seed: int) -> Predictor:
        with seeded(seed):
            network = SharedNetworks(parents).to(self.device)
        nodes = [j for j, p in enumerate(parents) if len(p)]
        rows = torch.from_numpy(z).float().to(self.device)
        train(network, lambda x: network.surprise(x, nodes), rows, RECIPE, seed)
        return Predictor(network, network.noise_scale())


class SharedNetworks(nn.Module):
    """F of all nodes from one message network and one readout network.

    Args:
        parents: column numbers of each node's parents.
    """

    adjacency: Tensor

    def __init__(self, parents: list[np.ndarray]) -> None:
        super().__init__()
        d = len(parents)
        adjacency = torch.zeros(d, d)
        for j, columns in enumerate(parents):
            adjacency[columns, j] = 1
        self.register_buffer("adjacency", adjacency)
        self.edges = nn.Parameter(torch.ones(d, d))
        self.embedding = nn.Parameter(torch.randn(d, EMBEDDING))
        self.message = layers(1 + EMBEDDING, EMBEDDING)
        self.readout = layers(2 * EMBEDDING, 1)
        self.log_scale = nn.Parameter(torch.full((d,), -1.0))

    def forward(self, z: Tensor, nodes: list[int]) -> Tensor:
        """F of `nodes` at z [N, D], [N, C]."""
        told = self.embedding.expand(len(z), -1, -1)
        messages = self.message(torch.cat([z[:, :, None], told], 2))  # [N, D, E]
        weights = (self.adjacency * self.edges)[:, nodes]
        heard = torch.einsum("nde,dc->nce", messages, weights)
        return self.readout(torch.cat([heard, told[:, nodes]], 2)).squeeze(2)

    def surprise(self, z: Tensor, nodes: list[int]) -> Tensor:
        """Mean negative log-likelihood of `nodes` at z [N, D], up to a constant."""
        log_scale = self.log_scale[nodes]
        error = (z[:, nodes] - self(z, nodes)) * (-log_scale).exp()
        return (0.5 * error.square() + log_scale).mean()

    def noise_scale(self) -> np.ndarray:
        """Standard deviation of each node's noise, 1 (that of its column) for a root, [D]."""
        scale = self.log_scale.detach().exp().cpu()
        return torch.where(self.adjacency.any(0).cpu(), scale, 1.0).double().numpy()


def layers(inputs: int, outputs: int) -> nn.Sequential:
    """Two hidden layers, the second one residual, normalised in between."""
    first = nn.Linear(inputs, HIDDEN), nn.LeakyReLU()
    last = nn.LayerNorm(HIDDEN), nn.Linear(HIDDEN, outputs)
    return nn.Sequential(*first, Residual(), *last)


class Residual(nn.Module):
    """x + a normalised hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.LayerNorm(HIDDEN), nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Adds what the block changes, [..., HIDDEN] -> [..., HIDDEN]."""
        return x + self.layer(x)
