"""Checks of a table by known answers, and their level and power on systems with known faults."""

import re

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from bench.analysis.answers import Answered
from bench.analysis.trust import check_all, failed, read_trust, trust_lines
from bench.analysis.trust.asked import check_answers
from bench.analysis.trust.check import FAILS, UNTESTABLE, Check, judge
from bench.analysis.trust.fit import (
    check_constant,
    check_coverage,
    check_explained,
    check_noise,
    check_rows,
    check_support,
)
from bench.analysis.trust.graph import check_directions, check_graph, covered, implied
from bench.analysis.trust.independence import (
    Kernel,
    covariance,
    growth,
    hsic,
    smooth_residuals,
)
from bench.cli.parser import main
from bench.suites.held import Held
from bench.task import Dataset
from tests.analysis.trust.systems import FORK, confounded, doubled, faults, looked_at, table


def dataset(rows, edges=()):
    return Dataset.of(pd.DataFrame(rows, columns=list("abcdefg")[: rows.shape[1]]), edges)


def test_tests_are_corrected_within_a_kind_and_for_the_kinds():
    checks = [Check("a", "1", "", p=0.01), Check("a", "2", "", p=0.5), Check("b", "1", "", p=0.02)]
    judged = judge([*checks, Check("rows", "1", "", 3.0)])
    assert [c.p for c in judged[:3]] == pytest.approx([0.04, 1.0, 0.04])
    assert [c.result == FAILS for c in judged] == [True, False, True, False]
    judged = judge([*checks, Check("size of noise", "1", "", p=0.03)])
    assert [c.p for c in judged] == pytest.approx([0.1, 1.0, 0.1, 0.05])


def test_the_kernel_test_sees_dependence_without_correlation_and_keeps_its_level():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(200)
    assert hsic(Kernel(x), Kernel(x**2 + 0.3 * rng.standard_normal(200))) < 1e-4
    assert hsic(Kernel(x), Kernel(np.zeros(200))) == 1.0
    p = [hsic(*map(Kernel, rng.standard_normal((2, 100)))) for _ in range(200)]
    assert 0.01 <= np.mean(np.array(p) < 0.05) <= 0.09
    assert 0.3 <= np.mean(np.array(p) < 0.5) <= 0.6


def test_what_a_regression_leaves_is_the_noise():
    rng = np.random.default_rng(0)
    x, u = rng.standard_normal((300, 2)), rng.standard_normal((300, 2))
    y = np.column_stack([np.sin(2 * x[:, 0]) * x[:, 1], x[:, 0]]) + 0.3 * u
    left = smooth_residuals(x, y)
    assert np.square(left - 0.3 * u).mean(0) == pytest.approx([0, 0], abs=0.04)
    alone = smooth_residuals(x[:, :0], y)
    assert alone[0] == pytest.approx(y[0] - y[1:].mean(0))


@pytest.mark.parametrize("heavy", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_noise_that_grows_is_seen_by_ranks_and_few_rows_decide_nothing(heavy):
    rng = np.random.default_rng(0)
    even, grown = [], []
    for _ in range(300):
        x, u = rng.standard_normal((2, 400))
        x, u = (np.exp(2 * x), np.exp(u)) if heavy else (x, u)
        even.append(growth(u, x))
        grown.append(growth(u * (1 + (x - x.min()) / np.ptp(x)), x))
    assert 0.02 <= np.mean(np.array(even) < 0.05) <= 0.08
    if not heavy:  # at best 88 % at 5 %: twice the number of rows times the variance of log sizes
        assert np.mean(np.array(grown) < 0.05) >= 0.8


def test_covariance_of_what_is_left_and_growth_are_tests_of_a_mean():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 500))
    assert covariance(a, a + b) < 1e-6
    assert covariance(a, np.zeros(500)) == 1.0
    p = [covariance(*rng.standard_normal((2, 100))) for _ in range(400)]
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.09
    assert growth(b * (2 + a.clip(-1)), a) < 1e-3
    assert growth(np.zeros(500), a) == 1.0


def test_what_both_halves_miss_of_each_other_is_not_taken_for_noise_that_grows():
    rng = np.random.default_rng(0)
    plain, told = [], []
    for _ in range(500):
        x, u = rng.uniform(-1.5, 1.5, 200), rng.standard_normal(200)
        near = np.exp(-32 * (x - x[:, None]) ** 2)
        near[:100, :100] = near[100:, 100:] = 0  # a half is fitted by the other one
        missed = near @ u / near.sum(1)
        share = missed.var() / (1 + missed.var())
        plain.append(growth(u - missed, x))
        told.append(growth(u - missed, x, share))
    assert np.mean(np.array(told) < 0.05) < np.mean(np.array(plain) < 0.05) - 0.01
    assert np.mean(np.array(told) < 0.05) <= 0.075


@pytest.mark.parametrize("seed", range(5))
def test_what_parents_separate_is_what_d_separation_says(seed):
    rng = np.random.default_rng(seed)
    adjacency = np.triu(rng.random((7, 7)) < 0.35, 1)
    p = rng.permutation(7)
    adjacency = adjacency[np.ix_(p, p)]
    graph = nx.from_numpy_array(adjacency, create_using=nx.DiGraph)
    separated = getattr(nx, "is_d_separator", None) or nx.d_separated
    told = [(j, i) for j, others in implied(adjacency) for i in others]
    for j, i in told:
        assert separated(graph, {j}, {i}, set(graph.predecessors(j)))
    apart = {frozenset(pair) for pair in told}
    joined = {frozenset(edge) for edge in graph.edges}
    assert len(told) == len(apart)
    assert len(apart) + len(joined) == 21
    assert not apart & joined


def test_edges_that_may_be_turned_are_those_with_shared_parents():
    chain = np.eye(3, k=1, dtype=bool)
    assert covered(chain) == [(0, 1)]
    collider = np.zeros((3, 3), dtype=bool)
    collider[[0, 1], 2] = True
    assert covered(collider) == []


def test_rows_coverage_constants_and_support_are_counted():
    rows = np.column_stack([np.arange(40.0), np.ones(40), np.arange(40.0) ** 2])
    rows[30:, 1] = 2
    data = dataset(rows, [("a", "c"), ("b", "c")])
    (few,) = check_rows(data, 18)
    assert (few.of, few.value, few.result) == ("c", 9, FAILS)
    assert [c.of for c in check_constant(data, np.arange(20))] == ["b"]
    assert check_constant(data, np.arange(40)) == []
    (beyond,) = check_support(data, (np.arange(20), np.arange(20, 40)))
    assert (beyond.value, beyond.result) == (1.0, FAILS)
    place = np.tile(np.linspace(0, 1, 40)[:, None], (1, 3))
    place[:20, 1] = 0
    found = check_coverage(data, Held(np.arange(40), place, place, place, 0 * place))
    assert [c.result == FAILS for c in found] == [False, True, False]
    assert found[0].value == pytest.approx(0.9)


def test_rows_where_the_fit_knows_little_do_not_tell_the_size_of_noise():
    rng = np.random.default_rng(0)
    x, u = rng.standard_normal((2, 400))
    far = np.abs(x) > 1.5
    data = dataset(np.column_stack([x, x + u * (1 + 4 * far)]), [("a", "b")])
    noise = np.column_stack([x, u * (1 + 4 * far)])

    def size(doubt):
        doubts = np.column_stack([0 * x, doubt])
        held = Held(np.arange(400), noise, noise, norm.cdf(noise / 10), doubts)
        (check,) = (c for c in check_noise(data, held) if c.kind == "size of noise")
        return check

    small = np.abs(x) <= 1.5
    assert size(0 * x).p == pytest.approx(growth(noise[:, 1], x))
    assert size(2.0 * far).p == pytest.approx(growth(noise[small, 1], x[small]))
    assert size(np.full(400, 0.1)).p > size(0 * x).p
    assert size(np.ones(400)).result == UNTESTABLE
    assert "in 100% of the rows" in size(np.ones(400)).says


def test_what_is_explained_stands_beside_the_mean_and_least_squares():
    rng = np.random.default_rng(0)
    x, u = rng.standard_normal((2, 200))
    rows, halves = np.column_stack([x, 2 * x + u]), (np.arange(100), np.arange(100, 200))
    data = dataset(rows, [("a", "b")])
    order = np.arange(200)
    good, mean = np.column_stack([x, u]), rows
    (right,) = check_explained(data, Held(order, good, good, good, 0 * good), halves)
    assert right.value == pytest.approx(0.8, abs=0.06)
    assert "(least squares 7" in right.says
    (wrong,) = check_explained(data, Held(order, mean, 2 * mean, mean, 0 * mean), halves)
    assert "WORSE than the mean and least squares" in wrong.says
    assert wrong.result == FAILS


def test_a_value_that_hardly_any_row_has_is_outside():
    x = np.random.default_rng(0).standard_normal(400)
    data = dataset(np.column_stack([x, x]), [("a", "b")])
    near = Answered("do", "a=1", values={"a": (1.0, 1.0)})
    far = Answered("do", "a=3", values={"a": (3.0, 3.0)})
    rows = {
        "do(a=1)": pd.DataFrame({"a": np.ones(400), "b": np.r_[np.zeros(300), 5 * np.ones(100)]})
    }
    kinds = [(c.of, c.result == FAILS) for c in check_answers([near, far], data, rows)]
    assert kinds == [("do(a=1)", False), ("do(a=1)", True), ("do(a=3)", True)]


def test_what_no_table_tells_is_said_to_be_so():
    rng = np.random.default_rng(1)
    x = rng.standard_normal(400)
    df = pd.DataFrame({"x": x, "y": x + rng.standard_normal(400)})
    for edges in ([("x", "y")], [("y", "x")]):
        checks = check_all(*looked_at(df, edges))
        open_ones = {c.kind: c.says for c in checks if c.result == UNTESTABLE}
        assert set(open_ones) == {"independences", "direction", "hidden cause"}
        assert all(says.startswith("not testable from this table: ") for says in open_ones.values())
        assert "no check speaks against" in trust_lines(checks, "linear")[0]
    bent = pd.DataFrame({"x": x, "y": x + np.sin(2 * x) + 0.3 * rng.standard_normal(400)})
    data = Dataset.of(bent, [("x", "y")])
    assert [c.result for c in check_directions(data)] == ["ok"]


def test_a_v_structure_that_is_turned_is_seen_in_the_independences():
    df = table(np.random.default_rng(0), FORK, waved=False, noise=1)
    assert not failed(judge(check_graph(Dataset.of(df, FORK))))
    wrong = Dataset.of(df, [("x", "z"), ("z", "y"), ("z", "w")])
    assert [c.of for c in failed(judge(check_graph(wrong)))] == ["y, x"]
    share = check_graph(Dataset.of(df, FORK))[-1]
    assert re.search(r"of permuted graphs \d+ %, (8|9|10)\d", share.says)


def test_categories_and_counts_are_checked_without_false_alarm():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(400)
    sky = pd.Categorical(np.where(x + rng.logistic(size=400) > 0, "grey", "blue"))
    df = pd.DataFrame({"x": x, "sky": sky, "n": rng.poisson(5, 400)})
    df["y"] = x + (sky == "grey") + rng.standard_normal(400)
    edges = [("x", "sky"), ("x", "y"), ("sky", "y")]
    assert faults(df, edges) == set()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trust")
    table(np.random.default_rng(0), FORK, 120, waved=False).to_csv(folder / "t.csv", index=False)
    words = ["run", "--data", str(folder / "t.csv"), "--graph", "dag {x -> z <- y z -> w}"]
    words += ["--methods", "linear", "--jobs", "1", "--quiet", "--out", str(folder / "out")]
    return folder / "out", words


@pytest.mark.slow
def test_strict_ends_with_3_where_a_check_fails(run, capsys):
    folder, words = run
    assert main([*words, "--strict", "--do", "x=0.5"]) == 0
    assert "no check speaks against the answers of linear" in capsys.readouterr().out
    assert main([*words, "--do", "x=50"]) == 0
    assert main([*words, "--strict", "--do", "x=50"]) == 3
    told = capsys.readouterr()
    assert "### trust" in told.out
    assert "trust: do(x=50): answer: 0 % of rows have x as far out" in told.err
    written = pd.read_csv(folder / "trust.csv")
    assert {"rows", "explained", "coverage", "noise and noise", "answer"} <= set(written["kind"])
    checks, method = read_trust(folder, written["task"][0])
    assert (len(checks), method) == (len(written), "linear")
    assert 'id="trust"' in (folder / "report.html").read_text()


FAULTS = {
    "size of noise": lambda rng: (doubled(rng), [("x", "y")], "linear"),
    "size of noise, normal parent": lambda rng: (doubled(rng, normal=True), [("x", "y")], "linear"),
    "hidden cause": lambda rng: (confounded(rng), [("x", "a"), ("y", "b")], "linear"),
    "v-structure": lambda rng: (
        table(rng, FORK, waved=False, noise=1),
        [("x", "z"), ("z", "y"), ("z", "w")],
        "linear",
    ),
    "reversed": lambda rng: (table(rng, FORK), [("x", "z"), ("y", "z"), ("w", "z")], "gp"),
}
RIGHT = {
    "linear": lambda rng: (table(rng, FORK, waved=False, noise=1), FORK, "linear"),
    "waves": lambda rng: (table(rng, FORK), FORK, "gp"),
}


def share_failing(system, count):
    return np.mean([bool(faults(*system(np.random.default_rng([1, k])))) for k in range(count)])


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["size of noise", "hidden cause", "v-structure"])
def test_a_fault_is_seen_in_most_tables(fault):
    assert share_failing(FAULTS[fault], 10) >= 0.8


@pytest.mark.slow
def test_a_right_model_seldom_fails():
    assert share_failing(RIGHT["linear"], 10) <= 0.2


def said(name, share, capsys):
    with capsys.disabled():
        print(f"\n{name}: a check fails in {share:.1%} of 200 tables")


@pytest.mark.soak
@pytest.mark.parametrize("fault", FAULTS)
def test_power(fault, capsys):
    share = share_failing(FAULTS[fault], 200)
    said(fault, share, capsys)
    assert share >= 0.8


@pytest.mark.soak
@pytest.mark.parametrize("system", RIGHT)
def test_level(system, capsys):
    share = share_failing(RIGHT[system], 200)
    said(f"a right model, {system}", share, capsys)
    assert share <= 0.07
