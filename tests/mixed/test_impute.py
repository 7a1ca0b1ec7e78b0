"""Holes filled by the SCM itself: what complete rows say, with wider intervals."""

import numpy as np
import pandas as pd
import pytest

from bench.mixed.impute import holed, impute
from bench.registry import load_method
from bench.suites.effects import effects, imputed_effects
from bench.suites.pooling import half_width
from bench.task import Problem
from tests.mixed.systems import MIXED, mixed_rows

SHARE, ROWS = 0.2, 1500
CHAIN = [("x", "y"), ("y", "z")]


def with_holes(table, seed=0, share=SHARE):
    """The same table with values missing completely at random."""
    rng = np.random.default_rng(seed)
    return (
        table.convert_dtypes()
        .mask(rng.random(table.shape) < share)
        .astype({n: "category" for n in table if isinstance(table[n].dtype, pd.CategoricalDtype)})
    )


def numbers(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = 2 * x + rng.normal(size=n)
    return pd.DataFrame({"x": x, "y": y, "z": np.sin(y) + 0.5 * rng.normal(size=n)})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["numbers", "mixed"])
def test_effects_are_those_of_complete_rows_within_two_standard_errors(kind):
    mixed = kind == "mixed"
    table, graph = (
        (mixed_rows(ROWS, np.random.default_rng(0)), MIXED) if mixed else (numbers(ROWS), CHAIN)
    )
    do = {"t": True} if mixed else {"x": 1.0}
    method = load_method("linear")
    whole = effects(method.fit(table, graph), table, graph, do)
    told = imputed_effects(method, with_holes(table), graph, do)
    error = (whole["high"] - whole["low"]) / 2 / 1.645
    assert ((told["effect"] - whole["effect"]).abs() <= 2 * error).all()
    wider = (told["high"] - told["low"]) / (whole["high"] - whole["low"])
    assert (wider > 0.8).all()
    assert wider.mean() > 1.02


def test_filled_rows_keep_what_was_there_and_have_its_spread():
    table = mixed_rows(ROWS, np.random.default_rng(0))
    data = holed(with_holes(table), MIXED)
    method = load_method("linear")
    found = impute(lambda d: method.fit_problem(Problem(d, d.rows[:0]), 0).coded(), data, 0)
    there = ~np.isnan(data.rows)
    assert len(found) == 5
    for scm, rows in found:
        assert np.array_equal(rows[there], data.rows[there])
        assert scm.names == data.names
        filled = data.table(rows)
        assert filled["k"].dtype.kind == "i"
        gap = np.corrcoef(rows[:, 3], rows[:, 0])[0, 1] - np.corrcoef(table["k"], table["a"])[0, 1]
        assert abs(gap) < 0.05  # a hot deck alone leaves .64 of it
    assert not np.array_equal(found[0][1], found[1][1])


def test_the_pooled_width_is_rubins():
    effects_, halves = np.array([1.0, 2.0, 3.0]), np.full(3, 1.645)
    within, between = 1.0, 4 / 3
    freedom = 2 * (1 + within / between) ** 2
    assert freedom == pytest.approx(6.125)
    assert half_width(effects_, halves, 0.9) == pytest.approx(
        1.937 * (within + between) ** 0.5, rel=0.01
    )
    assert half_width(np.ones(3), halves, 0.9) == pytest.approx(1.645)
