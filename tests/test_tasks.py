"""Problems and suites: names, streams, interventions, the floor, and what a method may see."""

import json
import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest

import bench
from bench.metrics import METRICS
from bench.registry import find_suite, find_task, list_suites, load_suite
from bench.suite import Suite
from bench.task import Dataset, Task

FOUR = ("noise", "sample", "intervention", "counterfactual")


def one(**axes):
    axes = {"scenario": "RFF_IN", "graph_kind": "er", "scms": 1, **axes}
    return load_suite("lorch", "smoke", **axes)[0]


@pytest.mark.parametrize("suite", list_suites())
def test_every_suite_keeps_the_laws(suite):
    tasks = find_suite(suite).tasks("smoke")
    for task in tasks[:: 1 + len(tasks) // 10]:
        problem = task.problem()
        assert pickle.loads(pickle.dumps(task)).problem().sha() == problem.sha()
        assert problem.name == task.problem_name
        assert nx.is_directed_acyclic_graph(problem.graph)
        assert list(problem.context.columns) == list(problem.graph.nodes)
        if problem.truth is None:
            continue
        for metric in FOUR:
            assert METRICS[metric].value(problem, problem.truth) < 1e-6
        if problem.contrast is not None:
            assert METRICS["effect_individual"].value(problem, problem.truth) < 1e-6
        reference = problem.truth.noise(problem.query)
        np.testing.assert_allclose(reference, problem.query_noise, atol=1e-8)


@pytest.mark.parametrize("suite", list_suites())
def test_a_shorter_context_begins_a_longer_one_and_moves_nothing_that_is_asked(suite):
    tasks = find_suite(suite).tasks("smoke")
    for task in tasks[:: 1 + len(tasks) // 5]:
        long = task.problem()
        short = replace(task, n_context=task.n_context - 15).problem()
        # a product over fewer rows may end in another last bit
        np.testing.assert_allclose(short.data.rows, long.data.rows[:-15], rtol=1e-12)
        assert np.array_equal(short.query_rows, long.query_rows)
        assert short.clamps == long.clamps
        if long.contrast is not None:
            asked = [(c.cause, c.outcome, c.low, c.high) for c in (short.contrast, long.contrast)]
            assert asked[0] == asked[1]
            assert np.array_equal(short.contrast.true, long.contrast.true)


def test_presets_have_their_sizes():
    assert [len(load_suite("lorch", p)) for p in ("smoke", "quick", "paper")] == [10, 40, 120]


def test_names_say_the_settings():
    tasks = load_suite("lorch", "quick")
    assert "lorch/lorch/rff_in/sf_in/d20/i0" in {task.name for task in tasks}
    task = one(n_context=100, shift="noise", alpha=2, noise="student_t")
    assert task.name.endswith("er/d10/i0/n=100/q=50/shift=noise/alpha=2/noise=student_t")


@pytest.mark.parametrize("suite", list_suites())
def test_a_row_of_results_gives_its_task_back(suite):
    found = find_suite(suite)
    for preset in found.presets:
        tasks = found.tasks(preset, seed=1)
        assert len({task.name for task in tasks}) == len(tasks)
        for task in tasks:
            assert found.task(json.loads(json.dumps(task.settings))) == task
            as_text = {name: str(value) for name, value in task.settings.items()}
            assert found.task({**as_text, "seed": 1.0, "n_query": np.nan}) == replace(
                task, n_query=400
            )


def test_settings_that_no_task_has_are_refused():
    suite, settings = find_suite("lorch"), one().settings
    for wrong, message in (
        ({"colour": 1}, "unknown axis colour"),
        ({"d": np.nan}, "lack d"),
        ({"d": "10.5"}, "takes numbers"),
        ({"graph_kind": "ws"}, "no task"),
    ):
        with pytest.raises(ValueError, match=message):
            suite.task({**settings, **wrong})


def test_one_scm_has_one_name_in_every_suite_and_setting():
    same = [
        one(),
        one(n_context=100, shift="noise", alpha=2),
        load_suite("lorch-large", "smoke", scenario="RFF_IN", graph_kind="er")[0],
        *load_suite("lorch-graph", "smoke", scenario="RFF_IN", graph_kind="er", d=10),
    ]
    assert {task.scm for task in same} == {"lorch/lorch/rff_in/er/d10/i0"}
    others = [one(d=5), one(noise="laplace"), one(variant="causica"), *load_suite("csuite")]
    assert len({task.scm for task in (*others, same[0])}) == len(others) + 1


@dataclass(frozen=True, kw_only=True)
class Swing(Task):
    colour: str
    strength: float


def swings(**changes):
    parts = {"name": "swings", "about": "", "source": "", "licence": "", "kind": Swing}
    axes = {"colour": ("red", "Red"), "strength": (1.0, 2.5), "scms": (2,)}
    return Suite(**{**parts, "axes": axes, "presets": {"quick": [{}]}, **changes})


def test_suites_of_one_generator_share_its_fingerprint():
    pytest.importorskip("bench.run.fingerprint")
    lorch, shift, other = (find_suite(n).generator for n in ("lorch", "lorch-shift", "csuite"))
    assert lorch == shift != other and len(lorch) == 64


def test_two_tasks_of_one_name_are_refused():
    assert len(swings().tasks(colour="red")) == 4
    with pytest.raises(ValueError, match="two tasks have the name swings/red/strength=1/i0"):
        swings().tasks()


def test_a_suite_whose_axes_are_not_its_tasks_fields_is_refused():
    with pytest.raises(ValueError, match="Swing has no field weight"):
        swings(axes={"colour": ("red",), "strength": (1.0,), "weight": (1,)})
    with pytest.raises(ValueError, match="strength needs an axis or a default"):
        swings(axes={"colour": ("red",)})


def test_a_suite_of_the_working_folder_is_named_by_its_module(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("from tests.test_tasks import swings\n\nSWINGS = swings()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (task,) = load_suite("mine:SWINGS", colour="red", strength=1, scms=1)
    assert task.suite == "mine:SWINGS" and task.name == "mine:SWINGS/red/strength=1/i0"
    assert find_task(task.suite, task.settings) == task
    for wrong in ("mine:swings", "mine:NOTHING", "yours:SWINGS", "swings"):
        with pytest.raises(ValueError, match="no suite|has no NOTHING|no module|unknown suite"):
            load_suite(wrong)


def test_a_suite_written_after_the_page_has_a_name_for_every_task(tmp_path, monkeypatch):
    page = Path(bench.__file__).parent / "docs" / "add-a-suite.md"
    (tmp_path / "seesaw.py").write_text(page.read_text().split("```python\n")[1].split("```")[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    tasks = load_suite("seesaw:SEESAW")
    assert len(tasks) == len({task.name for task in tasks}) == len({t.scm for t in tasks}) == 4
    assert {task.settings["strength"] for task in tasks} == {1, 10}
    for task in tasks:
        assert find_task("seesaw:SEESAW", json.loads(json.dumps(task.settings))) == task
        problem = pickle.loads(pickle.dumps(task)).problem()
        assert METRICS["sample"].value(problem, problem.truth) < 1e-9


def statistics(task):
    problem = task.problem()
    clamps = [value for do in problem.clamps for value in do.values()]
    rows = problem.data.rows, problem.query_rows
    numbers = [f(part) for part in rows for f in (np.mean, np.std)]
    return [*map(float, numbers), int(problem.data.adjacency.sum()), float(np.sum(clamps))]


GOLDEN = json.loads((Path(__file__).parent / "suites" / "golden.json").read_text())


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda g: g["name"])
def test_problems_are_those_of_the_published_runs(golden):
    """Mean and deviation of context and query, edges, and the sum of clamped values."""
    task = find_task(golden["suite"], golden["settings"])
    assert task.name == golden["name"]
    assert statistics(task) == pytest.approx(golden["statistics"], rel=1e-6, abs=1e-9)


def test_a_short_context_begins_a_long_one():
    short, long = (one(n_context=n).problem() for n in (50, 1200))
    pd.testing.assert_frame_equal(long.context[:50], short.context)
    assert short.query.equals(long.query)
    assert [i.do for i in short.interventions] == [i.do for i in long.interventions]


def test_alpha_and_noise_leave_the_graph_and_the_mechanisms_draws():
    plain, shifted = one(), one(shift="noise", alpha=5)
    assert np.array_equal(plain.problem().data.adjacency, shifted.problem().data.adjacency)
    np.testing.assert_allclose(shifted.problem().query_noise, 5 * plain.problem().query_noise)
    laplace = one(noise="laplace").problem().truth.scm
    assert np.array_equal(laplace.mechanism.omega, plain.problem().truth.scm.mechanism.omega)


def test_more_scms_begin_with_the_same_ones():
    few, more = (load_suite("lorch", "quick", d=10, scms=k) for k in (2, 3))
    assert set(few) < set(more)
    assert len({task.problem().sha() for task in few}) == len(few)


def test_seeds_draw_other_scms():
    assert load_suite("lorch", seed=1)[0].problem().sha() != load_suite("lorch")[0].problem().sha()


def test_interventions_are_on_distinct_nodes_within_the_quantiles():
    for d in (5, 20):
        problem = one(d=d, n_query=400).problem()
        assert len(problem.interventions) == min(d, 10)
        nodes = [name for i in problem.interventions for name in i.do]
        assert len(set(nodes)) == len(nodes)
        for i in problem.interventions:
            ((name, value),) = i.do.items()
            low, high = problem.query[name].quantile([0.1, 0.9])
            assert low <= value <= high
            assert (i.rows[name] == value).all()


@pytest.mark.parametrize(
    "wrong", [{"d": "ten"}, {"scenario": "QUAD_IN"}, {"colour": 1}, {"d": -3}, {"alpha": 2}]
)
def test_unknown_axes_and_values_are_refused(wrong):
    with pytest.raises(ValueError, match="axis|unknown|alpha"):
        load_suite("lorch", **wrong)


def test_where_filters_and_says_when_nothing_is_left():
    suite = find_suite("lorch")
    kept = suite.where(suite.tasks("quick"), scenario="rff_in", d="20")
    assert {(t.scenario, t.d) for t in kept} == {("RFF_IN", 20)}
    with pytest.raises(ValueError, match="no task"):
        suite.where(suite.tasks("quick"), d=50)


@pytest.mark.parametrize(
    "df,edges,message",
    [
        (pd.DataFrame({"a": [1.0, np.nan], "b": [1.0, 2.0]}), [], "NaN"),
        (pd.DataFrame({"a": ["x", "y"], "b": [1.0, 2.0]}), [], "text"),
        (pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]}), [("a", "z")], "unknown columns"),
        (pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]}), [("a", "b"), ("b", "a")], "cycle"),
        (pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]}), [("a", "a")], "cycle"),
    ],
)
def test_bad_tables_and_graphs_are_refused(df, edges, message):
    with pytest.raises(ValueError, match=message):
        Dataset.of(df, nx.DiGraph(edges))


def test_metrics_by_hand():
    from bench.metrics.distances import mmd
    from bench.metrics.errors import rmse

    error = np.array([[3.0, 4.0], [0.0, 0.0]])
    assert rmse(error, np.array([1.0, 1.0])) == pytest.approx(np.sqrt(12.5) / 2)
    assert rmse(error, np.array([3.0, 4.0])) == pytest.approx(0.5)
    x, y = np.array([[0.0], [1.0]]), np.array([[2.0], [4.0]])
    squares = np.array([[0, 1, 4, 16], [1, 0, 1, 9], [4, 1, 0, 4], [16, 9, 4, 0]])
    kernel = np.exp(-squares / (np.median([1, 4, 16, 1, 9, 4]) / 2))
    expected = kernel[:2, :2].mean() + kernel[2:, 2:].mean() - 2 * kernel[:2, 2:].mean()
    assert mmd(x, y) == pytest.approx(expected)
    assert mmd(x, x) == pytest.approx(0)


def test_a_wrong_answer_is_no_number():
    problem = one().problem()

    class Short:
        noise_space = "additive"

        def noise(self, df):
            return df.iloc[:-1]

    class Holed(Short):
        def noise(self, df):
            return df * np.nan

    for wrong, message in ((Short(), "shape"), (Holed(), "NaN")):
        with pytest.raises(ValueError, match=message):
            METRICS["noise"].value(problem, wrong)
