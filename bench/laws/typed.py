"""The laws over a table of numbers and levels."""

import numpy as np
import pandas as pd

from bench.laws.trial import Trial, refuses, require
from bench.task import Dataset

EDGES = [("a", "t"), ("a", "y"), ("c", "y"), ("t", "y"), ("k", "y"), ("y", "m")]
ROWS = 160


def typed_table() -> pd.DataFrame:
    """A number, a treatment, a category, a count, an outcome and what follows from it."""
    rng = np.random.default_rng(0)
    a, c = rng.normal(size=ROWS), rng.integers(3, size=ROWS)
    t, k = rng.random(ROWS) < 1 / (1 + np.exp(-a)), rng.poisson(6, ROWS)
    y = a + 2.0 * t + 1.5 * (c == 1) + 0.2 * k + 0.5 * rng.normal(size=ROWS)
    m = np.where(y + rng.logistic(size=ROWS) > y.mean(), "high", "low")
    table = {"a": a, "c": pd.Categorical.from_codes(c, categories=["u", "v", "w"])}
    return pd.DataFrame({**table, "t": t, "k": k, "y": y, "m": pd.Categorical(m)})


def keeps_types_or_says_that_it_cannot(trial: Trial) -> None:
    """Counts, yes and no, and categories come back as they were, or `skip` has the reason."""
    table, method = typed_table(), trial.method
    if method.skip(Dataset.typed(table, EDGES)):
        refuses(lambda: method.fit(table, EDGES), "a table that skip refuses")
        return
    scm = method.fit(table, EDGES, seed=0)
    levels = ["c", "t", "m"]
    sampled, done = scm.sample(50, seed=1), scm.counterfactual(table, {"t": True})
    for answer in (sampled, done):
        require(answer.dtypes.equals(table.dtypes), "answers have other dtypes")
        require(not answer.isna().to_numpy().any(), "an answer has holes")
    require(bool((sampled["k"] >= 0).all()), "a count is below 0")
    rest = ["a", "c", "k"]
    require(done[rest].equals(table[rest]), "do(t) changes what does not descend from t")
    same = scm.counterfactual(table, {"t": table["t"].to_numpy()})
    require(same[levels].equals(table[levels]), "a level that nothing moves changes")
    if trial.learns:
        moved = float((done["y"] - table["y"])[~table["t"]].mean())
        require(1.0 < moved < 3.0, f"do(t) moves y by {moved:.2f}, not by about 2")


def names_the_hole_of_a_query(trial: Trial) -> None:
    """A query row that lacks a value is a ValueError that names its column."""
    holed = trial.query
    holed.iloc[2, 1] = np.nan
    for verb in (trial.estimate.noise, lambda df: trial.estimate.counterfactual(df, {"a": 0.0})):
        try:
            verb(holed)
        except ValueError as error:
            require("column b" in str(error), "a hole in column b is refused without its name")
            continue
        require(False, "a query with a hole is answered")
