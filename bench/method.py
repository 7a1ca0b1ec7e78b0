"""What a method and an estimate are: every member they may have, and how most methods are written.

A method is any class, built without arguments, with `fit(df, graph, *, seed=0)`. What `fit` returns
needs `noise(df)` and `generate(u, do=None)`; `bench.loaded` adds the rest. All else is optional:
the protocols below name it with its default, and `member` is the one place that looks for it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from inspect import isfunction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from bench.scm.base import SCM, AdditiveSCM
from bench.scm.do import Do
from bench.standardised import Learn, PerNode, Predict, StandardisedMechanisms
from bench.task import Dataset, Problem, Task

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

Regress = Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]
Role = Literal["truth", "reference", "baseline"]
NoiseSpace = Literal["additive", "base"]
Noise = Callable[["pd.DataFrame"], "pd.DataFrame"]
Classify = Callable[[np.ndarray, np.ndarray, int, int], Callable[[np.ndarray], np.ndarray]]


class Method(Protocol):
    """A way to learn an SCM; only `fit` is needed. A constructor may take `device`.

    Any class that can be built without arguments is one; nothing has to be inherited.

    Attributes:
        version: changes whenever an answer may.
        role: "baseline"; "truth" and "reference" for controls, the ends of the scale.
        default: whether a run that names no methods includes it. Neither role nor default is
            inherited where methods are listed: they are read from the class's own body.
        noise_space: "additive" where noise has its node's units, "base" where it has its own.
        classify: (x [N, P], levels [N] from 0, number of levels, seed) -> (x [M, P]) -> their
            probabilities [M, K], for nodes that have levels; None: logistic regression. If it has
            `draw(rng)` and `relearn(x, levels)`, so has the estimate.
        fit_problem: (problem, seed) -> estimate, of a control that is shown the whole problem; only
            the problems of suites are shown, and to no baseline.

    Example:
        >>> from bench import fit_per_node
        >>> class Mean:
        ...     def fit(self, df, graph, *, seed=0):
        ...         def regress(parents, child):
        ...             return lambda rows: child.mean() + 0 * rows[:, 0]
        ...         return fit_per_node(df, graph, regress, seed)
    """

    version: str = ""
    role: Role = "baseline"
    default: bool = False
    noise_space: NoiseSpace = "additive"
    classify: Classify | None = None
    fit_problem: Callable[[Problem, int], "Estimate"] | None = None

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> "Estimate":
        """Learns from context rows and the graph over their columns, both left as they are.

        Args:
            df: context rows, [N, D].
            graph: over the columns of `df`; u -> v reads "u causes v".
            seed: of all the method's own randomness.

        Returns:
            Something with `noise` and `generate`; see `Estimate`.

        Raises:
            ValueError: a cycle, an undirected graph or an unknown column.
        """

    def skip(self, dataset: Dataset) -> str | None:
        """Says why the method cannot fit a dataset; None where it can."""
        return None

    def skip_problem(self, problem: Problem) -> str | None:
        """Says why a control has no estimate of a problem; None where it has one."""
        return None


class Pretrained(Method, Protocol):
    """A method that reads its weights from a file.

    Attributes:
        checkpoint: the file, an argument of the constructor: `NAME=PATH` names another one.
        checkpoint_sha: of the weights.
        pretrain_s: seconds of training behind the weights, None where they are unknown.
    """

    checkpoint: Path | None = None
    checkpoint_sha: str = ""
    pretrain_s: float | None = None

    def seen_in_training(self, task: Task) -> bool | str | None:
        """Says whether training met SCMs like the task's.

        "partly" where all but some axis of theirs was met; None where nobody knows.
        """
        return None


class Estimate(Protocol):
    """What `fit` returns; `noise` and `generate` are needed, all else is optional.

    Tables have a row for each row asked about and a column a node, [N, D]; columns, index and units
    are those of the data.

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
        mechanism: df -> F(x), what each node is without its noise; where absent, x less the noise.
        sample: (n, do, seed, noise) -> fresh rows; where absent, drawn from the context's noise.

    Example:
        >>> class Nothing:  # x = u: no node has a cause
        ...     def noise(self, df):
        ...         return df
        ...     def generate(self, u, do=None):
        ...         return u.assign(**(do or {}))
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
        """Abducts the noise u of rows [N, D]."""

    def generate(self, u: "pd.DataFrame", do: Do | None = None) -> "pd.DataFrame":
        """Makes the rows that noise u [N, D] gives, with the nodes of `do` set to its values."""

    def counterfactual(self, df: "pd.DataFrame", do: Do) -> "pd.DataFrame":
        """Says what rows [N, D] had been under `do`, each with its own noise."""
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
        df: context rows, [N, D].
        graph: over the columns of `df`; u -> v reads "u causes v".
        learn: (z [N, D], parents of each node, seed) -> predict, where predict (z [M, D], nodes) ->
            F of those nodes [M, len(nodes)]. It is asked for nodes with parents only. If predict
            has `noise_scale` [D] (standardised units), `sample` scales its residuals to it; if it
            has `draw(rng)` -> predict, a draw from what it believes, the estimate has `draws`; if
            `relearn(z)` -> predict, of other rows, it has `refit`; if `deviation(z, nodes)`, of F,
            it has `predict_mechanism`.
        seed: of the method's own randomness, handed to `learn`.

    Returns:
        The estimate, in the data's own units.

    Raises:
        ValueError: see `Dataset.of`.

    Source:
        Additive noise: Hoyer et al., "Nonlinear causal discovery with additive noise models",
        NeurIPS 2008.

    Example:
        >>> import numpy as np
        >>> from bench import fit_additive, load_suite
        >>> def learn(z, parents, seed):
        ...     weights = np.zeros((z.shape[1], z.shape[1]))
        ...     for j, columns in enumerate(parents):
        ...         weights[columns, j] = np.linalg.lstsq(z[:, columns], z[:, j], rcond=None)[0]
        ...     return lambda z, nodes: z @ weights[:, nodes]
        >>> problem = load_suite("lorch", preset="smoke")[0].problem()
        >>> fit_additive(problem.context, problem.graph, learn).noise(problem.query).shape
        (50, 10)
    """
    data = Dataset.of(df, graph)
    mechanisms = StandardisedMechanisms(data, learn, seed)
    return AdditiveSCM(data.names, data.adjacency, mechanisms, data.rows, mechanisms.noise_scale)


def fit_per_node(
    df: "pd.DataFrame", graph: "nx.DiGraph", regress: Regress, seed: int = 0
) -> AdditiveSCM:
    """Fits x = F(x) + u with one regression for each node that has parents; see `fit_additive`.

    Args:
        df: context rows, [N, D].
        graph: over the columns of `df`; u -> v reads "u causes v".
        regress: (parents [N, P], child [N]) -> predict, where predict (parents [M, P]) -> child
            [M], all in standard deviations from the mean. Of predict's own members `noise_scale`,
            `draw` and `relearn` are used, where it has them; see `fit_additive`.
        seed: of the method's own randomness.

    Returns:
        The estimate, in the data's own units.

    Raises:
        ValueError: see `Dataset.of`.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> from bench import fit_per_node, load_suite
        >>> def regress(parents, child):
        ...     return LinearRegression().fit(parents, child).predict
        >>> problem = load_suite("lorch", preset="smoke")[0].problem()
        >>> scm = fit_per_node(problem.context, problem.graph, regress)
        >>> print(repr(scm).splitlines()[0])
        AdditiveSCM: an SCM of 10 nodes
    """

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
