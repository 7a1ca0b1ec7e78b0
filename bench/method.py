"""What a method and an estimate are: every member they may have, and how most methods are written.

A method is any class, built without arguments, with `fit(df, graph, *, seed=0)`. What `fit` returns
needs `noise(df)` and `generate(u, do=None)`; `complete` adds the other verbs. All else is optional:
the protocols below name it with its default, and `member` is the one place that looks for it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from inspect import isfunction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from bench.scm.base import SCM, AdditiveSCM, to_array
from bench.scm.do import Do, Settled, settle
from bench.standardised import Learn, PerNode, Predict, StandardisedMechanisms
from bench.task import Dataset, Problem, Task

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

Regress = Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]
Role = Literal["truth", "reference", "baseline"]
NoiseSpace = Literal["additive", "base"]
Noise = Callable[["pd.DataFrame"], "pd.DataFrame"]


class Method(Protocol):
    """A way to learn an SCM; only `fit` is needed. A constructor may take `device`.

    Attributes:
        version: changes whenever an answer may.
        role: "baseline"; "truth" and "reference" for controls, the ends of the scale.
        default: whether a run that names no methods includes it. Neither role nor default is
            inherited where methods are listed: they are read from the class's own body.
        noise_space: "additive" where noise has its node's units, "base" where it has its own.
        fit_problem: (problem, seed) -> estimate, of a control that is shown the whole problem; only
            the problems of suites are shown, and to no baseline.
    """

    version: str = ""
    role: Role = "baseline"
    default: bool = False
    noise_space: NoiseSpace = "additive"
    fit_problem: Callable[[Problem, int], "Estimate"] | None = None

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> "Estimate":
        """Learns from context rows and the graph over their columns, both left as they are."""

    def skip(self, dataset: Dataset) -> str | None:
        """Why the method cannot fit a dataset; None where it can."""
        return None

    def skip_problem(self, problem: Problem) -> str | None:
        """Why a control has no estimate of a problem; None where it has one."""
        return None


class Pretrained(Method, Protocol):
    """A method that reads its weights from a file.

    Attributes:
        checkpoint: the file, an argument of the constructor: `NAME=PATH` names another one.
        checkpoint_sha: of the weights. pretrain_s: seconds of training behind them, None: unknown.
    """

    checkpoint: Path | None = None
    checkpoint_sha: str = ""
    pretrain_s: float | None = None

    def seen_in_training(self, task: Task) -> bool | None:
        """Whether training met SCMs like the task's; None: unknown, or nothing was trained."""
        return None


class Estimate(Protocol):
    """What `fit` returns; `noise` and `generate` are needed. Tables keep columns, index and units.

    Attributes:
        noise_metric: whether `noise` is what F leaves, False where it is smoothed.
        noise_smoothed: df -> the noise's posterior mean, given the rows themselves.
        noise_residual: df -> x - E[x | parents], of an estimate whose own noise has other units.
        noise_published: df -> noise as published code logs it. df is the context's rows and then
            the query's: columns are scaled by all of them, and each part is told by itself.
        predict_mechanism: df -> mean and standard deviation of F, two tables.
        intervals: (df, level) -> lower and upper ends of x given its parents, two tables.
        draws: (n, seed) -> n SCMs that the data allow as far as the estimate knows, for intervals
            of effects.
        refit: df -> the estimate fitted to other rows, its hyper-parameters kept.
        mechanism: df -> F. sample: (n, do, seed, noise) -> rows. Where absent they are made from
            noise and generate.
    """

    noise_metric: bool = True
    noise_smoothed: Noise | None = None
    noise_residual: Noise | None = None
    noise_published: Noise | None = None
    predict_mechanism: Callable[..., "tuple[pd.DataFrame, pd.DataFrame]"] | None = None
    intervals: Callable[..., "tuple[pd.DataFrame, pd.DataFrame]"] | None = None
    draws: Callable[[int, int], Iterable[SCM]] | None = None
    refit: Callable[["pd.DataFrame"], SCM] | None = None
    mechanism: Noise | None = None
    sample: Callable[..., "pd.DataFrame"] | None = None

    def noise(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """The noise of rows (abduction)."""

    def generate(self, u: "pd.DataFrame", do: Do | None = None) -> "pd.DataFrame":
        """The rows that noise u gives, with the nodes of do clamped."""

    def counterfactual(self, df: "pd.DataFrame", do: Do) -> "pd.DataFrame":
        """What rows had been under do."""
        return self.generate(self.noise(df), do)


MADE = ("mechanism", "sample", "counterfactual")  # from noise and generate, where absent
EXTRAS = tuple(name for name in Estimate.__annotations__ if name not in MADE)
OPTIONAL = {
    name: default
    for protocol in (Method, Pretrained, Estimate)
    for name, default in vars(protocol).items()
    if not name.startswith("_")
}


def member(thing: object, name: str) -> Any:
    """An optional member of a method or an estimate: its own, or the default of its protocol.

    Raises:
        KeyError: no protocol names such a member.
    """
    default = OPTIONAL[name]
    if not hasattr(thing, name) and isfunction(default):
        return default.__get__(thing)
    return getattr(thing, name, default)


def fit_additive(
    df: "pd.DataFrame", graph: "nx.DiGraph", learn: Learn, seed: int = 0
) -> AdditiveSCM:
    """Fits x = F(x) + u on standardised columns.

    Columns are put in the order of their names, centred and divided by their standard deviation, so
    that neither order nor unit nor origin can change an answer. A column that is constant in the
    context is predicted by its constant and is nobody's parent.

    Args:
        df, graph: context rows, and the graph over their columns.
        learn: (z [N, D], parents of each node, seed) -> predict, where predict (z [M, D], nodes) ->
            F of those nodes [M, len(nodes)]. It is asked for nodes with parents only. If predict
            has `noise_scale` [D] (standardised units), `sample` scales its residuals to it; if it
            has `draw(rng)` -> predict, a draw from what it believes, the estimate has `draws`; if
            `relearn(z)` -> predict, of other rows, it has `refit`; if `deviation(z, nodes)`, of F,
            it has `predict_mechanism`.
        seed: of the method's own randomness.

    Raises:
        ValueError: see `Dataset.of`.
    """
    data = Dataset.of(df, graph)
    mechanisms = StandardisedMechanisms(data, learn, seed)
    return AdditiveSCM(data.names, data.adjacency, mechanisms, data.rows, mechanisms.noise_scale)


def fit_per_node(
    df: "pd.DataFrame", graph: "nx.DiGraph", regress: Regress, seed: int = 0
) -> AdditiveSCM:
    """`fit_additive` with one regression a node: regress(parents [N, P], child [N]) -> predict."""

    def learn(z: np.ndarray, parents: list[np.ndarray], _: int) -> PerNode:
        return PerNode(
            parents, [regress(z[:, p], z[:, j]) if len(p) else None for j, p in enumerate(parents)]
        )

    return fit_additive(df, graph, learn, seed)


class AdditiveMethod(ABC):
    """A method whose subclass has only to learn standardised mechanisms (`_learn`, a `Learn`).

    Args:
        device: where to compute, e.g. "cpu" or "cuda".
    """

    fewest_rows = 10

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def skip(self, dataset: Dataset) -> str | None:
        """Fewer rows say too little, all the more where some are held out to stop training."""
        few = len(dataset.rows) < self.fewest_rows
        return f"fewer than {self.fewest_rows} rows" if few else None

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> AdditiveSCM:
        """Fits every node; see `fit_additive`."""
        return fit_additive(df, graph, self._learn, seed)

    @abstractmethod
    def _learn(self, z: np.ndarray, parents: list[np.ndarray], seed: int) -> Predict:
        """See `Learn`."""


def complete(fitted: Estimate, data: Dataset, noise_space: str = "additive") -> SCM:
    """The five verbs of whatever a method's `fit` returned."""
    return fitted if isinstance(fitted, SCM) else Completed(fitted, data, noise_space)


class Completed(SCM):
    """`noise` and `generate` of a stranger's model, with the other verbs made from them."""

    def __init__(self, fitted: Estimate, data: Dataset, noise_space: str) -> None:
        super().__init__(data.names)
        self.fitted, self.data, self.noise_space = fitted, data, noise_space
        for name in EXTRAS:
            setattr(self, name, member(fitted, name))

    def mechanism(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """See `SCM`; for additive noise only."""
        if self.noise_space != "additive":
            raise ValueError("a model without additive noise has no F")
        return df[list(self.names)] - self.noise(df)

    def noise(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """See `SCM`."""
        return self._named(self.fitted.noise(df))

    def generate(self, u: "pd.DataFrame", do: Do | None = None) -> "pd.DataFrame":
        """See `SCM`; what was fitted is asked for numbers only."""
        if settle(do, self.names, len(u)).constant:
            return self._named(self.fitted.generate(u, do=do))
        return super().generate(u, do)

    def counterfactual(self, df: "pd.DataFrame", do: Do) -> "pd.DataFrame":
        """See `SCM`."""
        if settle(do, self.names, len(df)).constant:
            return self._named(member(self.fitted, "counterfactual")(df, do))
        return super().counterfactual(df, do)

    def sample(
        self, n: int, do: Do | None = None, seed: int = 0, noise: str = "empirical"
    ) -> "pd.DataFrame":
        """See `SCM`."""
        draw = member(self.fitted, "sample")
        if draw and settle(do, self.names, n).constant:
            return self._named(draw(n, do=do, seed=seed, noise=noise))
        return super().sample(n, do, seed, noise)

    def _named(self, answer: "pd.DataFrame") -> "pd.DataFrame":
        """A stranger's answer with its columns in order, matched by their names."""
        known = hasattr(answer, "columns") and set(answer.columns) == set(self.names)
        return answer[list(self.names)] if known else answer  # whoever asked says what is wrong

    def _draw_noise(self, n: int, seed: int, kind: str) -> np.ndarray:
        rng = np.random.default_rng(seed)
        residuals = np.asarray(self.noise(self.data.frame()), dtype=np.float64)
        if self.noise_space == "additive":
            residuals = residuals - residuals.mean(0)
        if kind == "gaussian":
            deviation = residuals.std(0, ddof=1)
            return residuals.mean(0) + deviation * rng.standard_normal((n, len(self.names)))
        rows = rng.integers(len(residuals), size=(n, len(self.names)))
        return np.take_along_axis(residuals, rows, 0)

    def _generate(self, u: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        """Rows of equal clamps together."""
        x = np.empty_like(u)
        for values, rows in Settled(clamps, {}).groups(len(u)):
            do = {self.names[j]: value for j, value in values.items()}
            answer = self.fitted.generate(self._answer(u[rows], None), do=do or None)
            x[rows] = to_array(answer, self.names)
        return x
