"""A method under test, a small problem, and the ways of saying that a law is broken."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import networkx as nx
import numpy as np
import pandas as pd

from bench.loaded import LoadedMethod
from bench.method import member
from bench.scm.base import SCM

ROWS = 120
CLOSE = 0.05  # share by which an error may change where another seed gives other answers too
SLIGHT = 0.005  # and where not: trees of scikit-learn compare in 32 bits
NUDGE = 1e-9  # puts a value on the other side of a step; slopes show less than `EXACT`
EXACT, NEARLY = 1e-6, 1e-4  # where noise has its node's units, and where it has its own
CLAMP = 1.5  # the value given to node a where answers are compared


class LawBroken(AssertionError):
    """A method breaks a law; the message says how."""


@dataclass(frozen=True)
class Trial:
    """A method under test and a small problem with a collider, a chain and an isolated node.

    The graph is a -> c <- b, c -> d, and e alone.
    """

    method: LoadedMethod

    @cached_property
    def graph(self) -> nx.DiGraph:
        """The graph of the small problem."""
        graph = nx.DiGraph([("a", "c"), ("b", "c"), ("c", "d")])
        graph.add_node("e")
        return graph

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Context and, as its last third, query rows of the small problem."""
        rng = np.random.default_rng(0)
        u = rng.standard_normal((ROWS * 3 // 2, 5))
        a, b = 2 * u[:, 0] + 1, u[:, 1] - 3
        c = 1.5 * a - b + 0.5 * u[:, 2]
        d = 3 * np.tanh(c / 3) + 0.3 * u[:, 3]
        index = [f"row{i}" for i in range(len(u))]
        return pd.DataFrame({"a": a, "b": b, "c": c, "d": d, "e": 4 * u[:, 4]}, index=index)

    @property
    def context(self) -> pd.DataFrame:
        """The rows that the method is fitted to."""
        return self.rows.iloc[:ROWS].copy()

    @property
    def query(self) -> pd.DataFrame:
        """The rows that the estimate is asked about."""
        return self.rows.iloc[ROWS:].copy()

    @cached_property
    def estimate(self) -> SCM:
        """The method fitted to the context."""
        return self.method.fit(self.context, self.graph, seed=0)

    @cached_property
    def seeded(self) -> bool:
        """Whether another seed gives other answers, as of a network that starts somewhere else."""
        other = self.method.fit(self.context, self.graph, seed=1)
        one, two = (scm.counterfactual(self.query, {"a": CLAMP}) for scm in (self.estimate, other))
        return _gap(self, one, two) >= EXACT

    @cached_property
    def truth(self) -> pd.DataFrame:
        """The query rows had a been CLAMP, by algebra."""
        x = self.query
        c = x["c"] + 1.5 * (CLAMP - x["a"])
        d = x["d"] + 3 * (np.tanh(c / 3) - np.tanh(x["c"] / 3))
        return x.assign(a=CLAMP, c=c, d=d)

    @cached_property
    def chain(self) -> pd.DataFrame:
        """Rows of v -> w -> x -> y -> z, five nodes that bend each the one before."""
        rng = np.random.default_rng(1)
        columns = [rng.standard_normal(ROWS)]
        for slope in (2.0, -1.0, 3.0, 0.5):
            columns.append(slope * np.tanh(columns[-1]) + 0.3 * rng.standard_normal(ROWS))
        return pd.DataFrame(np.column_stack(columns), columns=list("vwxyz"))

    @property
    def exact(self) -> float:
        """What answers that should be equal may differ by, in standard deviations."""
        return EXACT if self.additive else NEARLY

    @property
    def additive(self) -> bool:
        """Whether the method's noise is in its nodes' units."""
        return self.method.noise_space == "additive"

    @property
    def abducts(self) -> bool:
        """Whether noise is what F leaves; one that smooths it says `noise_metric = False`."""
        return member(self.estimate, "noise_metric")

    @property
    def learns(self) -> bool:
        """Whether the method tries to be right, unlike a control."""
        return self.method.role == "baseline"


def require(holds: bool, otherwise: str) -> None:
    """Raises `LawBroken` with the words of `otherwise` where something does not hold."""
    if not holds:
        raise LawBroken(otherwise)


def on_steps(scm: SCM, rows: pd.DataFrame) -> bool:
    """Whether every row stands on a step of F: its noise jumps when its values are nudged."""
    noise = scm.noise(rows)
    down, up = ((scm.noise(rows + by) - noise).abs().max(axis=1) for by in (-NUDGE, NUDGE))
    return bool((np.maximum(down, up) > EXACT).all())


def refuses(action: Callable[[], object], what: str) -> None:
    """Raises `LawBroken` unless the action raises a ValueError."""
    try:
        action()
    except ValueError:
        return
    raise LawBroken(f"{what} raises no ValueError")


def same_answers(trial: Trial, answer: pd.DataFrame, otherwise: str) -> None:
    """Equal answers, or an error that is nearly equal, nearest where no seed changes answers."""
    before = trial.estimate.counterfactual(trial.query, {"a": CLAMP})
    if _gap(trial, answer, before) < EXACT:
        return
    old, new = _gap(trial, before, trial.truth), _gap(trial, answer, trial.truth)
    allowed = CLOSE if trial.seeded else SLIGHT
    require(abs(new - old) < allowed * old, f"{otherwise}: error {old:.4f} becomes {new:.4f}")


def _gap(trial: Trial, one: pd.DataFrame, other: pd.DataFrame) -> float:
    """Root mean square difference in standard deviations."""
    difference = (one.to_numpy() - other.to_numpy()) / trial.rows.std().to_numpy()
    return float(np.sqrt(np.square(difference).mean()))
