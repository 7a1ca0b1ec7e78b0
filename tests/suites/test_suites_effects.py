"""Effects: their scores by hand, what the suites ask, and the learners that answer."""

import types

import numpy as np
import pandas as pd
import pytest

from baselines.learners import TLearner
from bench.metrics import METRICS
from bench.registry import Unavailable, load_method, load_suite
from bench.scm.contrast import Contrast
from bench.suites import acic
from bench.suites.files import DATA_DIR
from bench.task import Dataset, Problem

CASE = {"scenario": "LIN_IN", "graph_kind": "er", "d": 10, "n_context": 200, "n_query": 100}


def contrast(true=(1.0, 3.0), unit=2.0):
    return Contrast("a", "y", 0.0, 1.0, np.array(true), unit)


def test_scores_by_hand():
    asked, told = contrast(), np.array([2.0, 5.0])
    assert asked.bias(told) == pytest.approx(0.75)
    assert asked.bias(-told) == pytest.approx(-2.75) and asked.average(-told) == 2.75
    assert asked.relative(told) == pytest.approx(0.75)
    assert asked.individual(told) == pytest.approx(np.sqrt(2.5) / 2)
    with pytest.raises(ValueError, match="too near 0"):
        contrast((1.0, -1.0)).relative(told)


def test_intervals_by_hand():
    middle = np.linspace(-1, 1, 101)
    drawn = 2 + np.stack([middle, middle], 1)
    low, high = np.quantile(middle, [0.05, 0.95], method="weibull") + 2
    asked = contrast()
    assert asked.outside(drawn) == 0
    assert asked.interval_score(drawn) == pytest.approx((high - low) / 2)
    assert asked.rows_outside(drawn) == 1  # 1 and 3 lie beyond both ends of 90 %
    off = drawn + 4
    assert asked.outside(off) == 1
    assert asked.interval_score(off) == pytest.approx((high - low + 20 * (low + 4 - 2)) / 2)


def test_rows_are_thinned_to_what_can_be_held():
    rows = pd.DataFrame(np.zeros((5000, 10)))
    few, asked = contrast(np.arange(5000.0)).thinned(rows)
    assert few.size * 100 <= 2**21 < 5000 * 10 * 100
    np.testing.assert_array_equal(asked.true, np.asarray(few.index, dtype=float))


class Counting:
    """An estimate with a name, which counts how often it is asked for draws."""

    names = ("a", "y")

    def __init__(self, effect):
        self.effect, self.asked = effect, 0

    def drawn(self, verb, df, do, count, seed):
        self.asked += 1
        rows = np.zeros((count, len(df), 2))
        rows[:, :, 1] = self.effect * do["a"]
        return rows


def test_the_metrics_of_intervals_share_their_draws_and_no_other_estimates():
    data = Dataset(np.zeros((2, 2)), ("a", "y"), np.eye(2, k=1, dtype=bool))
    problem = Problem(data, np.zeros((2, 2)), contrast=contrast())
    names = ("effect_interval", "effect_outside", "effect_rows_outside")
    one, two = Counting(2.0), Counting(3.0)
    first, second, again = (
        [METRICS[name].value(problem, scm) for name in names] for scm in (one, two, one)
    )
    assert first == again == [0, 0, 1] and second == [10, 1, 0.5]
    assert (one.asked, two.asked) == (2, 1)  # both ends at once, and anew when asked again


def problems(**axes):
    return [t.problem() for t in load_suite("effects", "smoke", **{**CASE, **axes})]


def test_the_truth_has_no_error_and_least_squares_little():
    (continuous, binary) = problems()
    for name in ("effect_average", "effect_individual"):
        assert METRICS[name].value(continuous, continuous.truth) == 0
        for asked in (continuous, binary):
            linear = load_method("linear").fit_problem(asked, 0)
            assert METRICS[name].value(asked, linear) < 0.1
    assert abs(continuous.contrast.true.mean()) > 0.1 * continuous.contrast.unit


def test_a_binary_treatment_has_two_values_and_moves_with_its_parents():
    (continuous, binary) = problems()
    asked = binary.contrast
    rows = binary.context[asked.cause]
    assert set(np.unique(rows.round(9))) == {round(asked.low, 9), round(asked.high, 9)}
    assert np.corrcoef(rows, continuous.context[asked.cause])[0, 1] > 0.7
    assert binary.truth is None and not METRICS["residual"].applies(binary, continuous.truth)
    np.testing.assert_allclose(asked.true, continuous.contrast.true)  # lines: one effect for all


def test_intervals_of_least_squares_cover_what_they_should():
    outside = []
    for asked in problems(treatment="continuous", scms=12):
        linear = load_method("linear").fit_problem(asked, 0)
        assert METRICS["effect_outside"].applies(asked, linear)
        outside.append(METRICS["effect_outside"].value(asked, linear))
    assert np.mean(outside) < 0.4


def test_made_births_need_no_file():
    (task,) = load_suite("acic2016", "smoke", n_context=300, n_query=300)
    asked = task.problem()
    assert asked.contrast.true.std() > 1 and set(asked.context["z"]) == {0, 1}
    parents = asked.graph.pred
    assert len(parents["z"]) == 6 and set(parents["y"]) == {*parents["z"], "z"}
    s, t = (load_method(n).fit_problem(asked, 0) for n in ("s-learner", "t-learner"))
    errors = [METRICS["effect_individual"].value(asked, fitted) for fitted in (s, t)]
    assert max(errors) < asked.contrast.true.std() * 1.2
    assert errors[0] != errors[1]


def test_births_are_read_from_a_folder(tmp_path, monkeypatch):
    (tmp_path / "x.csv").write_text('"x_1","x_2"\n1,"A"\n2,"B"\n3,"C"\n4,"B"\n')
    lines = ["0,1,2,3,5", "1,1,2,3,5.5", "0,7,2,3,5", "1,1,9,3,5"]
    (tmp_path / "zymu_3.csv").write_text('"z","y0","y1","mu0","mu1"\n' + "\n".join(lines) + "\n")
    monkeypatch.setenv(DATA_DIR, str(tmp_path))
    read = acic.shipped(3)
    assert read.names == ("x_1", "x_2=B", "x_2=C")
    np.testing.assert_array_equal(read.x, [[1, 0, 0], [2, 1, 0], [3, 0, 1], [4, 1, 0]])
    np.testing.assert_array_equal(read.y, [1, 2, 7, 9])
    np.testing.assert_array_equal(read.effect, [2, 2.5, 2, 2])
    with pytest.raises(ValueError, match="zymu_4.csv.*--data-dir"):
        acic.shipped(4)
    (tmp_path / "x.csv").rename(tmp_path / "of_another_suite.csv")
    package = types.SimpleNamespace(submodule_search_locations=[str(tmp_path / "causallib")])
    monkeypatch.setattr(acic.importlib.util, "find_spec", lambda name: package)
    with (
        pytest.warns(UserWarning, match="has no x.csv: the files of causallib"),
        pytest.raises(ValueError, match="causallib/datasets/data/acic_challenge_2016/x.csv"),
    ):
        acic.shipped(3)
    monkeypatch.setattr(acic.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=f"cannot read {tmp_path}/x.csv"):
        acic.shipped(4)
    monkeypatch.delenv(DATA_DIR)
    monkeypatch.setattr(acic.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"condfip-bench\[acic\]"):
        acic.shipped(3)


def test_the_t_learner_splits_on_the_treatment():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=400), (rng.random(400) > 0.5) * 1.0
    z = (x + rng.normal(size=400) > 0) * 1.0
    y = np.where(z == 1, x, -x) + 0.1 * rng.normal(size=400)
    df = pd.DataFrame({"x": x, "w": w, "z": z, "y": y})
    edges = [("x", "z"), ("w", "z"), ("x", "y"), ("w", "y"), ("z", "y")]
    scm = TLearner().fit(df, edges)
    effect = scm.counterfactual(df, {"z": 1.0})["y"] - scm.counterfactual(df, {"z": 0.0})["y"]
    middle = np.abs(x) < 1
    assert np.sqrt(np.square(effect - 2 * x)[middle].mean()) < 0.3
