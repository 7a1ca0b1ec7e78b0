"""A causal normalizing flow: one masked autoregressive spline flow, the graph given.

Letters: N rows, D nodes. Arrays are standardised and in name order inside.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.transforms import (
    ComposedTransform,
    MonotonicAffineTransform,
    MonotonicRQSTransform,
    Transform,
)

from baselines.randomness import seeded
from baselines.training import Recipe, train
from bench.scm.base import SCM, to_array
from bench.standardised import Standardised
from bench.task import Dataset

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

BINS = 8
UNITS_A_NODE, FEWEST, MOST = 16, 64, 512  # hidden units: those of a masked network are divided
QUANTILES = 64
RECIPE = Recipe(steps=400, batch=64, learning_rate=5e-3, patience=150)


class CausalNF:
    """Causal normalizing flow with the graph given (Javaloy et al., NeurIPS 2023).

    Javaloy, Sanchez-Martin, Valera, "Causal normalizing flows: from theory to practice": one
    autoregressive layer u = T(x) whose node i reads its parents only, maximum likelihood under a
    standard normal base. do() clamps a node and lets the rest follow from their own u, which is
    the result of their algorithm 1. The noise is in the base's space; `noise_residual` is
    x - E[x | parents], the mean over 64 quantiles of the base.

    Deviations: the spline of a node (8 bins on [-5, 5]) is preceded by a shift and a scale, so
    that noise much smaller than its node fits into the spline; batches of 64 rows, an annealed
    learning rate, and the weights that were best on a tenth of the context held out.

    Args:
        device: where to train, e.g. "cpu" or "cuda".
    """

    version = "1"
    noise_space = "base"

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def skip(self, dataset: Dataset) -> str | None:
        """Early stopping holds rows out; zuko's masked transform needs two columns."""
        if len(dataset.names) < 2:
            return "a single column"
        return "fewer than 10 rows" if len(dataset.rows) < 10 else None

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> "FlowSCM":
        """Fits the flow to all nodes.

        Raises:
            ValueError: see `Dataset.of`.
        """
        data = Dataset.of(df, graph)
        columns = Standardised(data)
        varying = np.flatnonzero(columns.scale > 0).tolist()
        with seeded(seed):
            flow = CausalFlow(columns.parents).to(self.device)
        rows = torch.from_numpy(columns.standardise(data.rows)).float().to(self.device)
        train(flow, lambda z: flow.surprise(z, varying), rows, RECIPE, seed)
        return FlowSCM(data, columns, flow)


class CausalFlow(nn.Module):
    """u = T(z), each node's u increasing in its z and otherwise a function of its parents.

    Args:
        parents: column numbers of each node's parents.
    """

    def __init__(self, parents: list[np.ndarray]) -> None:
        super().__init__()
        d = len(parents)
        adjacency = torch.eye(d, dtype=torch.bool)  # row = child
        for j, columns in enumerate(parents):
            adjacency[j, columns] = True
        width = min(max(UNITS_A_NODE * d, FEWEST), MOST)
        self.masked = MaskedAutoregressiveTransform(
            d,
            context=1,  # a constant: without any edge zuko's network would have no input
            adjacency=adjacency,
            univariate=shifted_spline,
            shapes=[(), (), (BINS,), (BINS,), (BINS - 1,)],
            hidden_features=(width, width),
            activation=nn.SiLU,
        )

    @property
    def rounds(self) -> int:
        """How many nodes the longest path has."""
        return self.masked.passes

    def forward(self, z: Tensor) -> Transform:
        """The map z_i -> u_i of every node, given its parents' values in z [N, D]."""
        return self.masked.meta(z.new_ones(1), z).base

    def surprise(self, z: Tensor, nodes: list[int]) -> Tensor:
        """Negative log-likelihood of `nodes` at z [N, D] and per node, up to a constant."""
        u, log_slope = self(z).call_and_ladj(z)
        return (0.5 * u.square() - log_slope)[:, nodes].sum() / z.numel()


def shifted_spline(
    shift: Tensor, scale: Tensor, widths: Tensor, heights: Tensor, derivatives: Tensor
) -> ComposedTransform:
    """Shift and scale, then a rational-quadratic spline (Durkan et al., NeurIPS 2019)."""
    return ComposedTransform(
        MonotonicAffineTransform(shift, scale), MonotonicRQSTransform(widths, heights, derivatives)
    )


class FlowSCM(SCM):
    """The verbs of a trained flow, in double precision, since they invert it."""

    noise_space = "base"

    def __init__(self, data: Dataset, columns: Standardised, flow: CausalFlow) -> None:
        super().__init__(data.names)
        self.columns, self.flow = columns, flow.cpu().double().eval()
        self.context_noise = self._abduct(data.rows)

    def noise(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """Abduction: u = T(x), standard normal where the model holds."""
        return self._answer(self._abduct(to_array(df, self.names)), df)

    def noise_residual(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """x - E[x | parents], in the nodes' units."""
        return df[list(self.names)] - self.mechanism(df)

    @torch.no_grad()
    def _abduct(self, x: np.ndarray) -> np.ndarray:
        z = torch.from_numpy(self.columns.standardise(x))
        return self.flow(z)(z).numpy()[:, self.columns.place]

    @torch.no_grad()
    def _mechanisms(self, x: np.ndarray) -> np.ndarray:
        """E[x | parents] by the midpoints of equally likely parts of the base."""
        z = torch.from_numpy(self.columns.standardise(x))
        inverse = self.flow(z).inv
        parts = (torch.arange(QUANTILES, dtype=z.dtype) + 0.5) / QUANTILES
        values = [inverse(q.expand_as(z)) for q in torch.special.ndtri(parts)]
        return self.columns.restore(torch.stack(values).mean(0).numpy())

    @torch.no_grad()
    def _generate(self, u: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        base = torch.from_numpy(u[:, self.columns.order])
        fixed = torch.from_numpy(self.columns.standardise(clamps))
        z = torch.zeros_like(base)
        for _ in range(self.flow.rounds):
            z = torch.where(fixed.isnan(), self.flow(z).inv(base), fixed)
        x = self.columns.restore(z.numpy())
        return np.where(np.isnan(clamps), x, clamps)

    def _draw_noise(self, n: int, seed: int, kind: str) -> np.ndarray:
        rng = np.random.default_rng(seed)
        if kind == "gaussian":
            return rng.standard_normal((n, len(self.names)))
        rows = rng.integers(len(self.context_noise), size=(n, len(self.names)))
        return np.take_along_axis(self.context_noise, rows, 0)
