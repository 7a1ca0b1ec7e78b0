"""Numbers and levels in one table: types, supports, noise, effects that are known."""

import pickle

import numpy as np
import pandas as pd
import pytest

from baselines.linear import Linear
from bench.metrics.errors import node_residuals
from bench.mixed.logistic import Logistic
from bench.registry import load_method
from bench.scm.columns import column_of
from bench.scm.do import Scale, Shift
from bench.suites.effects import effects
from bench.task import Dataset, Problem
from tests.mixed.systems import BINARY, MIXED, SYSTEMS, binary_rows, effect, mixed_rows

ROWS = 400


class BaseNoise(Linear):
    """Says that its noise has a space of its own."""

    noise_space = "base"


METHODS = ["linear", "gp", "amortized-gp"]


@pytest.fixture(scope="module")
def table():
    return mixed_rows(ROWS, np.random.default_rng(0))


@pytest.fixture(scope="module")
def scm(table):
    return load_method("linear").fit(table, MIXED)


def test_types_are_those_of_the_dtypes():
    frame = pd.DataFrame({"yes": [0, 1], "k": [0, 2], "b": [True, False], "x": [0.0, 1.0]})
    frame["c"] = pd.Categorical(["u", "v"], categories=["v", "u", "w"])
    kinds = {name: column_of(frame[name]) for name in frame}
    told = {"yes": "bool", "k": "count", "b": "bool", "x": "float", "c": "category"}
    assert {name: c.kind for name, c in kinds.items()} == told
    assert kinds["c"].levels == ("v", "u", "w")
    assert kinds["c"].code("c", frame["c"]).tolist() == [1, 0]


@pytest.mark.parametrize("name", ["linear", pytest.param("boosting", marks=pytest.mark.slow)])
def test_answers_have_the_types_and_stay_in_their_support(name, table):
    fitted = load_method(name).fit(table, MIXED)
    for answer in (
        fitted.sample(300, seed=1),
        fitted.sample(300, {"c": "blue"}),
        fitted.counterfactual(table, {"t": True, "k": 0}),
        fitted.counterfactual(table, {"a": Shift(-40.0)}),
    ):
        assert answer.dtypes.to_dict() == table.dtypes.to_dict()
        assert not answer.isna().any(axis=None)
        assert (answer["k"] >= 0).all()


def test_noise_gives_the_rows_back_and_what_nothing_moves_stays(scm, table):
    fresh = mixed_rows(ROWS, np.random.default_rng(1))
    u = scm.noise(fresh)
    back = scm.generate(u)
    levels = ["c", "t", "k", "m"]
    assert back[levels].equals(fresh[levels])
    assert np.allclose(back[["a", "y"]], fresh[["a", "y"]])
    assert ((u[["c", "t", "m"]] > 0) & (u[["c", "t", "m"]] < 1)).all(axis=None)
    same = {n: fresh[n].to_numpy() for n in ("a", "t", "c")}
    assert scm.counterfactual(fresh, same).equals(fresh)
    assert scm.counterfactual(fresh, {"m": "low"}).drop(columns="m").equals(fresh.drop(columns="m"))


def test_noise_of_levels_is_uniform_where_the_model_is_right():
    rows = binary_rows(4000, np.random.default_rng(2))
    u = load_method("linear").fit(rows, BINARY).noise(rows)["y"]
    assert u.mean() == pytest.approx(0.5, abs=0.02)
    assert u.std() == pytest.approx(12**-0.5, abs=0.01)
    assert abs(np.corrcoef(u, rows["w"])[0, 1]) < 0.04


def test_the_inverse_cdf_follows_the_order_of_the_categories(scm, table):
    u = scm.noise(table)
    low, high = u.assign(m=1e-9), u.assign(m=1 - 1e-9)
    assert (scm.generate(low)["m"] == "high").all()
    assert (scm.generate(high)["m"] == "none").all()


def test_a_count_moves_on_average_by_what_its_number_moves():
    rng = np.random.default_rng(3)
    x = rng.normal(size=2000)
    rows = pd.DataFrame({"x": x, "k": np.rint(100 + x + 3 * rng.normal(size=2000)).astype(int)})
    scm = load_method("linear").fit(rows, [("x", "k")])
    slope = np.polyfit(rows["x"], rows["k"], 1)[0]
    moved = scm.counterfactual(rows, {"x": Shift(0.3)})["k"] - rows["k"]
    assert moved.mean() == pytest.approx(0.3 * slope, abs=0.04)
    assert set(moved) <= {0, 1}


def test_logistic_regression_finds_the_slopes_and_knows_its_error():
    rng = np.random.default_rng(4)
    found = []
    for _ in range(60):
        x = rng.normal(size=(300, 1))
        codes = (rng.random(300) < 1 / (1 + np.exp(-(1.5 * x[:, 0] - 0.5)))).astype(float)
        fitted = Logistic(x, codes, 2)
        p = fitted(np.array([[0.0], [1.0]]))[:, 1]
        drawn = [fitted.draw(rng)(np.array([[1.0]]))[0, 1] for _ in range(100)]
        low, high = np.quantile(drawn, [0.05, 0.95])
        found.append([np.log(p[0] / (1 - p[0])), low < 1 / (1 + np.exp(-1.0)) < high])
    assert np.mean(found, 0)[0] == pytest.approx(-0.5, abs=0.06)
    assert 0.78 < np.mean(found, 0)[1] < 0.99


def test_separated_levels_have_finite_probabilities():
    x = np.linspace(-1, 1, 40)[:, None]
    p = Logistic(x, (x[:, 0] > 0).astype(float), 3)(x)
    assert np.isfinite(p).all()
    assert p[:, 2].max() == 0
    assert p[-1, 1] > 0.95


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("method", ["linear", pytest.param("gp", marks=pytest.mark.slow)])
def test_known_effects_are_met_within_two_standard_errors(method, system):
    draw, graph = SYSTEMS[system]
    rows = draw(2000, np.random.default_rng(11))
    told = effects(load_method(method).fit(rows, graph), rows, graph, {"t": True})
    error = (told["high"] - told["low"]) / 2 / 1.645
    true = effect(draw)
    missed = {
        n: (told.loc[n, "effect"], true[n])
        for n in told.index
        if abs(told.loc[n, "effect"] - true[n]) > 2 * error[n]
    }
    assert not missed


@pytest.mark.soak
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("method", METHODS)
def test_intervals_of_known_effects_hold_as_often_as_they_say(method, system, capsys):
    draw, graph = SYSTEMS[system]
    true, held = effect(draw), []
    for seed in range(200):
        rows = draw(ROWS, np.random.default_rng([1, seed]))
        told = effects(load_method(method).fit(rows, graph), rows, graph, {"t": True}, seed)
        held += [told.loc[n, "low"] <= true[n] <= told.loc[n, "high"] for n in told.index]
    with capsys.disabled():
        print(f"\n{method} on {system}: {np.mean(held):.1%} of {len(held)} intervals hold")
    assert 0.86 <= np.mean(held) <= 0.94


@pytest.mark.parametrize(
    "do, message",
    [
        ({"t": 2}, "t is False or True"),
        ({"c": "pink"}, "c is one of blue, green, red"),
        ({"k": 2.5}, "k is a count and takes whole numbers"),
        ({"c": Shift(1)}, "no shift"),
        ({"q": 1}, "unknown column"),
    ],
)
def test_what_a_column_cannot_be_is_refused(scm, table, do, message):
    with pytest.raises(ValueError, match=message):
        scm.counterfactual(table, do)


def test_changes_of_counts_and_levels(scm, table):
    assert (scm.counterfactual(table, {"k": Scale(1.1)})["k"] == (table["k"] * 1.1).round()).all()
    flipped = scm.counterfactual(table, {"t": lambda value: ~value.astype(bool)})["t"]
    assert (flipped == ~table["t"]).all()
    repainted = scm.counterfactual(
        table, {"c": lambda value: np.where(value == "red", "blue", value)}
    )
    assert set(repainted["c"]) == {"blue", "green"}


def test_a_table_of_levels_alone_is_fitted(table):
    rng = np.random.default_rng(0)
    alarm = rng.random(500) < 0.2
    rows = pd.DataFrame(
        {"alarm": alarm.astype(int), "calls": (rng.random(500) < 0.1 + 0.7 * alarm)}
    )
    rows["calls"] = rows["calls"].astype(int)
    scm = load_method("gp").fit(rows, [("alarm", "calls")])
    done = scm.counterfactual(rows, {"alarm": 1})
    assert done["calls"].mean() == pytest.approx(0.8, abs=0.1)
    assert set(done["calls"]) <= {0, 1}
    assert (done["calls"] >= rows["calls"]).all()


def test_methods_with_noise_of_their_own_say_that_they_take_numbers_only(table):
    method = load_method("tests.mixed.test_mixed:BaseNoise")
    assert "takes numbers only" in method.skip(Dataset.typed(table, MIXED))
    with pytest.raises(ValueError, match="takes numbers only"):
        method.fit(table, MIXED)
    with pytest.raises(ValueError, match="is a category"):
        method.inner.fit(table, MIXED)


def test_estimates_draw_refit_and_pickle(scm, table):
    assert len(list(scm.draws(3, 0))) == 3
    again = scm.refit(table)
    assert again.counterfactual(table, {"t": True}).equals(scm.counterfactual(table, {"t": True}))
    kept = pickle.loads(pickle.dumps(scm))
    assert kept.sample(20, seed=4).equals(scm.sample(20, seed=4))


@pytest.mark.parametrize("method", ["linear", "gp", "lad"])
@pytest.mark.parametrize("verb", ["noise", "counterfactual"])
def test_a_query_with_a_hole_is_refused_by_its_column(method, verb, table):
    plain = table[["a", "k", "y"]].astype(float)
    for rows, graph in ((plain, [("a", "y"), ("k", "y")]), (table, MIXED)):
        scm = load_method(method).fit(rows, graph)
        holed = rows.copy()
        holed["y"] = holed["y"].where(np.arange(len(rows)) != 3)
        more = ({"a": 1.0},) if verb == "counterfactual" else ()
        with pytest.raises(ValueError, match=r"column y has NaN in 1 of 400 rows \(first: row 4\)"):
            getattr(scm, verb)(holed, *more)


def test_every_node_of_a_mixed_table_is_scored_by_what_is_left_of_it(table, scm):
    data = Dataset.typed(table, MIXED)
    found = node_residuals(Problem(data, data.rows), scm.coded())
    assert list(found) == list(table) and all(0 < value < 1.2 for value in found.values())
