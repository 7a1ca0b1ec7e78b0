"""Gaussian processes with more rows than are solved exactly, and with fewer steps."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from baselines import gp
from bench.registry import load_method
from bench.scm import many_rows

GRAPH = nx.DiGraph([("a", "c"), ("b", "c")])


def table(n, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n))
    return pd.DataFrame({"a": a, "b": b, "c": truth(a, b) + 0.2 * rng.normal(size=n)})


def truth(a, b):
    return np.sin(1.5 * a) + 0.5 * a * b


def error(df, name="gp"):
    query = table(300, seed=1)
    f = load_method(name).fit(df, GRAPH).mechanism(query)["c"]
    return float(np.sqrt(np.square(f - truth(query["a"], query["b"])).mean()))


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(gp, "EXACT_ROWS", 200)
    monkeypatch.setattr(gp, "FITTED_ROWS", 150)
    monkeypatch.setattr(many_rows, "EXACT_ROWS", 200)


def test_rows_beyond_those_solved_exactly_still_count(few):
    assert error(table(1600)) < 0.7 * error(table(200))


def test_a_sorted_table_is_as_good_as_a_shuffled_one(few):
    df = table(800)
    assert error(df.sort_values("a")) < 1.1 * error(df)


def test_few_steps_come_close():
    df = table(300)
    assert error(df, "gp-fast") < 1.1 * error(df)
