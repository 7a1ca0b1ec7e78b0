"""Density, noise scale and length scale: each sets what it names and leaves all other draws."""

import numpy as np
import pytest
import torch

from bench.registry import find_suite, load_suite
from bench.scm.graphs import draw_graphs

CELL = {"scenario": "RFF_IN", "graph_kind": "er", "scms": 1}


def one(**axes):
    (task,) = load_suite("lorch", "smoke", **{**CELL, **axes})
    return task


def edges(kind, density, d=20, batch=200):
    generator = torch.Generator().manual_seed(0)
    return draw_graphs(kind, batch, d, generator, density).sum((1, 2)).double().mean() / d


@pytest.mark.parametrize(
    "kind,density", [("er", 0.5), ("er", 2.0), ("er", 5.0), ("sbm", 0.5), ("sbm", 1.0)]
)
def test_random_graphs_have_the_edges_that_are_asked_for(kind, density):
    assert edges(kind, density) == pytest.approx(density, rel=0.05)


@pytest.mark.parametrize("m", [1, 4])
@pytest.mark.parametrize("kind", ["sf_in", "sf_out"])
def test_scale_free_graphs_have_as_many_links_a_node(kind, m):
    assert edges(kind, m) == pytest.approx((20 * m - m * (m + 1) / 2) / 20)


def test_what_a_graph_cannot_have_is_refused():
    with pytest.raises(ValueError, match="whole number of edges per node, not 1.5"):
        load_suite("lorch", **{**CELL, "graph_kind": "sf_in"}, density=1.5)
    with pytest.raises(ValueError, match="lattice"):
        load_suite("lorch", scenario="RFF_OUT", graph_kind="ws", density=2)
    with pytest.raises(ValueError, match="positive"):
        load_suite("lorch", **CELL, density=-1)


def test_a_denser_graph_holds_the_edges_of_a_sparser_one():
    sparse, dense = (one(density=k).problem().data.adjacency for k in (1, 3))
    assert (dense | ~sparse).all() and dense.sum() > sparse.sum()
    assert one(density=3).scm == one().scm, "one block of statistics"


def test_the_noise_has_the_scale_that_is_asked_for_and_the_same_draws():
    plain, loud = one().problem(), one(noise_scale=3).problem()
    assert (loud.truth.scm.noise_model.scale == 3).all()
    drawn = plain.truth.scm.noise_model.scale[0].numpy()
    np.testing.assert_allclose(loud.query_noise_rows / 3, plain.query_noise_rows / drawn)
    assert np.array_equal(loud.truth.scm.mechanism.omega, plain.truth.scm.mechanism.omega)
    twice = one(noise_scale=3, shift="noise", alpha=2).problem()
    assert (twice.truth.scm.noise_model.scale == 6).all()


def test_random_features_have_the_length_that_is_asked_for_and_lines_none():
    plain, smooth = one().problem().truth.scm, one(length_scale=20).problem().truth.scm
    assert (smooth.mechanism.length == 20).all() and not (plain.mechanism.length == 20).any()
    for name in ("omega", "amplitude", "phase", "scale", "bias"):
        drawn = getattr(plain.mechanism, name)
        assert torch.equal(getattr(smooth.mechanism, name), drawn)
    assert one(scenario="LIN_IN", length_scale=20) == one(scenario="LIN_IN")


def test_the_floor_knows_what_was_asked_for():
    problem = one(length_scale=3, noise_scale=0.1, n_context=200).problem()
    error = problem.floor.mechanism(problem.query) - problem.truth.mechanism(problem.query)
    assert (error.std() / problem.scale).max() < 0.5 and problem.bounds == ("noise",)


def test_every_suite_of_these_scms_has_the_axes_and_the_default_is_the_prior():
    for name in ("lorch", "lorch-lowdata", "lorch-large", "lorch-shift", "lorch-graph"):
        axes = find_suite(name).axes
        assert axes["density"] == axes["noise_scale"] == axes["length_scale"] == (0.0,)
    assert "density" not in one().name and one(density=2).name.endswith("density=2")
