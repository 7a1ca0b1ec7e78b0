"""What each violation does, by algebra; what it leaves alone."""

import numpy as np
import pytest

from bench.metrics import METRICS
from bench.registry import find_suite, load_method, load_suite
from bench.scm.violated import Bent
from bench.suites.violations import VIOLATIONS, ViolationTask

N = 1500
CASE = {"scenario": "LIN_IN", "graph_kind": "er", "d": 10, "scms": 1}


def problem(violation, degree, **axes):
    axes = {"n_context": N, "n_query": N, **axes}
    (task,) = load_suite("violations", "smoke", violation=violation, degree=degree, **CASE, **axes)
    return task.problem()


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_degree_0_breaks_nothing(violation):
    (task,) = load_suite("lorch", "smoke", **CASE)
    plain, broken = task.problem(), problem(violation, 0, n_context=50, n_query=50)
    if violation != "collinear":
        assert np.array_equal(broken.data.adjacency, plain.data.adjacency)
        np.testing.assert_allclose(broken.data.rows, plain.data.rows)
        np.testing.assert_allclose(broken.query_noise_rows, plain.query_noise_rows, atol=1e-9)
        for ours, theirs in zip(broken.clamps, plain.clamps, strict=True):
            assert ours == pytest.approx(theirs)
    assert np.linalg.matrix_rank(np.cov(broken.query_rows.T)) == 10


def sizes(violation):
    """How many times the noise of the unbroken SCM each noise is, [N, D]."""
    plain, broken = (problem(violation, degree).query_noise_rows for degree in (0, 1))
    return broken / plain


def test_the_size_of_noise_depends_on_parents():
    times = sizes("scale")
    assert times.min() == pytest.approx(1 / 5, rel=0.3) and times.max() == pytest.approx(5, rel=0.3)
    roots = ~problem("scale", 1).data.adjacency.any(0)
    np.testing.assert_allclose(times[:, roots], 1)


def test_multiplied_noise_is_least_where_f_is_its_mean():
    times, clean = sizes("product"), problem("product", 1)
    f = clean.query_rows - clean.query_noise_rows
    moves = clean.data.adjacency.any(0)
    for j in np.flatnonzero(moves):
        assert times[:, j].min() >= 0.05
        assert np.corrcoef(times[:, j], np.abs(f[:, j] - f[:, j].mean()))[0, 1] > 0.98


def test_a_bend_is_undone_and_its_mean_is_the_mean():
    rng = np.random.default_rng(0)
    form = Bent(np.array([0.95]), np.array([2.0]), np.array([3.0]), np.array([1.5]))
    f, z = np.full((200_000, 1), 4.0), 1.5 * rng.standard_normal((200_000, 1))
    rows = form.value(f, z, f)
    np.testing.assert_allclose(form.abduct(f, rows), z, atol=1e-9)
    assert rows.mean() == pytest.approx(form.mean(f[:1])[0, 0], abs=0.01)
    ends = form.value(np.array([[-400.0], [400.0]]), 0, None)
    slopes = (form.value(np.array([[-399.0], [401.0]]), 0, None) - ends)[:, 0]
    np.testing.assert_allclose(slopes, [1, 0.05], atol=1e-3)


def test_some_noise_is_cauchy():
    broken = problem("cauchy", 0.6)
    scale = problem("cauchy", 0).truth.sample(4000, seed=1, noise="empirical")
    scale = (scale - problem("cauchy", 0).truth.mechanism(scale)).std().to_numpy()
    beyond = (np.abs(broken.query_noise_rows) > 6 * scale).mean()
    assert beyond == pytest.approx(0.6 * (1 - 2 / np.pi * np.arctan(6)), rel=0.2)
    assert np.isfinite(broken.unit).all()


def test_hidden_causes_correlate_noise():
    broken = problem("hidden", 0.6)
    correlation = np.corrcoef(broken.query_noise_rows.T)
    strong = np.abs(correlation[np.triu_indices(10, 1)]) > 0.2
    assert strong.sum() == 10  # five nodes share the cause
    np.testing.assert_allclose(np.abs(correlation[np.triu_indices(10, 1)][strong]), 0.36, atol=0.08)
    assert (correlation[broken.data.adjacency] ** 2 > 0.04).any()
    plain = problem("hidden", 0).query_noise_rows.std(0)
    np.testing.assert_allclose(broken.query_noise_rows.std(0), plain, rtol=0.08)


def test_errors_of_measurement_are_in_the_context_only():
    plain, broken = problem("measurement", 0), problem("measurement", 1)
    ratio = broken.data.rows.var(0) / plain.data.rows.var(0)
    np.testing.assert_allclose(ratio, 2, rtol=0.15)
    assert np.array_equal(plain.query_rows, broken.query_rows)


def test_selection_cuts_one_sink_of_the_context():
    plain, broken = problem("selection", 0), problem("selection", 0.6)
    assert len(broken.data.rows) == N and np.array_equal(plain.query_rows, broken.query_rows)
    most = broken.data.rows.max(0)
    lost = (plain.query_rows > most).mean(0)
    sink = int(lost.argmax())
    assert lost[sink] == pytest.approx(0.57, abs=0.05)
    assert not plain.data.adjacency[sink].any()


@pytest.mark.parametrize("degree", [0, 0.6, 1])
def test_one_of_two_parents_follows_the_other(degree):
    broken = problem("collinear", degree)
    followers = [j for j, column in broken.truth.f.lines.items()]
    assert followers
    for j in followers:
        leader = broken.truth.f.lines[j].parent
        assert list(np.flatnonzero(broken.data.adjacency[:, j])) == [leader]
        assert (broken.data.adjacency[leader] & broken.data.adjacency[j]).any()
        found = np.corrcoef(broken.query_rows[:, leader], broken.query_rows[:, j])[0, 1]
        assert found == pytest.approx(1 - (1 - degree) ** 4, abs=0.07)
    if degree == 1:
        linear = load_method("linear").fit_problem(broken, 0)  # its design has not full rank
        assert METRICS["effect_interval"].value(broken, linear) > 0


def test_the_context_moves_neither_query_nor_question():
    short, long = (problem("selection", 1, n_context=n) for n in (50, 700))
    assert np.array_equal(long.data.rows[:50], short.data.rows)
    assert short.contrast.cause == long.contrast.cause and short.clamps == long.clamps


def test_every_degree_asks_the_same_question():
    asked = {(p.contrast.cause, p.contrast.outcome, p.contrast.low) for p in map(whole, (0, 0.6))}
    assert len(asked) == 1


def whole(degree):
    return problem("hidden", degree, n_context=20, n_query=20)


def test_a_degree_beyond_1_is_refused():
    with pytest.raises(ValueError, match="degree is from 0 to 1"):
        problem("scale", 2)


def test_its_scms_are_blocks_of_all_violations():
    tasks = find_suite("violations").tasks("quick")
    assert len({task.scm for task in tasks}) == 3
    assert {type(task) for task in tasks} == {ViolationTask}
