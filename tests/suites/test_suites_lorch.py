"""Suites made of the lorch SCMs: the same problems under other names, and other graphs."""

import numpy as np
import pytest

from bench.metrics import METRICS
from bench.registry import find_suite, load_suite
from bench.suites.lorch_graph import corrupt

CELL = {"scenario": "LIN_IN", "graph_kind": "er", "d": 10, "scms": 1}


def graph(**axes):
    return load_suite("lorch-graph", "smoke", **CELL, **axes)


def test_sweeps_share_their_problems_with_lorch():
    base = load_suite("lorch", **CELL)[0]
    low = load_suite("lorch-lowdata", **CELL)
    assert [task.n_context for task in low] == [20, 50, 100, 200, 400, 1000, 2000]
    assert low[4].problem_name == base.problem_name
    assert low[4].problem().sha() == base.problem().sha()
    assert [t.n_context for t in load_suite("lorch-large", **CELL)] == [1000, 2000]


def test_shifts_have_both_kinds_and_one_unshifted_problem():
    tasks = load_suite("lorch-shift", scenario="RFF_OUT", graph_kind="ws", scms=1)
    settings = {(task.shift, task.alpha) for task in tasks}
    assert len(tasks) == 7 and ("", 1.0) in settings
    assert {s for s, _ in settings} == {"", "mechanism", "noise"}


def test_corruptions_have_their_distance_and_begin_one_another():
    edges = []
    for k in (1, 2, 5, 10):
        (task,) = graph(given="corrupt", edits=k)
        problem = task.problem()
        assert METRICS["graph_distance"].value(problem, None) == k
        assert task.name.endswith(f"given=corrupt/edits={k}")
        edges.append(problem.data.adjacency != problem.true_adjacency)
    assert (edges[1] | ~edges[0]).all() and (edges[3] | ~edges[2]).all()
    with pytest.raises(ValueError, match="too few"):
        corrupt(np.zeros((2, 2), dtype=bool), 2, np.random.default_rng(0))


def test_no_corruption_is_the_true_graph_byte_for_byte():
    (task,) = graph(given="corrupt", edits=0)
    assert task == graph(given="true")[0]
    (plain,) = load_suite("lorch", "smoke", **CELL)
    assert task.problem_name == plain.problem_name and task.problem().sha() == plain.problem().sha()


def test_only_the_given_graph_changes():
    true, wrong = (graph(given=g, edits=5)[0].problem() for g in ("true", "corrupt"))
    assert np.array_equal(true.query_rows, wrong.query_rows)
    assert np.array_equal(true.data.adjacency, wrong.true_adjacency)
    assert METRICS["sample"].value(wrong, wrong.truth) < 1e-6
    floor = [METRICS["sample"].value(p, p.floor) for p in (true, wrong)]
    assert floor[0] == floor[1]


def test_discovery_finds_a_chain_of_easy_r2():
    import pandas as pd

    from bench.registry import discover
    from bench.task import Dataset

    rng = np.random.default_rng(0)
    a = rng.normal(size=500)
    b = a + 0.5 * rng.normal(size=500)
    c = a + b + 0.1 * rng.normal(size=500)
    rows = np.column_stack([c, a, b])
    found = discover("r2sort", Dataset(rows, ("c", "a", "b"), np.zeros((3, 3), bool)), 0)
    assert found[1, 0] and found[2, 0] and not found[0].any()
    scaled = discover(
        "r2sort", Dataset(rows * [1, 64, 0.5], ("c", "a", "b"), np.zeros((3, 3), bool)), 0
    )
    assert np.array_equal(found, scaled)
    with pytest.raises(ValueError, match="unknown discovery method"):
        discover("oracle", Dataset.of(pd.DataFrame(rows), __import__("networkx").DiGraph()), 0)


def test_a_discovery_method_without_its_extra_says_how_to_install_it(monkeypatch):
    from importlib.metadata import EntryPoint

    from bench import registry

    entries = {
        registry.DISCOVERY: [EntryPoint("missing", "no_such:Thing [discovery]", registry.DISCOVERY)]
    }
    kept = registry.entry_points
    monkeypatch.setattr(
        registry, "entry_points", lambda group: entries.get(group) or kept(group=group)
    )
    (task,) = graph(given="inferred", discovery="missing")
    with pytest.raises(registry.Unavailable, match=r"pip install .condfip-bench\[discovery\]"):
        task.problem()


def test_the_graph_suite_drops_settings_that_do_not_matter():
    tasks = find_suite("lorch-graph").tasks("quick", scenario="LIN_IN", graph_kind="er")
    assert [(t.given, t.edits, t.discovery) for t in tasks] == [
        ("true", 0, ""),
        *(("corrupt", edits, "") for edits in (1, 2, 5, 10, 20)),
        ("order", 0, ""),
        ("inferred", 0, "r2sort"),
    ]


def test_pc_finds_a_collider():
    pytest.importorskip("causallearn", reason="pip install 'condfip-bench[discovery]'")
    from bench.registry import discover
    from bench.task import Dataset

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 500))
    c = a - b + 0.3 * rng.normal(size=500)
    data = Dataset(np.column_stack([c, a, b]), ("c", "a", "b"), np.zeros((3, 3), bool))
    expected = np.zeros((3, 3), bool)
    expected[1, 0] = expected[2, 0] = True
    assert np.array_equal(discover("pc", data, 0), expected)


def test_the_order_gives_every_ancestor():
    (task,) = graph(given="order")
    problem = task.problem()
    true, given = problem.true_adjacency.astype(int), problem.data.adjacency
    paths = sum(np.linalg.matrix_power(true, k) for k in range(1, 10))
    assert np.array_equal(given, paths > 0) and task.name.endswith("given=order")
    counts = [METRICS[f"graph_{kind}"].value(problem, None) for kind in ("missing", "reversed")]
    assert counts == [0, 0]
    extra = METRICS["graph_extra"].value(problem, None)
    assert extra == METRICS["graph_distance"].value(problem, None) == given.sum() - true.sum()


def test_what_is_wrong_in_a_graph_is_counted_by_kind():
    from dataclasses import replace

    (task,) = graph(given="corrupt", edits=1)
    problem = task.problem()
    true = np.zeros((10, 10), dtype=bool)
    true[[0, 1, 2], [1, 2, 3]] = True
    given = np.zeros((10, 10), dtype=bool)
    given[[1, 1, 5, 6], [0, 2, 6, 7]] = True
    problem = replace(problem, true_adjacency=true, data=replace(problem.data, adjacency=given))
    kinds = ("missing", "extra", "reversed", "distance")
    assert [METRICS[f"graph_{kind}"].value(problem, None) for kind in kinds] == [1, 2, 1, 4]


@pytest.mark.parametrize("finder", ["ges", "direct-lingam", "dagma"])
def test_finders_point_edges_as_data_do(finder):
    """A collider 0 -> 2 <- 1 with noise that is not Gaussian."""
    pytest.importorskip("causallearn")
    pytest.importorskip("dagma")
    from bench.registry import discover
    from bench.task import Dataset

    rng = np.random.default_rng(3)
    a, b, noise = rng.uniform(-1, 1, size=(3, 2000))
    rows = np.column_stack([a, b, 5 * (a + b + 0.3 * noise)])
    data = Dataset(rows, ("a", "b", "c"), np.zeros((3, 3), dtype=bool))
    expected = np.zeros((3, 3), dtype=bool)
    expected[[0, 1], 2] = True
    found = discover(finder, data, 0)
    if finder == "dagma":  # standardised, squared errors do not tell it the direction
        assert (found | found.T)[[0, 1], 2].all()
    else:
        assert np.array_equal(found, expected)
