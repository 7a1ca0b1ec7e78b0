"""How far interventions go: what they are set to, and what that leaves alone."""

from dataclasses import replace

import numpy as np
import pytest

from bench.metrics import METRICS
from bench.registry import find_suite, list_suites, load_method, load_suite
from bench.suites.draws import BEYOND, REACHES, interventions

SYNTHETIC = [name for name in list_suites() if "reach" in find_suite(name).axes]
CASE = {"scenario": "RFF_IN", "graph_kind": "er", "scms": 1}


def task(**axes):
    return load_suite("lorch", "smoke", **{**CASE, **axes})[0]


def test_every_synthetic_suite_has_the_axis():
    assert {"lorch", "lorch-graph", "lorch-reach", "csuite", "csuite-gmm", "ecoli"} <= set(
        SYNTHETIC
    )
    known = [s for s in list_suites() if find_suite(s).tasks("smoke")[0].problem().truth]
    assert sorted(known) == sorted(SYNTHETIC)


@pytest.mark.parametrize("suite", SYNTHETIC)
def test_values_come_from_the_query_and_clamp(suite):
    first = find_suite(suite).tasks("smoke")[0]
    nodes = None
    for reach in REACHES:
        problem = replace(first, reach=reach).problem()
        assert replace(first, reach=reach).scm == first.scm
        columns = problem.query
        for step in problem.interventions:
            ((node, value),) = step.do.items()
            column, clamped = columns[node], step.rows[node]
            low, high, deviation = column.min(), column.max(), column.std(ddof=1)
            assert np.array_equal(clamped, np.broadcast_to(value, len(column)))
            if reach == "quantile":
                assert column.quantile(0.1) <= value <= column.quantile(0.9)
            elif reach == "shift":
                np.testing.assert_allclose(clamped, column + deviation)
            else:
                k = BEYOND[reach]
                assert np.isclose([low - k * deviation, high + k * deviation], value).sum() == 1
        drawn = [next(iter(do)) for do in problem.clamps]
        nodes = nodes or drawn
        assert drawn == nodes


def test_the_context_moves_no_intervention():
    for reach in REACHES:
        short, long = (task(reach=reach, n_context=n).problem() for n in (20, 60))
        for one, other in zip(short.clamps, long.clamps, strict=True):
            assert one.keys() == other.keys()
            np.testing.assert_array_equal(*(next(iter(do.values())) for do in (one, other)))


def test_reach_moves_only_interventions():
    near, far = (task(reach=reach).problem() for reach in ("quantile", "4"))
    assert np.array_equal(near.query_rows, far.query_rows)
    assert np.array_equal(near.data.rows, far.data.rows)
    fitted = load_method("linear").fit_problem(near, 0)
    for metric in ("noise", "sample"):
        assert METRICS[metric].value(near, fitted) == METRICS[metric].value(far, fitted)
    errors = [METRICS["intervention"].value(problem, fitted) for problem in (near, far)]
    assert errors[1] > 2 * errors[0]


def test_the_side_is_the_same_for_every_distance():
    query = np.random.default_rng(0).normal(size=(50, 30))
    names = [f"x{j}" for j in range(30)]
    edge, *beyond = (interventions(names, query, 7, reach) for reach in BEYOND)
    for k, steps in zip(list(BEYOND.values())[1:], beyond, strict=True):
        for at, do in zip(edge, steps, strict=True):
            ((node, value),) = do.items()
            away = (value - at[node]) / query[:, names.index(node)].std(ddof=1)
            assert abs(away) == pytest.approx(k)
            assert np.sign(away) == np.sign(at[node] - query[:, names.index(node)].mean())
    with pytest.raises(ValueError, match="unknown reach"):
        interventions(names, query, 7, "far")


def test_a_corrupted_graph_does_not_move_with_reach():
    case = {"scenario": "LIN_IN", "graph_kind": "er", "given": "corrupt"}
    first = load_suite("lorch-graph", "smoke", **case)[0]
    near, far = (replace(first, reach=r).problem().data.adjacency for r in ("quantile", "2"))
    assert np.array_equal(near, far)


def test_every_verb_takes_what_shift_sets():
    problem = task(reach="shift").problem()
    for name in ("linear", "lad", "gp"):
        fitted = load_method(name).fit_problem(problem, 0)
        for metric in ("intervention", "counterfactual"):
            assert 0 < METRICS[metric].value(problem, fitted) < 2
