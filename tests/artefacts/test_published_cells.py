"""A few cells of the published runs are computed again: which ones, the commit says."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest

from bench.analysis.results import as_asked, read_results
from bench.registry import find_suite
from bench.run.environment import commit
from bench.run.execute import Order, execute

ROOT = Path(__file__).parents[2]
RUNS = sorted(path.name for path in (ROOT / "results" / "published").iterdir())
CLOSED = ("marginal", "linear")  # of one formula: another machine gives the same to many digits
NO_EXTRA = ("", "r2sort")  # finders that are always there
CELLS, CLOSE, LARGEST = 6, 0.01, 400
CELL = ["suite", "task", "method"]


def drawn(frame, salt):
    """Cells of a run by the hash of the commit, so that each commit tries others."""
    cells = frame.drop_duplicates(CELL)
    words = cells["task"] + cells["method"] + salt
    order = words.map(lambda word: hashlib.sha256(word.encode()).hexdigest())
    return cells.loc[order.sort_values().index]


@pytest.fixture(scope="module")
def chosen():
    """One cell of each of a few runs, of suites whose rows come with the package."""
    salt, found = commit(), []
    for name in sorted(RUNS, key=lambda n: hashlib.sha256((n + salt).encode()).hexdigest()):
        frame = as_asked(read_results(name))
        small = frame["n_context"].le(LARGEST) & (frame.get("rows", "made") != "measured")
        small &= frame.get("discovery", pd.Series("", frame.index)).isin(NO_EXTRA)
        frame = frame[frame["method"].isin(CLOSED) & (frame["status"] == "ok") & small]
        if len(frame):
            cell = drawn(frame, salt).iloc[0]
            found.append(frame[(frame[CELL] == cell[CELL]).all(axis=1)])
    return found[:CELLS]


@pytest.mark.artefacts
def test_published_cells_come_out_again(chosen, tmp_path):
    assert len(chosen) == CELLS
    for k, published in enumerate(chosen):
        cell = published.iloc[0]
        task = find_suite(cell["suite"]).task(json.loads(cell["settings"]))
        folder = tmp_path / str(k)
        assert execute(Order([task], [cell["method"]], folder, jobs=1, quiet=True)) == 0
        again = as_asked(read_results(folder)).set_index(["metric", "metric_version"])["value"]
        was = published.set_index(["metric", "metric_version"])["value"].dropna()
        shared = was.index.intersection(again.index)
        assert len(shared), f"{cell['run']}, {cell['task']}: no metric in both"
        for metric in shared:
            place = f"{cell['run']}, {cell['task']}, {cell['method']}, {metric[0]}"
            assert again[metric] == pytest.approx(was[metric], rel=CLOSE, abs=1e-6), place
