"""Answers by algebra: effects, intervals, warnings."""

import math

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from bench.analysis.answers import agreement, doubts, effect_table, gather
from bench.analysis.render import render
from bench.reading.do import parse_do, parse_effect
from bench.registry import load_method
from bench.scm.do import Draw, Shift
from bench.suites.answers import answer
from bench.suites.asked import Asked, name_of
from bench.suites.effects import Here, effects
from bench.suites.own import constant_columns, split
from bench.task import Dataset
from tests.own.chain import GRAPH, rows


@pytest.fixture(scope="module")
def linear():
    return load_method("linear").fit(rows(), GRAPH)


def test_effects_are_slopes_times_moves(linear):
    table = effects(linear, rows(), GRAPH, {"x": 5.0})
    move = 5.0 - rows()["x"].mean()
    slope = np.polyfit(rows()["x"], rows()["y"], 1)[0]
    assert list(table.index) == ["y", "z"]
    assert table.loc["y", "effect"] == pytest.approx(slope * move)
    assert table.loc["y", "mean under do"] == pytest.approx(rows()["y"].mean() + slope * move)
    assert (table["low"] < table["effect"]).all()
    assert (table["effect"] < table["high"]).all()
    shifted = effects(linear, rows(), GRAPH, {"x": Shift(1.0)})
    assert shifted.loc["y", "effect"] == pytest.approx(slope)


def test_the_interval_of_one_edge_is_that_of_least_squares(linear):
    x, y, n = rows()["x"], rows()["y"], len(rows())
    slope, constant = np.polyfit(x, y, 1)
    variance = np.square(y - constant - slope * x).sum() / (n - 2)
    error = math.sqrt(variance / np.square(x - x.mean()).sum())
    question = parse_effect(["x=1,2", "on=y"], list(rows()))
    data = Dataset.of(rows(), GRAPH)
    told = answer(Asked(data, [], [question], 0), Here(linear))
    low, high = (
        told[name_of("effect", "x=1,2 on=y", "y", end)]["value"] for end in ("low", "high")
    )
    assert high - low == pytest.approx(2 * 1.653 * error, rel=0.2)


def test_an_effect_goes_from_its_first_value_to_its_second(linear):
    question = parse_effect(["x=1,4", "on=y"], list(rows()))
    told = answer(Asked(Dataset.of(rows(), GRAPH), [], [question], 0), Here(linear))
    slope = np.polyfit(rows()["x"], rows()["y"], 1)[0]
    found = told[name_of("effect", "x=1,4 on=y", "y", "effect")]["value"]
    assert found == pytest.approx(3 * slope)


def test_a_draw_and_rows_of_a_column_are_answered(linear):
    table = effects(linear, rows(), GRAPH, {"x": Draw("normal", 5, 0.1)})
    plain = effects(linear, rows(), GRAPH, {"x": 5.0})
    assert table.loc["y", "effect"] == pytest.approx(plain.loc["y", "effect"], abs=0.1)
    each = effects(linear, rows(), GRAPH, {"x": rows()["x"].to_numpy() + 1})
    assert each.loc["y", "effect"] == pytest.approx(
        effects(linear, rows(), GRAPH, {"x": Shift(1.0)}).loc["y", "effect"]
    )


TREES = pytest.param("boosting", marks=pytest.mark.slow)


@pytest.mark.parametrize("method", ["linear", "additive", TREES, "gp"])
def test_nothing_changes_where_nothing_was_changed(method):
    table = rows(80).round(1)
    scm = load_method(method).fit(table, GRAPH)
    same = scm.counterfactual(table, {"x": table["x"].to_numpy()})
    assert same.equals(table.astype(float))
    half = table["x"].to_numpy() + np.where(np.arange(80) % 2, 1.0, 0.0)
    mixed = scm.counterfactual(table, {"x": half})
    assert mixed[::2].equals(table.astype(float)[::2])
    assert not mixed[1::2].equals(table.astype(float)[1::2])


@pytest.mark.parametrize("method", ["linear", "gp", TREES])
def test_fits_to_other_rows_keep_their_hyper_parameters(method):
    scm = load_method(method).fit(rows(80), GRAPH)
    same = scm.refit(rows(80)).mechanism(rows(20, seed=1))
    pd.testing.assert_frame_equal(same, scm.mechanism(rows(20, seed=1)), rtol=1e-6, atol=1e-6)
    other = scm.refit(rows(80, seed=2)).mechanism(rows(20, seed=1))
    assert np.abs(other - same).to_numpy().max() > 1e-3


def test_samples_have_the_noise_that_the_degrees_of_freedom_say():
    rng = np.random.default_rng(0)
    graph = nx.DiGraph([(f"p{i}", "y") for i in range(20)])
    found = []
    for _ in range(20):
        parents = rng.normal(size=(30, 20))
        table = pd.DataFrame(parents, columns=[f"p{i}" for i in range(20)])
        table["y"] = parents.sum(1) + 2 * rng.normal(size=30)
        scm = load_method("linear").fit(table, graph)
        drawn = scm.sample(2000, do={f"p{i}": 0.0 for i in range(20)})["y"]
        found.append(drawn.var())
    assert np.mean(found) == pytest.approx(4, rel=0.25)


def test_a_question_without_an_answer_ends_itself_only(linear):
    data = Dataset.of(rows(), GRAPH)
    bad = parse_do(["x=function:log(0-value**2)"], list(rows()))
    good = parse_do(["x=1"], list(rows()))
    dos = [(q.text, q.do) for q in (bad, good)]
    questions = gather({"linear": answer(Asked(data, dos, [], 0), Here(linear))}, data.names)
    assert "no finite number" in questions[0].missing["linear"]
    assert "y" in questions[1].nodes


def asked(told, data, values=None):
    """One question with effects on y as given: {method: (effect, low, high)}."""
    measured = {
        method: {
            name_of("do", "x=1", "y", what): {"version": "1", "value": value}
            for what, value in zip(("effect", "low", "high", "mean under do"), numbers, strict=True)
        }
        for method, numbers in told.items()
    }
    for bound, value in zip(("set to at least", "set to at most"), values or (3, 3), strict=True):
        for found in measured.values():
            found[name_of("do", "x=1", "x", bound)] = {"version": "1", "value": float(value)}
    return gather(measured, data.names)[0]


def test_agreement_is_told_in_units_of_the_node():
    data = Dataset.of(rows(), GRAPH)
    unit = data.rows[:, data.names.index("y")].std(ddof=1)
    near = asked({"a": (1, 0.9, 1.1, 0), "b": (1 + 0.05 * unit, 1, 2, 0)}, data)
    within = asked({"a": (1, 0, 3, 0), "b": (1 + unit, 2, 5, 0)}, data)
    apart = asked({"a": (1, 0.9, 1.1, 0), "b": (1 + 2 * unit, 4, 6, 0)}, data)
    assert "the methods agree" in agreement(near, data)[0]
    assert "differ within their intervals" in agreement(within, data)[0]
    assert "DISAGREE by 2.0 deviations" in agreement(apart, data)[0]


def test_what_lies_outside_the_data_is_warned_of_with_its_distance():
    data = Dataset.of(rows(), GRAPH)
    column = rows()["x"]
    far = column.max() + 4 * column.std()
    question = asked({"a": (1, 0, 2, 0), "b": (2, 1, 3, 0)}, data, (far, far))
    lines = doubts([question], data, [])
    assert any("by 4 deviations: answers there are extrapolation" in line for line in lines)
    assert any("methods differ by" in line for line in lines)
    assert doubts([asked({"a": (1, 0, 2, 0)}, data, (3, 3))], data, []) == []


def test_numbers_are_shown_with_three_figures_of_their_interval():
    data = Dataset.of(rows(), GRAPH)
    table = effect_table(asked({"a": (1.23456, 1.2, 1.3, 2.0)}, data), data, "effects")
    assert table.rows[0][3:] == ["2.000", "1.235", "1.200 to 1.300"]


def test_the_half_that_is_fitted_varies_where_it_can():
    table = np.zeros((40, 2))
    table[:2, 0], table[:, 1] = 1, np.arange(40)
    data = Dataset(table, ("treated", "y"), np.zeros((2, 2), dtype=bool))
    for seed in range(20):
        context, query = split(table, seed)
        assert table[context, 0].any()
        assert sorted([*context, *query]) == list(range(40))
    told = [constant_columns(data, seed) for seed in range(20)]
    assert (["treated"], True) in told
    assert ([], True) in told


def test_a_table_in_markdown_keeps_its_columns(linear):
    data = Dataset.of(rows(), GRAPH)
    told = answer(Asked(data, [("x=1", {"x": 1.0})], [], 0), Here(linear))
    text = render(effect_table(gather({"linear": told}, data.names)[0], data, "effects"))
    assert text.startswith("### effects\n\n| node")
