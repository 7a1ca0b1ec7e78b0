"""The in-context model as a method of the benchmark: zero-shot, from a checkpoint."""

import warnings
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from bench.scm.base import to_array
from bench.scm.do import Do, settle
from bench.standardised import StandardisedMechanisms
from bench.task import Dataset, Task
from condfip.amortized.model import InContextModel
from condfip.amortized.node import Node
from condfip.amortized.nodes import Nodes
from condfip.amortized.scale import Scale
from condfip.amortized.scaled import ScaledSCM
from condfip.amortized.weights import SHIPPED, Pretrained, load

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

FEWEST = 5  # context rows
SET = ("density", "noise_scale", "length_scale")  # axes that the prior draws as they are at 0
FAMILY = "lorch"  # of tasks whose SCMs the prior draws, at the ranges of "IN"


class AmortizedGP:
    """A network predicts each node's Gaussian process from its context, in one pass.

    Args:
        checkpoint: a file of `condfip.amortized.train`; by default the shipped one.
        device: where to compute.
    """

    version = "4"
    default = True
    noise_space = "additive"

    def __init__(self, checkpoint: str | Path = SHIPPED, device: str = "cpu") -> None:
        self.path, self.device = Path(checkpoint), device

    @classmethod
    def of(cls, weights: Pretrained) -> Self:
        """A method with a network at hand."""
        method = cls()
        method.loaded = weights
        return method

    @cached_property
    def loaded(self) -> Pretrained:
        """The network and how it came to be."""
        return load(self.path, self.device)

    @property
    def checkpoint_sha(self) -> str:
        """Names the weights in records."""
        return self.loaded.sha

    @property
    def pretrain_s(self) -> float:
        """Seconds of training behind the weights."""
        return float(self.loaded.history["seconds"])

    def seen_in_training(self, task: Task) -> bool | str:
        """Whether the prior draws SCMs and contexts like the task's.

        "partly" where mechanisms are those of the prior, but noise, rows, nodes or reach are not,
        or the graph is not the true one.
        """
        said, prior = task.settings, self.loaded.config.prior
        known = task.family == FAMILY and str(said["scenario"]).endswith("_IN")
        if not known or said["alpha"] != 1 or not prior.benchmark:
            return False
        met = (
            not said["noise"]
            and prior.rows[0] <= float(said["n_context"]) <= prior.rows[1]
            and float(said["d"]) <= max(prior.nodes)
            and (said["reach"] == "quantile" or prior.beyond > 0)
            and said.get("given", "true") == "true"
            and not any(said.get(axis) for axis in SET)
        )
        return True if met else "partly"

    def skip(self, dataset: Dataset) -> str | None:
        """Statistics of a context need some rows."""
        return f"fewer than {FEWEST} rows" if len(dataset.rows) < FEWEST else None

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> "InContextSCM":
        """Reads the context once; nothing is drawn, so `seed` changes nothing.

        Raises:
            ValueError: see `bench.task.Dataset.of`.
        """
        return self.fit_arrays(Dataset.of(df, graph))

    def fit_arrays(self, data: Dataset) -> "InContextSCM":
        """Fits a dataset, as `fit` does a table and a graph."""
        learn = partial(_learn, self.loaded.model, self.device)
        return InContextSCM(data, Mechanisms(data, learn, 0))


class InContext(AmortizedGP):
    """The former name of `amortized-gp`; an alias."""

    def __init__(self, checkpoint: str | Path = SHIPPED, device: str = "cpu") -> None:
        super().__init__(checkpoint, device)
        warnings.warn("condfip-incontext is now called amortized-gp", FutureWarning, stacklevel=2)


def _learn(
    model: InContextModel, device: str, z: np.ndarray, parents: list[np.ndarray], _: int
) -> Nodes:
    return Nodes(model, z, parents, device)


class Mechanisms(StandardisedMechanisms):
    """Roots have something to learn too: their level, whatever the shape of their noise."""

    predict: Nodes  # None where no column varies: then it is never asked

    def learnable(self) -> np.ndarray:
        """All columns that vary, [D]."""
        return self.scale > 0


class NodeSizes:
    """Relative sizes of noise, in the data's order and units; see `condfip.amortized.scaled`."""

    def __init__(self, mechanisms: Mechanisms) -> None:
        self.mechanisms = mechanisms

    @cached_property
    def scales(self) -> dict[int, Scale]:
        """Of nodes with parents, by the data's order."""
        found = getattr(self.mechanisms.predict, "nodes", {})
        order = self.mechanisms.order
        return {int(order[j]): n.scale for j, n in found.items() if isinstance(n, Node)}

    @cached_property
    def varying(self) -> frozenset[int]:
        """See `Sizes`."""
        return frozenset(j for j, scale in self.scales.items() if scale.varies)

    def __call__(self, x: np.ndarray, f: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """See `Sizes`."""
        m, answer = self.mechanisms, np.ones_like(f)
        z = m.standardise(x) if self.varying & set(nodes) else x
        for k, j in enumerate(nodes):
            if j in self.varying:
                place = m.place[j]
                level = (f[:, k] - m.mean[place]) * m.inverse[place]
                answer[:, k] = self.scales[j](z[:, m.parents[place]], level)
        return answer


class InContextSCM(ScaledSCM):
    """The estimate, with a posterior of F and intervals."""

    mechanisms: Mechanisms

    def __init__(self, data: Dataset, mechanisms: Mechanisms) -> None:
        super().__init__(data.names, data.adjacency, mechanisms, data.rows)
        self.sizes: NodeSizes = NodeSizes(mechanisms)

    @property
    def noise_dependence(self) -> dict[str, float]:
        """For each node the chance that noise alike everywhere looks as uneven as this.

        Below `condfip.amortized.scale.REJECTED` samples, intervals and counterfactuals take its
        size to vary with the parents, which holds too where the noise came before a bend.
        """
        scales = self.sizes.scales
        return {n: scales[j].chance if j in scales else 1.0 for j, n in enumerate(self.names)}

    def predict_mechanism(self, df: "pd.DataFrame") -> "tuple[pd.DataFrame, pd.DataFrame]":
        """Mean and standard deviation of F of each node, given its parents in `df`."""
        x = to_array(df, self.names)
        return self._answer(self._mechanisms(x), df), self._answer(self._deviations(x), df)

    def predict_interval(
        self, df: "pd.DataFrame", level: float
    ) -> "tuple[pd.DataFrame, pd.DataFrame]":
        """Bounds of each node's value given its parents in `df`, which hold with chance `level`.

        Quantiles of the context's leave-one-out residuals, each in units of its own predictive
        deviation, widened as in split conformal prediction (Vovk et al. 2005).
        """
        x = to_array(df, self.names)
        low, high = self._scores((1 - level) / 2), self._scores((1 + level) / 2)
        middle = self._mechanisms(x)
        noise = self.noise_scale * self.sizes(x, middle, range(x.shape[1]))
        scale = np.hypot(self._deviations(x), noise)
        return self._answer(middle + low * scale, df), self._answer(middle + high * scale, df)

    intervals = predict_interval  # the name that every estimate may have

    def sample(
        self,
        n: int,
        do: Do | None = None,
        seed: int = 0,
        noise: str = "empirical",
        uncertain: bool = False,
    ) -> "pd.DataFrame":
        """See `SCM`; if `uncertain`, every row also draws its own F from the posterior."""
        if not uncertain:
            return super().sample(n, do, seed, noise)
        u, settled = self._draw_noise(n, seed, noise), settle(do, self.names, n, seed)
        normal = np.random.default_rng([seed, 1]).standard_normal(u.shape)
        return self._answer(settled.solve(lambda clamps: self._drawn(u, normal, clamps)), None)

    def _drawn(self, u: np.ndarray, normal: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        x = np.where(np.isnan(clamps), u, clamps)
        for nodes in ([j for j in level if np.isnan(clamps[0, j])] for level in self.levels):
            if nodes:
                f = self.mechanisms(x, nodes)
                noise = self.sizes(x, f, nodes) * u[:, nodes]
                x[:, nodes] = f + normal[:, nodes] * self._deviations(x, nodes) + noise
        return x

    def _deviations(self, x: np.ndarray, nodes: Sequence[int] | None = None) -> np.ndarray:
        """Standard deviations of F of `nodes` at rows [N, D], in the data's units."""
        m = self.mechanisms
        asked = m.place if nodes is None else m.place[list(nodes)]
        answer = np.zeros((len(x), len(asked)))
        learnt = m.learnt[asked]
        if learnt.any():
            answer[:, learnt] = m.predict.deviation(m.standardise(x), asked[learnt].tolist())
        return answer * m.scale[asked]

    @cached_property
    def left_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Leave-one-out residuals and the variance of F behind them, in the data's units.

        Of some of the context's rows where there are very many.
        """
        m, columns = self.mechanisms, np.flatnonzero(self.mechanisms.learnt).tolist()
        left = [[t.cpu().numpy() for t in m.predict.nodes[j].left_out()] for j in columns]
        n = len(left[0][0]) if left else len(self.context)
        gap, cavity = np.zeros((n, len(m.scale))), np.zeros((n, len(m.scale)))
        for j, pair in zip(columns, left, strict=True):
            gap[:, j], cavity[:, j] = pair
        return (gap * m.scale)[:, m.place], (cavity * m.scale**2)[:, m.place]

    @cached_property
    def noise_scale(self) -> np.ndarray:
        """Noise standard deviations, [D]: leave-one-out residuals less the error of F in them."""
        gap, cavity = self.left_out
        total = np.square(gap).mean(0)
        return np.sqrt(np.maximum(total - cavity.mean(0), 0.5 * total))

    @cached_property
    def residuals(self) -> np.ndarray:
        """Centred leave-one-out residuals of the context, scaled to the noise's deviation."""
        gap = self.left_out[0] - self.left_out[0].mean(0)
        spread = gap.std(0)
        return gap * np.divide(self.noise_scale, spread, out=np.ones_like(spread), where=spread > 0)

    @cached_property
    def units(self) -> np.ndarray:
        """See `ScaledSCM`; of left-out residuals."""
        return self._units(self.left_out[0], self.own_sizes)

    @cached_property
    def own_sizes(self) -> np.ndarray:
        """Of the noise of the rows of `left_out`."""
        sizes = np.ones_like(self.left_out[0])
        for j in self.sizes.varying:
            node = self.mechanisms.predict.nodes[self.mechanisms.place[j]]
            assert isinstance(node, Node)
            sizes[:, j] = node.own_sizes
        return sizes

    def _scores(self, chance: float) -> np.ndarray:
        gap, cavity = self.left_out
        unit = np.hypot(np.sqrt(cavity), self.noise_scale * self.own_sizes)
        z = np.divide(gap, unit, out=np.zeros_like(gap), where=unit > 0)
        n = len(z)
        wide = 0.5 + (chance - 0.5) * (n + 1) / n
        return np.quantile(z, np.clip(wide, 0, 1), axis=0)
