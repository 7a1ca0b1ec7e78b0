"""The SCMs of `lorch` where methods are given another graph than the true one.

Corrupted: k pairs of nodes, each once, get an edge added, dropped or reversed, so that the
structural Hamming distance is k; fewer edits are the beginning of more. Order: every ancestor is
given as a parent, as for one who knows what comes before what and no more. Inferred: by a
registered discovery method from the context rows (Mahajan et al. 2025, tables 16-18, used AVICI's
graphs, whose weights are not at hand: compare the layout, not the figures; `bench/docs/no-graph.md`
says by how much). `floor` knows the true graph.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from bench.registry import discover, finder_module
from bench.scm.base import order
from bench.scm.plan import make_plan
from bench.suite import Settings
from bench.suites.lorch import LORCH, LorchTask, settle
from bench.suites.smallest import TWO_CELLS
from bench.task import Problem, seed_of

GIVEN = ("true", "corrupt", "order", "inferred")
FINDERS = ("r2sort", "pc", "ges", "direct-lingam", "dagma")
EDITS = (0, 1, 2, 5, 10, 20)
TRIES = 1000


@dataclass(frozen=True, kw_only=True)
class GraphTask(LorchTask):
    """A lorch problem with another graph: its order, `edits` of it, or as `discovery` found it."""

    given: str = "true"
    edits: int = 0
    discovery: str = ""

    scm_free = LorchTask.scm_free | {"given", "edits", "discovery"}

    @property
    def makers(self) -> tuple[str, ...]:
        """The finder's module, where there is one."""
        return (finder_module(self.discovery),) if self.discovery else ()

    def problem(self) -> Problem:
        """The lorch problem, its `data` with the given graph."""
        problem = super().problem()
        true = problem.data.adjacency
        if self.given == "true":
            return problem
        given_the_truth = replace(self, given="true", edits=0, discovery="", reach="quantile")
        seed = seed_of(given_the_truth.problem_name, self.given)
        if self.given == "corrupt":
            given = corrupt(true, self.edits, np.random.default_rng(seed))
        elif self.given == "order":
            given = order(true)[1]
        else:
            given = discover(self.discovery, problem.data, seed)
        data = replace(problem.data, adjacency=given)
        return replace(problem, data=data, true_adjacency=true)


def corrupt(adjacency: np.ndarray, edits: int, rng: np.random.Generator) -> np.ndarray:
    """A copy with `edits` pairs of nodes changed, each once: added, dropped or reversed.

    Raises:
        ValueError: the graph has too few pairs that can be changed without a cycle.
    """
    given, free = adjacency.copy(), ~np.eye(len(adjacency), dtype=bool)
    for _ in range(TRIES):
        if edits == 0:
            return given
        changed, pair = _edit(given, free, rng)
        if pair is not None:
            given, edits = changed, edits - 1
            free[pair] = free[pair[::-1]] = False
    raise ValueError("the graph has too few pairs to corrupt")


def _edit(
    given: np.ndarray, free: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[int, int] | None]:
    """One random edit on a free pair, or None where it cannot be or would close a cycle."""
    kind = rng.choice(("add", "drop", "reverse"))
    joined = given | given.T
    pairs = np.argwhere(free & (~joined if kind == "add" else given))
    if not len(pairs):
        return given, None
    i, j = map(int, rng.choice(pairs))
    changed = given.copy()
    changed[i, j] = kind == "add"
    changed[j, i] = kind == "reverse"
    return (changed, (i, j)) if _acyclic(changed) else (given, None)


def _acyclic(adjacency: np.ndarray) -> bool:
    try:
        make_plan(torch.from_numpy(adjacency)[None])
    except ValueError:
        return False
    return True


def settle_graph(settings: Settings) -> Settings | None:
    """As for `lorch`; only what the given graph needs is kept."""
    settled = settle(settings)
    if settled is None:
        return None
    given, edits, discovery = (settled.pop(name) for name in ("given", "edits", "discovery"))
    if given == "inferred":
        return {**settled, "given": given, "discovery": discovery}
    if given == "corrupt" and edits:
        return {**settled, "given": given, "edits": edits}
    if given == "order":
        return {**settled, "given": given}
    return settled


LORCH_GRAPH = replace(
    LORCH,
    name="lorch-graph",
    about="The lorch SCMs with a corrupted, a found or no graph but its order: what that costs",
    source="Mahajan et al. 2025, tables 16-18 (which used AVICI's graphs); corruption is ours",
    kind=GraphTask,
    axes={**LORCH.axes, "given": GIVEN, "edits": EDITS, "discovery": ("r2sort",)},
    presets={
        "smoke": [{**TWO_CELLS, "edits": (2,)}],
        "quick": [{"d": (20,), "scms": (1,)}],
        "paper": [
            {"d": (10, 20, 50, 100), "scms": (3,), "edits": EDITS[:5]},
            {"d": (20,), "scms": (3,), "discovery": FINDERS},
        ],
    },
    choices={**LORCH.choices, "given": GIVEN},
    settle=settle_graph,
)
