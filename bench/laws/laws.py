"""The laws every method keeps; each raises `LawBroken` with what is broken."""

import pickle
import random
from collections.abc import Callable

import networkx as nx
import numpy as np
import pandas as pd
import torch

from bench.laws.trial import CLAMP, EXACT, Trial, on_steps, refuses, require, same_answers
from bench.laws.typed import keeps_types_or_says_that_it_cannot, names_the_hole_of_a_query
from bench.method import member
from bench.metrics import METRICS
from bench.registry import load_suite
from bench.scm.base import SCM
from bench.scm.do import Do, Scale, Shift

UNITS = 2.0 ** np.array([10, -10, 3, 0, -7])  # powers of two: exact in floating point
SHIFTS = np.array([50.0, 100.0, -30.0, 0.0, 7.0])
STEPS = 0.1  # share of rounded rows that may lie on a step of F


def keeps_shape_and_index(trial: Trial) -> None:
    """Answers have the context's columns and the input's index, and are finite."""
    for verb in (trial.estimate.noise, trial.estimate.generate):
        answer = verb(trial.query)
        require(isinstance(answer, pd.DataFrame), f"{verb.__name__} answered no DataFrame")
        require(list(answer.columns) == list(trial.rows.columns), "columns are not the context's")
        require(answer.index.equals(trial.query.index), "the index is not the input's")
        require(bool(np.isfinite(answer.to_numpy(dtype=float)).all()), "an answer is not finite")
    for scm in (trial.estimate, pickle.loads(pickle.dumps(trial.estimate))):
        sampled = scm.sample(7, do={"a": 0.5}, seed=3)
        require(sampled.shape == (7, 5), f"sample(7) has shape {sampled.shape}")
        require(bool((sampled["a"] == 0.5).all()), "sample does not set what do() names")


def leaves_input_alone(trial: Trial) -> None:
    """Neither the table, the graph nor global random state changes."""
    df, graph, query = trial.context, trial.graph.copy(), trial.query
    before = _random_state()
    fitted = trial.method.inner.fit(df, graph, seed=0)
    fitted.noise(query)
    fitted.generate(query, do={"a": 1.0})
    require(before == _random_state(), "global random state changed")
    require(df.equals(trial.context) and query.equals(trial.query), "the input table changed")
    require(nx.utils.graphs_equal(graph, trial.graph), "the input graph changed")


def _random_state() -> list[float]:
    """Of Python, of numpy and of torch."""
    numbers = np.random.get_state(legacy=False)["state"]["key"]
    return [*random.getstate()[1], *numbers, *torch.get_rng_state().tolist()]


def repeats_with_its_seed(trial: Trial) -> None:
    """The same seed gives the same bytes."""
    again = trial.method.fit(trial.context, trial.graph, seed=0)
    same = again.generate(trial.query).equals(trial.estimate.generate(trial.query))
    require(same, "two fits with one seed differ")
    draws = [trial.estimate.sample(5, seed=1) for _ in range(2)]
    require(draws[0].equals(draws[1]), "two samples with one seed differ")


def scales_with_columns(trial: Trial) -> None:
    """Columns in other units give the same answers in those units."""
    fitted = trial.method.fit(trial.context * UNITS, trial.graph, seed=0)
    answer = fitted.counterfactual(trial.query * UNITS, {"a": float(CLAMP * UNITS[0])})
    same_answers(trial, answer / UNITS, "other units change the answers")


def shifts_with_columns(trial: Trial) -> None:
    """Columns with another origin give the same answers from that origin."""
    fitted = trial.method.fit(trial.context + SHIFTS, trial.graph, seed=0)
    answer = fitted.counterfactual(trial.query + SHIFTS, {"a": float(CLAMP + SHIFTS[0])})
    same_answers(trial, answer - SHIFTS, "another origin changes the answers")


def ignores_column_order(trial: Trial) -> None:
    """Columns and nodes in another order give the same answers."""
    columns = ["d", "b", "e", "a", "c"]
    graph = nx.DiGraph()
    graph.add_nodes_from(columns)
    graph.add_edges_from(reversed(list(trial.graph.edges)))
    fitted = trial.method.fit(trial.context[columns], graph, seed=0)
    answer = fitted.counterfactual(trial.query[columns], {"a": CLAMP})
    same_answers(trial, answer[list(trial.rows)], "another column order changes the answers")


def orients_the_collider(trial: Trial) -> None:
    """On a -> c <- b, do(a) moves c and do(c) moves neither a nor b."""
    base = trial.estimate.counterfactual(trial.query, {"a": 0.0})
    moved = trial.estimate.counterfactual(trial.query, {"a": 3.0})
    shift = float((moved["c"] - base["c"]).mean())
    if trial.learns:
        require(3.0 < shift < 6.0, f"do(a) + 3 moves c by {shift:.2f}, not by about 4.5")
    low = trial.estimate.counterfactual(trial.query, {"c": -5.0})
    high = trial.estimate.counterfactual(trial.query, {"c": 5.0})
    require(low[["a", "b"]].equals(high[["a", "b"]]), "do(c) moves a parent of c")


def ignores_non_parents(trial: Trial) -> None:
    """F of a node does not change with nodes that are not its parents, nor with itself."""
    if not (trial.additive and trial.abducts):
        return
    parents = {node: set(trial.graph.predecessors(node)) for node in trial.rows}
    base = trial.query - trial.estimate.noise(trial.query)
    for node in trial.rows:
        changed = trial.query
        changed[node] += 2.5
        f = changed - trial.estimate.noise(changed)
        for child in (c for c in trial.rows if node not in parents[c]):
            gap = float((f[child] - base[child]).abs().max()) / float(trial.rows[child].std())
            require(gap < EXACT, f"F of {child} reads {node}, which is no parent of it")


def clamps_and_spares_the_rest(trial: Trial) -> None:
    """do fixes its node; whatever does not descend from it stays, to the byte."""
    u = trial.estimate.noise(trial.query)
    free, done = trial.estimate.generate(u), trial.estimate.generate(u, do={"c": 1.25})
    require(bool((done["c"] == 1.25).all()), "do does not fix its node")
    rest = ["a", "b", "e"]
    require(done[rest].equals(free[rest]), "do(c) changes a node that does not descend from c")
    refuses(lambda: trial.estimate.generate(u, do={"nobody": 1.0}), "do on an unknown column")


def answers_every_kind_of_do(trial: Trial) -> None:
    """A number a row, a change, and several nodes at once are answered as numbers are."""
    rows, ask = trial.query, trial.estimate.counterfactual
    both = ask(rows, {"a": CLAMP, "c": 0.5})
    clamped = bool((both["a"] == CLAMP).all() and (both["c"] == 0.5).all())
    require(clamped, "do of two nodes does not fix both")
    _near(trial, both[["d"]], ask(rows, {"c": 0.5})[["d"]], "do(a) goes past do(c) to d")
    plain = ask(rows, {"a": CLAMP})
    _near(trial, ask(rows, {"a": np.full(len(rows), CLAMP)}), plain, "one number a row")
    if trial.abducts:  # a change reads the value that its node has
        natural = rows["a"].to_numpy()
        for change, values in (
            (Shift(2.0), natural + 2),
            (Scale(0.5), natural / 2),
            (np.tanh, np.tanh(natural)),
        ):
            _near(trial, ask(rows, {"a": change}), ask(rows, {"a": values}), f"do(a = {change})")


def _near(trial: Trial, answer: pd.DataFrame, other: pd.DataFrame, what: str) -> None:
    gap = float(((answer - other) / trial.rows.std()[answer.columns]).abs().to_numpy().max())
    require(gap < trial.exact, f"{what}: off by {gap:.1e} standard deviations")


def generates_what_it_abducts(trial: Trial) -> None:
    """generate(noise(x)) is x: on fresh rows, on fitted ones, five deep, rounded or not.

    Of rounded rows a few may stand on a step of F and fall to its other side, their parents coming
    back a digit off. No other row may miss.
    """
    if not trial.abducts:
        return
    rounded = trial.chain.round(1)
    chain = trial.method.fit(rounded, nx.path_graph(list(rounded), nx.DiGraph), seed=0)
    for estimate, rows, steps in (
        (trial.estimate, trial.query, 0.0),
        (trial.estimate, trial.context, 0.0),
        (trial.estimate, trial.context.round(1), STEPS),
        (chain, rounded, STEPS),
        (chain, trial.chain, 0.0),
    ):
        back = estimate.generate(estimate.noise(rows))
        gaps = ((back - rows) / rows.std()).abs().max(axis=1)
        missed = gaps >= trial.exact
        few = missed.mean() <= steps and (not missed.any() or on_steps(estimate, rows[missed]))
        words = f"{missed.sum()} of {len(rows)} rows by up to {gaps.max():.1e} standard deviations"
        require(few, f"generate(noise(x)) misses x in {words}")


def surrounds_what_it_predicts(trial: Trial) -> None:
    """Intervals, where it has any, are finite, widen with their level and hold most rows."""
    intervals = member(trial.estimate, "intervals")
    if intervals is None:
        return
    rows = trial.query
    (low, high), (lower, higher) = (intervals(rows, level) for level in (0.5, 0.9))
    for end in (low, high, lower, higher):
        same = list(end.columns) == list(rows) and end.index.equals(rows.index)
        require(same and bool(np.isfinite(end).all(axis=None)), "ends are no table of finite rows")
    nested = ((lower <= low) & (low <= high) & (high <= higher)).all(axis=None)
    require(bool(nested), "the interval of 50 % does not lie in that of 90 %")
    held = float(((lower <= rows) & (rows <= higher)).mean(axis=None))
    require(held > 0.8, f"intervals of 90 % hold {held:.0%} of fresh rows")


def leaves_rows_that_nothing_moves(trial: Trial) -> None:
    """Rows had a node been what it was are the rows, unless the noise is smoothed by design."""
    if not trial.abducts:
        return
    for rows in (trial.query.iloc[[k]] for k in range(5)):
        same = trial.estimate.counterfactual(rows, {"a": float(rows["a"].iloc[0])})
        gap = float(((same - rows) / trial.rows.std()).abs().to_numpy().max())
        require(
            gap < trial.exact, f"a row that nothing moves changes by {gap:.1e} standard deviations"
        )


def answers_rows_one_by_one(trial: Trial) -> None:
    """A row alone gets the answer that it gets among others."""
    together = trial.estimate.generate(trial.query)
    alone = trial.estimate.generate(trial.query.iloc[3:4])
    gap = float(((together.iloc[3:4] - alone) / trial.rows.std()).abs().to_numpy().max())
    require(gap < 1e-5, f"a row alone differs by {gap:.1e} standard deviations")


def pickles(trial: Trial) -> None:
    """An estimate survives a round trip through pickle."""
    restored = pickle.loads(pickle.dumps(trial.estimate))
    same = restored.generate(trial.query).equals(trial.estimate.generate(trial.query))
    require(same, "the answers of an unpickled estimate differ")


def fits_without_edges(trial: Trial) -> None:
    """A graph without edges, and a column that is constant by chance, are no error."""
    empty = nx.create_empty_copy(trial.graph)
    noise = trial.method.fit(trial.context, empty, seed=0).generate(trial.query)
    require(bool(np.isfinite(noise.to_numpy()).all()), "no edges: an answer is not finite")
    constant = trial.context
    constant["a"], constant["d"] = 2.0, -1.0
    answer = trial.method.fit(constant, trial.graph, seed=0).generate(trial.query * 0)
    require(bool(np.isfinite(answer.to_numpy()).all()), "a constant column: not finite")


def refuses_bad_input(trial: Trial) -> None:
    """NaN, an edge to an unknown column and a cycle are ValueErrors, also from the class itself."""
    holed = trial.context
    holed.iloc[4, 1] = np.nan
    cycle = trial.graph.copy()
    cycle.add_edge("d", "a")
    stranger = trial.graph.copy()
    stranger.add_edge("d", "nobody")
    refuses(lambda: trial.method.inner.fit(holed, trial.graph), "NaN")
    refuses(lambda: trial.method.inner.fit(trial.context, cycle), "a cycle")
    refuses(lambda: trial.method.inner.fit(trial.context, stranger), "an edge to an unknown column")


def beats_the_marginal(trial: Trial) -> None:
    """On linear SCMs the mean counterfactual error is below that of ignoring the graph."""
    if not trial.learns:
        return
    errors: tuple[list[float], list[float]] = ([], [])
    for task in load_suite("lorch", "smoke", scenario="LIN_IN", n_context=100):
        problem = task.problem()
        if trial.method.skip(problem.data):
            return
        fitted = trial.method.fit(problem.context, problem.graph, seed=0)
        for kept, estimate in zip(errors, (fitted, Unmoved(problem.data.names)), strict=True):
            kept.append(METRICS["counterfactual"].value(problem, estimate))
    ours, theirs = map(np.mean, errors)
    require(ours < theirs, f"counterfactual error {ours:.3f}; without a graph it is {theirs:.3f}")


class Unmoved(SCM):
    """Clamps nodes and moves no other, as who ignores the graph."""

    def counterfactual(self, df: pd.DataFrame, do: Do) -> pd.DataFrame:
        """The rows as they are but for the nodes that do() sets."""
        answer = df.copy()
        for name, value in do.items():
            answer[name] = value
        return answer


LAWS: dict[str, Callable[[Trial], None]] = {
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
        answers_every_kind_of_do,
        generates_what_it_abducts,
        leaves_rows_that_nothing_moves,
        surrounds_what_it_predicts,
        answers_rows_one_by_one,
        pickles,
        fits_without_edges,
        refuses_bad_input,
        names_the_hole_of_a_query,
        keeps_types_or_says_that_it_cannot,
        beats_the_marginal,
    )
}
