"""The verbs over tables: known answers on chains, noise that is drawn node by node."""

import numpy as np
import pandas as pd
import pytest

from bench.loaded import complete
from bench.registry import load_method
from bench.scm.base import AdditiveSCM
from bench.scm.do import Draw, Scale, Shift
from bench.scm.verbs import to_array
from bench.task import Dataset

FIVE = tuple("abcde")
CHAIN = np.eye(5, k=1, dtype=bool)


class Plain:
    """An estimate with the two verbs that are needed, of columns that do not touch."""

    def __init__(self, offset=0.0):
        self.offset = offset

    def noise(self, df):
        return df - self.offset

    def generate(self, u, do=None):
        return (u + self.offset).assign(**(do or {}))


def apart(rows):
    """The same two columns as a fitted SCM of ours and as a stranger's."""
    nothing = np.zeros((2, 2), dtype=bool)
    data = Dataset(rows, ("a", "b"), nothing)
    ours = AdditiveSCM(data.names, nothing, lambda x, nodes: 0 * x[:, list(nodes)], rows)
    return {"ours": ours, "a stranger's": complete(Plain(), data)}


@pytest.mark.parametrize("whose", ["ours", "a stranger's"])
def test_noise_is_drawn_for_each_node_alone(whose):
    """Residuals of the context that go together say nothing of the noise: it is independent."""
    one = np.random.default_rng(0).normal(size=(300, 1))
    drawn = apart(np.hstack([one, one]))[whose].sample(4000, seed=1)
    assert abs(drawn.corr().loc["a", "b"]) < 0.08
    assert drawn["a"].std() == pytest.approx(float(one.std()), rel=0.1)


@pytest.mark.parametrize("whose", ["ours", "a stranger's"])
def test_noise_that_is_drawn_has_mean_0(whose):
    rows = np.random.default_rng(0).normal(size=(300, 2)) + 5
    drawn = apart(rows)[whose].sample(4000, seed=1)
    assert (drawn.mean().abs() < 0.1).all()


def chain_of_five(rounded=False):
    """a -> b -> c -> d -> e, each bending the one before; 200 rows, maybe with one decimal."""
    rng = np.random.default_rng(3)
    columns = [rng.normal(size=200)]
    for slope in (2.0, -1.0, 3.0, 0.5):
        columns.append(slope * np.tanh(columns[-1]) + 0.3 * rng.normal(size=200))
    rows = pd.DataFrame(np.column_stack(columns), columns=list(FIVE))
    return rows.round(1) if rounded else rows


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("name", ["linear", "additive", "boosting", "gp", "lad"])
def test_generating_the_abducted_noise_gives_fitted_rows_back(name, rounded):
    """On the rows that were fitted, five deep: errors of one node would pass down the chain."""
    rows = chain_of_five(rounded)
    scm = load_method(name).fit(rows, Dataset(rows.to_numpy(), FIVE, CHAIN).graph())
    back = scm.generate(scm.noise(rows))
    assert ((back - rows).abs() / rows.std()).to_numpy().max() < 1e-9


def doubling():
    """x_j = 2 x_(j-1) + u_j along a chain of five."""

    def mechanisms(x, nodes):
        return np.stack([2 * x[:, j - 1] if j else 0 * x[:, 0] for j in nodes], 1)

    return AdditiveSCM(FIVE, CHAIN, mechanisms, np.zeros((3, 5)))


U = pd.DataFrame([[1.0, 0, 0, 0, 0], [1.0, 1, 1, 1, 1]], columns=list(FIVE), index=["p", "q"])
DONE = {
    "a number": ({"b": 3.0}, [[1, 3, 6, 12, 24], [1, 3, 7, 15, 31]]),
    "an ancestor and a descendant": ({"d": 0.0, "b": 3.0}, [[1, 3, 6, 0, 0], [1, 3, 7, 0, 1]]),
    "parent and child": ({"b": 3.0, "c": -1.0}, [[1, 3, -1, -2, -4], [1, 3, -1, -1, -1]]),
    "a number a row": ({"c": [0.0, 10.0]}, [[1, 2, 0, 0, 0], [1, 3, 10, 21, 43]]),
    "a shift": ({"c": Shift(1.0)}, [[1, 2, 5, 10, 20], [1, 3, 8, 17, 35]]),
    "a scale": ({"c": Scale(0.5)}, [[1, 2, 2, 4, 8], [1, 3, 3.5, 8, 17]]),
    "a function": ({"c": np.negative}, [[1, 2, -4, -8, -16], [1, 3, -7, -13, -25]]),
    "changes, the lower first": (
        {"d": Shift(1.0), "c": Shift(1.0), "a": Shift(1.0)},
        [[2, 4, 9, 19, 38], [2, 5, 12, 26, 53]],
    ),
}


@pytest.mark.parametrize("kind", DONE)
def test_every_kind_of_do_by_algebra(kind):
    do, expected = DONE[kind]
    expected = pd.DataFrame(expected, U.index, U.columns, dtype=float)
    pd.testing.assert_frame_equal(doubling().generate(U, do), expected)
    rows = doubling().generate(U)
    pd.testing.assert_frame_equal(doubling().counterfactual(rows, do), expected)
    stranger = complete(Cast(doubling()), Dataset(rows.to_numpy(), FIVE, CHAIN))
    pd.testing.assert_frame_equal(stranger.generate(U, do), expected)


class Cast:
    """A stranger's estimate: the two verbs, and do() of numbers alone."""

    def __init__(self, scm):
        self.scm = scm

    def noise(self, df):
        return self.scm.noise(df)

    def generate(self, u, do=None):
        assert all(isinstance(value, float) for value in (do or {}).values())
        return self.scm.generate(u, do)


def test_draws_of_two_nodes_are_two_draws():
    drawn = doubling().sample(2000, {name: Draw("normal", 0, 1) for name in "ab"}, seed=1)
    assert abs(drawn[["a", "b"]].corr().loc["a", "b"]) < 0.1


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (lambda x: x + 1j, "expected numbers, got complex128"),
        (lambda x: pd.DataFrame(x, columns=["a", "b"]) + 1j, "expected numbers, got complex128"),
        (lambda x: x.astype("datetime64[ns]"), "expected numbers, got datetime64"),
        (lambda x: pd.DataFrame(x, columns=["a", "b"], dtype="timedelta64[ns]"), "got timedelta64"),
        (lambda x: np.ma.masked_array(x, mask=x > 0), "an array has masked values"),
    ],
)
def test_what_is_no_number_is_not_taken_for_one(odd, message):
    with pytest.raises(ValueError, match=message):
        to_array(odd(np.ones((3, 2))), ["a", "b"])
