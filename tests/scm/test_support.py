"""What is said of rows beyond the context, and how mechanisms go on there."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from baselines.additive import Additive
from baselines.gp import GaussianProcess
from bench.registry import load_method
from bench.scm.support import BENT, STRAIGHT, Continued, Range, gate_of, straightness, support

GRAPH = nx.DiGraph([("a", "c"), ("b", "c"), ("c", "e")])
PARENTS = [np.array([], dtype=int), np.array([0])]


def table(n=300, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(-1, 1, size=(2, n))
    c = a + b + 0.1 * rng.normal(size=n)
    return pd.DataFrame({"a": a, "b": b, "c": c, "e": 2 * c + 0.1 * rng.normal(size=n)})


def continued(f):
    z = np.random.default_rng(0).uniform(-1, 1, size=(400, 2))
    return Continued(lambda x, nodes: np.stack([f(x[:, 0]) for _ in nodes], 1), z, PARENTS)


def test_gaps_are_in_deviations_and_none_are_within_the_range():
    known = Range.of(np.array([[0.0, 5.0], [2.0, 5.0], [4.0, 5.0]]))
    gap = known.gap(np.array([[1.0, 5.0], [4.0, 6.0], [7.0, 5.0]]))
    np.testing.assert_allclose(gap[:, 0], [0, 0, 3 / np.std([0, 2, 4])])
    assert gap[:, 1].tolist() == [0, np.inf, 0]


def test_a_line_that_flattens_beyond_the_context_goes_on_as_a_line():
    go_on = continued(lambda x: 3 * x.clip(-1, 1))
    answer = go_on(np.array([[0.3, 0.0], [5.0, 0.0]]), [1])
    np.testing.assert_allclose(answer[:, 0], [0.9, 15.0], rtol=0.02)


def test_what_is_bent_within_the_context_is_left_alone_beyond():
    go_on = continued(np.square)
    x = np.array([[0.3, 0.0], [5.0, 0.0]])
    np.testing.assert_array_equal(go_on(x, [1])[:, 0], np.square(x[:, 0]))


def test_the_gate_rises_with_the_share_that_a_line_explains():
    x = np.random.default_rng(0).normal(size=(500, 2))
    weights, share = straightness(x, x @ [1.0, -2.0])
    np.testing.assert_allclose(weights, [1, -2])
    assert share == pytest.approx(1) and gate_of(share) == 1
    assert straightness(x, np.square(x[:, 0]))[1] < BENT
    assert gate_of(BENT) == 0 < gate_of((BENT + STRAIGHT) / 2) < 1


def test_support_tells_inside_edge_and_outside_of_each_node():
    scm = load_method("linear").fit(table(), GRAPH)
    rows = pd.DataFrame({"a": [0.0, 0.99, 3.0], "b": 0.0, "c": [0.0, 0.99, 3.0], "e": 0.0})
    kinds, gap = support(scm, rows)
    assert kinds["c"].tolist() == ["inside", "edge", "outside"]
    assert (kinds[["a", "b"]] == "inside").all(axis=None)
    assert gap["c"][2] == pytest.approx((3 - table()["a"].max()) / table()["a"].std(ddof=0))
    assert (gap["c"][:2] == 0).all()


def test_support_under_do_reaches_the_descendants():
    scm = load_method("linear").fit(table(), GRAPH)
    before = support(scm, table())[0]
    kinds, gap = support(scm, table(20, seed=1), {"a": 4.0})
    assert (kinds[["c", "e"]] == "outside").all(axis=None) and (gap["e"] > 0).all()
    assert not (before == "outside").any(axis=None)


@pytest.mark.parametrize("method", [GaussianProcess, Additive])
def test_the_option_helps_where_mechanisms_are_lines(method):
    def error(**settings):
        scm = method(**settings).fit(table(), GRAPH)
        rows = pd.DataFrame({"a": [4.0, -4.0], "b": [3.0, -3.0], "c": 0.0, "e": 0.0})
        return np.abs(scm.mechanism(rows)["c"] - rows["a"] - rows["b"]).max()

    assert error(continuation="line") < 0.2
    assert error(continuation="line") <= error() + 0.1


def test_an_unknown_continuation_is_refused():
    for method in (GaussianProcess, Additive):
        with pytest.raises(ValueError, match="'curve'"):
            method(continuation="curve")
