"""The laws every method keeps; `check` tries them on one method and says which it breaks."""

import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import networkx as nx
import numpy as np
import pandas as pd
import torch

from bench.method import member
from bench.metrics import METRICS
from bench.registry import LoadedMethod, load_method, load_suite
from bench.run.environment import one_thread
from bench.scm.base import SCM, Do

ROWS = 120
CLOSE = 0.05  # error allowed to change when a trained network meets the same data otherwise
EXACT = 1e-6
UNITS = 2.0 ** np.array([10, -10, 3, 0, -7])  # powers of two: exact in floating point
SHIFTS = np.array([50.0, 100.0, -30.0, 0.0, 7.0])
CLAMP = 1.5  # the value given to node a where answers are compared


class LawBroken(AssertionError):
    """A method breaks a law; the message says how."""


@dataclass(frozen=True)
class Bench:
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
        """Rows to fit."""
        return self.rows.iloc[:ROWS].copy()

    @property
    def query(self) -> pd.DataFrame:
        """Rows to answer."""
        return self.rows.iloc[ROWS:].copy()

    @cached_property
    def estimate(self) -> SCM:
        """The method fitted to the context."""
        return self.method.fit(self.context, self.graph, seed=0)

    @cached_property
    def truth(self) -> pd.DataFrame:
        """The query rows had a been CLAMP, by algebra."""
        x = self.query
        c = x["c"] + 1.5 * (CLAMP - x["a"])
        d = x["d"] + 3 * (np.tanh(c / 3) - np.tanh(x["c"] / 3))
        return x.assign(a=CLAMP, c=c, d=d)

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


def keeps_shape_and_index(bench: Bench) -> None:
    """Answers have the context's columns and the input's index, and are finite."""
    for verb in (bench.estimate.noise, bench.estimate.generate):
        answer = verb(bench.query)
        _require(isinstance(answer, pd.DataFrame), f"{verb.__name__} answered no DataFrame")
        _require(list(answer.columns) == list(bench.rows.columns), "columns are not the context's")
        _require(answer.index.equals(bench.query.index), "the index is not the input's")
        _require(bool(np.isfinite(answer.to_numpy(dtype=float)).all()), "an answer is not finite")
    for scm in (bench.estimate, pickle.loads(pickle.dumps(bench.estimate))):
        sampled = scm.sample(7, do={"a": 0.5}, seed=3)
        _require(sampled.shape == (7, 5), f"sample(7) has shape {sampled.shape}")


def leaves_input_alone(bench: Bench) -> None:
    """Neither the table, the graph nor global random state changes."""
    df, graph, query = bench.context, bench.graph.copy(), bench.query
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    fitted = bench.method.inner.fit(df, graph, seed=0)
    fitted.noise(query)
    fitted.generate(query, do={"a": 1.0})
    same = np.array_equal(before[0], np.random.get_state()[1])
    _require(same and torch.equal(before[1], torch.get_rng_state()), "global random state changed")
    _require(df.equals(bench.context) and query.equals(bench.query), "the input table changed")
    _require(nx.utils.graphs_equal(graph, bench.graph), "the input graph changed")


def repeats_with_its_seed(bench: Bench) -> None:
    """The same seed gives the same bytes."""
    again = bench.method.fit(bench.context, bench.graph, seed=0)
    same = again.generate(bench.query).equals(bench.estimate.generate(bench.query))
    _require(same, "two fits with one seed differ")
    draws = [bench.estimate.sample(5, seed=1) for _ in range(2)]
    _require(draws[0].equals(draws[1]), "two samples with one seed differ")


def scales_with_columns(bench: Bench) -> None:
    """Columns in other units give the same answers in those units."""
    fitted = bench.method.fit(bench.context * UNITS, bench.graph, seed=0)
    answer = fitted.counterfactual(bench.query * UNITS, {"a": float(CLAMP * UNITS[0])})
    _same_answers(bench, answer / UNITS, "other units change the answers")


def shifts_with_columns(bench: Bench) -> None:
    """Columns with another origin give the same answers from that origin."""
    fitted = bench.method.fit(bench.context + SHIFTS, bench.graph, seed=0)
    answer = fitted.counterfactual(bench.query + SHIFTS, {"a": float(CLAMP + SHIFTS[0])})
    _same_answers(bench, answer - SHIFTS, "another origin changes the answers")


def ignores_column_order(bench: Bench) -> None:
    """Columns and nodes in another order give the same answers."""
    columns = ["d", "b", "e", "a", "c"]
    graph = nx.DiGraph()
    graph.add_nodes_from(columns)
    graph.add_edges_from(reversed(list(bench.graph.edges)))
    fitted = bench.method.fit(bench.context[columns], graph, seed=0)
    answer = fitted.counterfactual(bench.query[columns], {"a": CLAMP})
    _same_answers(bench, answer[list(bench.rows)], "another column order changes the answers")


def orients_the_collider(bench: Bench) -> None:
    """On a -> c <- b, do(a) moves c and do(c) moves neither a nor b."""
    base = bench.estimate.counterfactual(bench.query, {"a": 0.0})
    moved = bench.estimate.counterfactual(bench.query, {"a": 3.0})
    shift = float((moved["c"] - base["c"]).mean())
    if bench.learns:
        _require(shift > 1.0, f"do(a) + 3 moves c by {shift:.2f}, not by about 4.5")
    low = bench.estimate.counterfactual(bench.query, {"c": -5.0})
    high = bench.estimate.counterfactual(bench.query, {"c": 5.0})
    _require(low[["a", "b"]].equals(high[["a", "b"]]), "do(c) moves a parent of c")


def ignores_non_parents(bench: Bench) -> None:
    """F of a node does not change with nodes that are not its parents, nor with itself."""
    if not (bench.additive and bench.abducts):
        return
    parents = {node: set(bench.graph.predecessors(node)) for node in bench.rows}
    base = bench.query - bench.estimate.noise(bench.query)
    for node in bench.rows:
        changed = bench.query
        changed[node] += 2.5
        f = changed - bench.estimate.noise(changed)
        for child in (c for c in bench.rows if node not in parents[c]):
            gap = float((f[child] - base[child]).abs().max()) / float(bench.rows[child].std())
            _require(gap < EXACT, f"F of {child} reads {node}, which is no parent of it")


def clamps_and_spares_the_rest(bench: Bench) -> None:
    """do fixes its node; whatever does not descend from it stays, to the byte."""
    u = bench.estimate.noise(bench.query)
    free, done = bench.estimate.generate(u), bench.estimate.generate(u, do={"c": 1.25})
    _require(bool((done["c"] == 1.25).all()), "do does not fix its node")
    rest = ["a", "b", "e"]
    _require(done[rest].equals(free[rest]), "do(c) changes a node that does not descend from c")
    _refuses(lambda: bench.estimate.generate(u, do={"nobody": 1.0}), "do on an unknown column")


def generates_what_it_abducts(bench: Bench) -> None:
    """generate(noise(x)) is x, unless the noise is smoothed by design."""
    if not bench.abducts:
        return
    back = bench.estimate.generate(bench.estimate.noise(bench.query))
    gap = float(((back - bench.query) / bench.rows.std()).abs().to_numpy().max())
    limit = 1e-4 if not bench.additive else EXACT
    _require(gap < limit, f"generate(noise(x)) misses x by {gap:.1e} standard deviations")


def answers_rows_one_by_one(bench: Bench) -> None:
    """A row alone gets the answer that it gets among others."""
    together = bench.estimate.generate(bench.query)
    alone = bench.estimate.generate(bench.query.iloc[3:4])
    gap = float(((together.iloc[3:4] - alone) / bench.rows.std()).abs().to_numpy().max())
    _require(gap < 1e-5, f"a row alone differs by {gap:.1e} standard deviations")


def pickles(bench: Bench) -> None:
    """An estimate survives a round trip through pickle."""
    restored = pickle.loads(pickle.dumps(bench.estimate))
    same = restored.generate(bench.query).equals(bench.estimate.generate(bench.query))
    _require(same, "the answers of an unpickled estimate differ")


def fits_without_edges(bench: Bench) -> None:
    """A graph without edges, and a column that is constant by chance, are no error."""
    empty = nx.create_empty_copy(bench.graph)
    noise = bench.method.fit(bench.context, empty, seed=0).generate(bench.query)
    _require(bool(np.isfinite(noise.to_numpy()).all()), "no edges: an answer is not finite")
    constant = bench.context
    constant["a"], constant["d"] = 2.0, -1.0
    answer = bench.method.fit(constant, bench.graph, seed=0).generate(bench.query * 0)
    _require(bool(np.isfinite(answer.to_numpy()).all()), "a constant column: not finite")


def refuses_bad_input(bench: Bench) -> None:
    """NaN, an edge to an unknown column and a cycle are ValueErrors."""
    holed = bench.context
    holed.iloc[4, 1] = np.nan
    cycle = bench.graph.copy()
    cycle.add_edge("d", "a")
    stranger = bench.graph.copy()
    stranger.add_edge("d", "nobody")
    _refuses(lambda: bench.method.fit(holed, bench.graph), "NaN")
    _refuses(lambda: bench.method.fit(bench.context, cycle), "a cycle")
    _refuses(lambda: bench.method.fit(bench.context, stranger), "an edge to an unknown column")


def beats_the_marginal(bench: Bench) -> None:
    """On linear SCMs the mean counterfactual error is below that of ignoring the graph."""
    if not bench.learns:
        return
    errors = [[], []]
    for task in load_suite("lorch", "smoke", scenario="LIN_IN", n_context=100):
        problem = task.problem()
        if bench.method.skip(problem.data):
            return
        fitted = bench.method.fit(problem.context, problem.graph, seed=0)
        for kept, estimate in zip(errors, (fitted, Unmoved()), strict=True):
            kept.append(METRICS["counterfactual"].value(problem, estimate))
    ours, theirs = map(np.mean, errors)
    _require(ours < theirs, f"counterfactual error {ours:.3f}; without a graph it is {theirs:.3f}")


class Unmoved:
    """Clamps nodes and moves no other, as who ignores the graph."""

    def counterfactual(self, df: pd.DataFrame, do: Do) -> pd.DataFrame:
        """The rows, nodes clamped."""
        return df.assign(**do)


LAWS: dict[str, Callable[[Bench], None]] = {
    law.__name__.replace("_", " "): law
    for law in (
        keeps_shape_and_index,
        leaves_input_alone,
        repeats_with_its_seed,
        scales_with_columns,
        shifts_with_columns,
        ignores_column_order,
        orients_the_collider,
        ignores_non_parents,
        clamps_and_spares_the_rest,
        generates_what_it_abducts,
        answers_rows_one_by_one,
        pickles,
        fits_without_edges,
        refuses_bad_input,
        beats_the_marginal,
    )
}


def check(name: str) -> Iterable[tuple[str, str]]:
    """Tries every law on a method and yields (law, what is broken or "").

    Raises:
        ValueError: unknown method, or a control that needs the truth.
    """
    method = load_method(name)
    if method.sees_problem:
        raise ValueError(f"{name} needs the true SCM; the laws are for methods that see data only")
    bench = Bench(method)
    for law, keeps in LAWS.items():
        with one_thread():
            yield law, _broken(keeps, bench)


def _broken(law: Callable[[Bench], None], bench: Bench) -> str:
    try:
        law(bench)
    except LawBroken as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise LawBroken(otherwise)


def _refuses(action: Callable[[], object], what: str) -> None:
    try:
        action()
    except ValueError:
        return
    raise LawBroken(f"{what} raises no ValueError")


def _same_answers(bench: Bench, answer: pd.DataFrame, otherwise: str) -> None:
    """Equal answers, or, for a trained network, an equal error."""
    before = bench.estimate.counterfactual(bench.query, {"a": CLAMP})
    if _gap(bench, answer, before) < EXACT:
        return
    old, new = _gap(bench, before, bench.truth), _gap(bench, answer, bench.truth)
    _require(abs(new - old) < CLOSE * old, f"{otherwise}: error {old:.3f} becomes {new:.3f}")


def _gap(bench: Bench, one: pd.DataFrame, other: pd.DataFrame) -> float:
    """Root mean square difference in standard deviations."""
    difference = (one.to_numpy() - other.to_numpy()) / bench.rows.std().to_numpy()
    return float(np.sqrt(np.square(difference).mean()))
