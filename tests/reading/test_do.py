"""What stands after --do and --effect, and what every kind of do() does to a chain by algebra."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from bench.reading.do import Effect, FromColumn, parse_do, parse_effect
from bench.registry import load_method
from bench.scm.do import Draw, Scale, Shift

NAMES = ("x", "y", "z", "a=b", "x y")
N = 60


@pytest.mark.parametrize(
    "text, value",
    [
        ("x=5", 5.0),
        ("x=-5e-1", -0.5),
        ("x=shift:+2", Shift(2.0)),
        ("x=shift:-2", Shift(-2.0)),
        ("x=scale:1.1", Scale(1.1)),
        ("x=column:new", FromColumn("new")),
        ("x=normal:50,5", Draw("normal", 50, 5)),
        ("x=uniform:0,1", Draw("uniform", 0, 1)),
    ],
)
def test_each_form_is_read(text, value):
    assert parse_do([text], NAMES, [*NAMES, "new"]).do == {"x": value}


def test_assignments_are_joint_and_names_may_hold_an_equals_sign():
    question = parse_do(["x=5", "a=b=shift:1", "x y=2"], NAMES)
    assert question.do == {"x": 5.0, "a=b": Shift(1.0), "x y": 2.0}
    assert question.text == "x=5 a=b=shift:1 x y=2"


@pytest.mark.parametrize(
    "text, message",
    [
        ("x=+10", "write x=10 to set it, x=shift:10 to add to it"),
        ("x", "NAME=VALUE"),
        ("w=1", "unknown column 'w' .known: x, y"),
        ("x=5kg", "'5kg' is no number"),
        ("x=inf", "finite"),
        ("x=nan", "finite"),
        ("x=1e999", "finite"),
        ("x=jump:3", "no such form"),
        ("x=normal:1", "normal takes mean,deviation"),
        ("x=normal:1,-2", "is not mean,deviation"),
        ("x=uniform:2,1", "is not low,high"),
        ("x=column:nowhere", "unknown column 'nowhere'"),
        ("x=function:open('f')", "is not read"),
        ("x=function:value.real", "is not read"),
        ("x=function:", "is no expression"),
        ("x=function:min(value)", "min with 1 arguments"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_do([text], NAMES)


def test_a_node_is_set_once():
    with pytest.raises(ValueError, match="x is set twice"):
        parse_do(["x=1", "x=2"], NAMES)


def test_effects_are_read():
    assert parse_effect(["x=1,2", "on=y"], NAMES) == Effect("x=1,2 on=y", "x", 1.0, 2.0, "y")
    for wrong in (["x=1,2"], ["x=1", "on=y"], ["x=1,2", "on=w"], ["x=1,2", "on=x"]):
        with pytest.raises(ValueError, match="--effect"):
            parse_effect(wrong, NAMES)


@pytest.fixture(scope="module")
def chain():
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    y = 2 * x + rng.normal(size=N)
    z = y - x + rng.normal(size=N)
    rows = pd.DataFrame({"x": x, "y": y, "z": z}, index=[f"r{i}" for i in range(N)])
    graph = nx.DiGraph([("x", "y"), ("y", "z"), ("x", "z")])
    return rows, load_method("linear").fit(rows, graph)


def moved(scm, rows, x, y=None):
    """The counterfactual by algebra: x as given, y as given or moved by its slope."""
    slope = {
        (a, b): float(
            (scm.counterfactual(rows, {a: 1.0, **fix}) - scm.counterfactual(rows, {a: 0.0, **fix}))[
                b
            ].mean()
        )
        for a, b, fix in (("x", "y", {}), ("y", "z", {"x": 0.0}), ("x", "z", {"y": 0.0}))
    }
    y = rows["y"] + slope["x", "y"] * (x - rows["x"]) if y is None else y
    z = rows["z"] + slope["y", "z"] * (y - rows["y"]) + slope["x", "z"] * (x - rows["x"])
    return pd.DataFrame({"x": x, "y": y, "z": z}, index=rows.index)


KINDS = {
    "one value a row": (lambda v: np.arange(float(N)), lambda v: np.arange(float(N))),
    "a series": (lambda v: pd.Series(np.arange(float(N))), lambda v: np.arange(float(N))),
    "a shift": (lambda v: Shift(2), lambda v: v + 2),
    "a scale": (lambda v: Scale(1.5), lambda v: v * 1.5),
    "a function": (lambda v: np.tanh, np.tanh),
    "an expression": (
        lambda v: parse_do(["x=function:max(value, 0)**2"], NAMES).do["x"],
        lambda v: np.maximum(v, 0) ** 2,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_moves_rows_as_algebra_says(chain, kind):
    rows, scm = chain
    give, expected = KINDS[kind]
    x = pd.Series(np.asarray(expected(rows["x"].to_numpy())), rows.index)
    answer = scm.counterfactual(rows, {"x": give(rows)})
    pd.testing.assert_frame_equal(answer, moved(scm, rows, x), rtol=1e-10)
    again = scm.generate(scm.noise(rows), {"x": give(rows)})
    pd.testing.assert_frame_equal(again, answer, rtol=1e-10)


def test_a_change_reads_what_its_node_would_be_under_the_others(chain):
    rows, scm = chain
    answer = scm.counterfactual(rows, {"y": Shift(3), "x": 1.0})
    x = pd.Series(1.0, rows.index)
    y = moved(scm, rows, x)["y"] + 3
    pd.testing.assert_frame_equal(answer, moved(scm, rows, x, y), rtol=1e-10)


def test_draws_have_their_distribution_and_the_seed_of_the_sample(chain):
    _, scm = chain
    drawn = scm.sample(20_000, do={"x": Draw("normal", 50, 5)}, seed=1)["x"]
    assert abs(drawn.mean() - 50) < 0.15
    assert abs(drawn.std() - 5) < 0.1
    assert drawn.equals(scm.sample(20_000, do={"x": Draw("normal", 50, 5)}, seed=1)["x"])
    assert not drawn.equals(scm.sample(20_000, do={"x": Draw("normal", 50, 5)}, seed=2)["x"])
    uniform = scm.sample(5000, do={"x": Draw("uniform", 2, 3)})["x"]
    assert 2 <= uniform.min() < 2.01 < 2.99 < uniform.max() < 3


@pytest.mark.parametrize(
    "value, message",
    [
        (None, "needs a number, one number a row"),
        ("5", "needs a number"),
        (np.nan, "finite number"),
        (np.ones(7), "one number a row"),
        (np.ones((N, 1)), "one number a row"),
        (lambda v: v[:2], "function in do"),
        (lambda v: v * np.inf, "no finite number"),
        ([1, "a"], "needs a number"),
    ],
)
def test_other_values_are_refused(chain, value, message):
    rows, scm = chain
    with pytest.raises(ValueError, match=message):
        scm.counterfactual(rows, {"x": value})
