"""Methods inside DoWhy's graphical causal models, and whole models to and fro (extra `[dowhy]`).

Tried with dowhy 0.14 (Bloebaum et al., JMLR 25(147), 2024). It pins an older scipy, so it wants an
environment of its own: `pip install -c constraints-dowhy.txt -e ".[dowhy]"`.
"""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Self

import networkx as nx
import numpy as np

try:
    from dowhy import gcm
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'bench.dowhy needs dowhy: pip install -c constraints-dowhy.txt "condfip-bench[dowhy]"',
        name="dowhy",
    ) from error
from dowhy.gcm.causal_mechanisms import DiscreteAdditiveNoiseModel, PostNonlinearModel
from dowhy.gcm.causal_models import PARENTS_DURING_FIT
from dowhy.gcm.ml.prediction_model import PredictionModel
from dowhy.gcm.ml.regression import InvertibleIdentityFunction, SklearnRegressionModel
from dowhy.graph import get_ordered_predecessors

from bench.loaded import Completed, LoadedMethod
from bench.scm.base import SCM, AdditiveSCM, to_array
from bench.sklearn import Regressor, mechanism_of
from bench.task import Dataset

if TYPE_CHECKING:
    import pandas as pd


class Mechanism(SklearnRegressionModel):
    """A DoWhy prediction model that a method learns: `gcm.AdditiveNoiseModel(Mechanism("gp"))`.

    DoWhy fits and clones it node by node, in any graph; categories among the parents are encoded
    as for every regression of DoWhy.

    Args:
        method, device: see `bench.sklearn.Regressor`.
    """

    def __init__(self, method: str | LoadedMethod, device: str | None = None) -> None:
        super().__init__(Regressor(method, device=device))

    def clone(self) -> Self:
        """Gives another mechanism of the same method that is not fitted yet."""
        return type(self)(self.sklearn_model.method, self.sklearn_model.device)


class Learnt(PredictionModel):
    """F of one node of an estimate, as it was learnt.

    Args:
        scm: the estimate. node: one of its columns. parents: columns, in DoWhy's order.
    """

    def __init__(self, scm: SCM, node: Hashable, parents: Sequence[Hashable]) -> None:
        self.scm, self.node = scm, scm.names.index(node)
        self.parents = [scm.names.index(parent) for parent in parents]

    def fit(self, X: np.ndarray, Y: np.ndarray) -> None:
        """Refuses, as the mechanism of one node is not learnt apart from those of the others.

        Raises:
            RuntimeError: always; it belongs to an estimate of all nodes.
        """
        raise RuntimeError(
            "a mechanism of to_dowhy is learnt already; for tools of DoWhy that fit models again, "
            'assign gcm.AdditiveNoiseModel(Mechanism("...")) to the nodes'
        )

    def predict(self, X: np.ndarray) -> np.ndarray:
        """F at parents [N, P], [N, 1]."""
        rows = np.zeros((len(X), len(self.scm.names)))
        rows[:, self.parents] = X
        return mechanism_of(self.scm, rows, self.node)[:, None]

    def clone(self) -> Self:
        """Gives the mechanism itself: nothing ever changes it."""
        return self


def to_dowhy(scm: SCM) -> gcm.InvertibleStructuralCausalModel:
    """A fitted estimate as a fitted DoWhy model, for its attribution and anomaly tools.

    Noise is drawn as `scm.sample` draws it; the noise of a root is, as everywhere in DoWhy, the
    root's value.

    Raises:
        ValueError: no estimate (a truth), or one without additive noise.
    """
    if scm.noise_space != "additive":
        raise ValueError("only additive noise becomes a model of DoWhy; this one's has other units")
    data, noise = _learnt_from(scm)
    model = gcm.InvertibleStructuralCausalModel(data.graph())
    level = to_array(scm.mechanism(data.frame()), scm.names)
    for j, node in enumerate(scm.names):
        parents = get_ordered_predecessors(model.graph, node)
        drawn = gcm.EmpiricalDistribution()
        drawn.fit(noise[:, j] if parents else level[0, j] + noise[:, j])
        mechanism = gcm.AdditiveNoiseModel(Learnt(scm, node, parents), drawn) if parents else drawn
        model.set_causal_mechanism(node, mechanism)
        model.graph.nodes[node][PARENTS_DURING_FIT] = parents
    return model


def _learnt_from(scm: SCM) -> tuple[Dataset, np.ndarray]:
    """The context and graph of an estimate, and the residuals that it samples from, [N, D]."""
    if isinstance(scm, AdditiveSCM):
        return Dataset(scm.context, scm.names, scm.adjacency), scm.residuals
    if isinstance(scm, Completed):
        noise = to_array(scm.noise(scm.data.frame()), scm.names)
        return scm.data, noise - noise.mean(0)
    raise ValueError(f"to_dowhy takes what a method's fit returns, not {type(scm).__name__}")


def from_dowhy(
    model: gcm.InvertibleStructuralCausalModel, df: "pd.DataFrame | None" = None
) -> AdditiveSCM:
    """A fitted DoWhy model as an SCM with the five verbs.

    A root's F is its mean, so that its noise is the distance from that.

    Args:
        model: of additive noise models and distributions of roots.
        df: rows, [N, D], whose residuals `sample` draws from. By default those that the model was
            fitted to, which it knows where all its distributions are empirical.

    Raises:
        ValueError: a node without additive noise (categories, a bent output), or without rows.
    """
    gcm.causal_models.validate_causal_dag(model.graph)
    names = tuple(model.graph.nodes)
    adjacency = nx.to_numpy_array(model.graph, nodelist=names, weight=None) > 0
    mechanisms = Assigned(model, np.zeros(len(names)))
    if df is not None:
        rows = to_array(df, names)
    else:
        noise = np.column_stack([_kept(model, node) for node in names])
        rows = AdditiveSCM(names, adjacency, mechanisms, noise).generate(noise).to_numpy()
    return AdditiveSCM(names, adjacency, Assigned(model, rows.mean(0)), rows)


class Assigned:
    """F of the nodes of a DoWhy model; that of a root is its level, of [D]."""

    def __init__(self, model: gcm.InvertibleStructuralCausalModel, levels: np.ndarray) -> None:
        names = list(model.graph.nodes)
        parents = [get_ordered_predecessors(model.graph, node) for node in names]
        self.parents = [[names.index(parent) for parent in some] for some in parents]
        self.predictors = [_predictor(model, node) for node in names]
        self.levels = levels

    def __call__(self, x: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of `nodes` at rows x [N, D], [N, len(nodes)]."""
        return np.column_stack([self._of(x, j) for j in nodes])

    def _of(self, x: np.ndarray, node: int) -> np.ndarray:
        predictor = self.predictors[node]
        if predictor is None:
            return np.full(len(x), self.levels[node])
        answer = predictor.predict(x[:, self.parents[node]])
        return np.asarray(answer, dtype=np.float64).reshape(len(x))


def _predictor(
    model: gcm.InvertibleStructuralCausalModel, node: Hashable
) -> PredictionModel | None:
    """F of a node with parents as DoWhy has it; None for roots."""
    mechanism = model.causal_mechanism(node)
    if not model.graph.in_degree(node):
        return None
    additive = isinstance(mechanism, PostNonlinearModel)
    additive = additive and not isinstance(mechanism, DiscreteAdditiveNoiseModel)
    if not additive or not isinstance(mechanism.invertible_function, InvertibleIdentityFunction):
        raise ValueError(f"the mechanism of {node} has no additive noise: {mechanism}")
    return mechanism.prediction_model


def _kept(model: gcm.InvertibleStructuralCausalModel, node: Hashable) -> np.ndarray:
    """The rows of a root, or the residuals of another node, that its distribution keeps, [N]."""
    mechanism = model.causal_mechanism(node)
    drawn = mechanism.noise_model if model.graph.in_degree(node) else mechanism
    if not isinstance(drawn, gcm.EmpiricalDistribution):
        raise ValueError(f"the distribution of {node} keeps no rows; give those it was fitted to")
    return drawn.data.reshape(-1)
