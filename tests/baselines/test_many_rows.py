"""What methods do where a table has many rows: the same answers, in parts that fit into memory."""

import numpy as np
import pandas as pd
import pytest
import torch

from baselines import boosting, mlp
from bench.registry import load_method


@pytest.mark.parametrize("rows, networks", [(0, 3), (1, 3), (10, 3), (10, 10_000)])
def test_blocks_cover_every_row_once_and_stay_small(rows, networks, monkeypatch):
    monkeypatch.setattr(mlp, "CELLS", 600)
    parts = mlp.blocks(rows, networks)
    assert [i for part in parts for i in range(rows)[part]] == list(range(rows))
    assert all(part.stop - part.start <= max(1, 600 // (networks * mlp.WIDTH)) for part in parts)
    assert parts  # no rows are a block too


def test_networks_answer_in_blocks_as_at_once(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    parents = [np.empty(0, int), np.array([0]), np.array([0, 1])]
    inputs = [p for p in parents[1:] for _ in range(mlp.MEMBERS)]
    networks = mlp.Networks([1, 2], parents, mlp.initial(inputs, generator))
    z = np.random.default_rng(0).normal(size=(50, 3))
    x, y, train = torch.rand(10, 50, 2), torch.rand(10, 50), (torch.rand(10, 50) < 0.8).float()
    whole = networks(z, [1, 2]), mlp.held_out_error(x, y, train, networks.weights)
    monkeypatch.setattr(mlp, "CELLS", 10 * mlp.WIDTH * 7)
    parts = networks(z, [1, 2]), mlp.held_out_error(x, y, train, networks.weights)
    assert np.allclose(whole[0], parts[0], atol=1e-6)
    assert torch.allclose(whole[1], parts[1])
    assert networks(z[:0], [1, 2]).shape == (0, 2)


def test_trees_are_chosen_by_some_rows_and_fitted_to_all(monkeypatch):
    monkeypatch.setattr(boosting, "MOST_ROWS", 60)
    chosen, fitted = [], []
    path, trees = boosting._path, boosting.Trees
    monkeypatch.setattr(boosting, "_path", lambda x, *more: chosen.append(len(x)) or path(x, *more))
    monkeypatch.setattr(boosting, "Trees", lambda *a: fitted.append(len(a[-1])) or trees(*a))
    x = np.linspace(-1, 1, 240)
    load_method("boosting").fit(pd.DataFrame({"x": x, "y": x**2}), [("x", "y")])
    assert set(chosen) == {60}
    assert fitted == [240]
