"""FiP, DECI, CausalNF and DoWhy: known answers, awkward inputs, and what scores base noise."""

import random
from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

from baselines.fip import Transformer, parent_weights
from baselines.randomness import seeded
from baselines.training import Recipe, annealed, train
from bench.analysis.published import matching
from bench.metrics import METRICS
from bench.metrics.distances import mmd
from bench.registry import Unavailable, load_method, load_suite
from bench.task import Dataset

METHODS = ["fip", "deci", "causalnf", "dowhy"]


def available(name):
    try:
        return load_method(name)
    except Unavailable as reason:
        pytest.skip(str(reason))


def table(rows, **columns):
    """Noise for every column asked for, then the columns that are functions of others."""
    rng = np.random.default_rng(0)
    df = pd.DataFrame({name: rng.normal(size=rows) for name in columns})
    for name, make in columns.items():
        if make is not None:
            df[name] = make(df)
    return df


def constant_column():
    df = table(60, a=None, b=lambda x: x.a + x.b, c=lambda x: 0 * x.a + 3.5)
    return df, nx.DiGraph([("a", "b"), ("c", "b"), ("a", "c")])


def twenty_rows():
    df = table(20, a=None, b=lambda x: 2 * x.a + 0.1 * x.b)
    return df, nx.DiGraph([("a", "b")])


def sixty_parents():
    names = [f"p{i}" for i in range(60)]
    df = table(100, **dict.fromkeys(names), y=lambda x: x[names].mean(axis=1) + 0.1 * x.y)
    return df, nx.DiGraph([(name, "y") for name in names])


def isolated_nodes():
    return table(60, a=None, b=lambda x: x.a + x.b, c=None, d=None), nx.DiGraph([("a", "b")])


def no_edges():
    return table(60, a=None, b=None), nx.DiGraph()


AWKWARD = [constant_column, twenty_rows, sixty_parents, isolated_nodes, no_edges]


@pytest.mark.slow
@pytest.mark.parametrize("make", AWKWARD)
@pytest.mark.parametrize("name", METHODS)
def test_awkward_input_is_answered_or_skipped(name, make):
    method, (df, graph) = available(name), make()
    graph.add_nodes_from(df.columns)
    if reason := method.skip(Dataset.of(df, graph)):
        assert len(reason) > 5
        return
    scm = method.fit(df, graph, seed=0)
    for answer in (scm.noise(df), scm.generate(scm.noise(df), {"a" if "a" in df else "p0": 1.0})):
        assert np.isfinite(answer.to_numpy()).all()
    assert np.isfinite(scm.sample(5).to_numpy()).all()
    back = scm.generate(scm.noise(df))
    np.testing.assert_allclose(back, df, atol=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_a_handful_of_rows_is_a_reason_to_skip(name):
    rows = np.random.default_rng(0).normal(size=(5, 2))
    data = Dataset.of(rows, nx.DiGraph([("x0", "x1")]))
    assert available(name).skip(data) == "fewer than 10 rows"


def plain_layer(network, z, child, parents):
    """The layer of FiP's published description, one row and one child at a time."""
    token = network.position[child]
    embedded = [z[j] * network.codebook[j] + network.position[j] for j in parents]
    query = network.query(token).view(8, 32)
    mixed = torch.zeros(8, 32)
    for head in range(8):
        keys = torch.stack([network.key(e).view(8, 32)[head] for e in embedded])
        values = torch.stack([network.value(e).view(8, 32)[head] for e in embedded])
        weight = (keys @ query[head] / 32**0.5).exp()
        mixed[head] = (weight / max(1.0, float(weight.sum()))) @ values
    token = network.norms[0](token + network.out(mixed.flatten()))
    token = network.norms[1](token + network.feed_forward(token))
    last = token * network.last_codebook[child] + network.last_position[child]
    return float(network.readout(last))


def test_folded_keys_and_values_are_those_of_the_plain_layer():
    parents = [np.array([], dtype=int), np.array([0]), np.array([0, 1]), np.array([], dtype=int)]
    with seeded(0), torch.no_grad():
        network, z = Transformer(parents), torch.randn(5, 4)
        answer = network(z, [2, 1])
        for row in range(5):
            for place, child in enumerate((2, 1)):
                plain = plain_layer(network, z[row], child, parents[child])
                assert float(answer[row, place]) == pytest.approx(plain, abs=1e-5)


def test_weights_of_parents_add_up_to_at_most_one():
    scores = torch.tensor([[-3.0, -4.0, 9.0], [2.0, 1.0, 9.0], [5.0, 5.0, 5.0]])
    present = torch.tensor([[True, True, False], [True, True, False], [False] * 3])
    weights = parent_weights(scores, present)
    low = np.exp(-3) + np.exp(-4)
    np.testing.assert_allclose(weights.sum(1), [low, 1, 0], rtol=1e-5)
    assert (weights[:, 2] == 0).all()


def test_a_block_with_its_own_seed_leaves_global_randomness_alone():
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    draws = []
    for _ in range(2):
        with seeded(2**62 + 1):
            draws.append((random.random(), np.random.rand(), float(torch.rand(1))))
    assert draws[0] == draws[1]
    assert random.getstate() == before[0] and torch.equal(torch.get_rng_state(), before[2])
    assert np.array_equal(np.random.get_state()[1], before[1])


def overfit(recipe):
    """A parameter that the kept rows (0) pull one way and the single row held out (1) another."""
    network = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(network.weight, 0.0)
    torch.nn.init.constant_(network.bias, 1.0)
    looks = []

    def loss(rows):
        looks.append(len(rows))
        return (
            (network(torch.zeros(len(rows), 1)) - (rows if len(rows) == 1 else -rows))
            .square()
            .mean()
        )

    train(network, loss, torch.ones(10, 1), recipe, 0)
    return float(network.bias.detach()), looks


def test_training_stops_and_keeps_the_weights_that_were_best():
    recipe = Recipe(50, 0, 0.1, anneal=False, held_out=0.1, check_every=1, patience=5)
    bias, looks = overfit(recipe)
    last, _ = overfit(replace(recipe, best=False))
    assert len(looks) == 2 * 6  # the first step is the best; five more without a gain
    assert bias == pytest.approx(0.9, abs=1e-3) and last < bias


def test_the_learning_rate_warms_up_and_fades():
    rates = [annealed(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.2) and max(rates) == pytest.approx(1.0)
    assert rates[-1] < 0.01 and rates[5:] == sorted(rates[5:], reverse=True)


def test_the_flow_puts_arrows_the_right_way_round():
    pytest.importorskip("zuko")
    from baselines.causalnf import CausalFlow

    collider = [np.array([], dtype=int), np.array([0, 2]), np.array([], dtype=int)]
    with seeded(0):
        flow = CausalFlow(collider)
    z = torch.randn(1, 3, requires_grad=True)
    u = flow(z)(z)
    reads = torch.stack(
        [torch.autograd.grad(u[0, j], z, retain_graph=True)[0][0] for j in range(3)]
    )
    assert (reads != 0).tolist() == [[True, False, False], [True, True, True], [False, False, True]]


def test_base_noise_is_scored_as_distributions_and_by_what_it_leaves():
    pytest.importorskip("zuko")
    (task,) = load_suite("lorch", "smoke", scenario="LIN_IN", graph_kind="er", n_context=200)
    problem, method = task.problem(), load_method("causalnf")
    scm = method.fit(problem.context, problem.graph, seed=0)
    applied = {name for name, m in METRICS.items() if m.applies(problem, scm)}
    assert applied == {"counterfactual", "noise_residual", "mmd_query", "mmd_intervention"}
    marginal = load_method("marginal").fit(problem.context, problem.graph)
    without_parents = METRICS["noise"].value(problem, marginal)
    assert METRICS["noise_residual"].value(problem, scm) < 0.5 * without_parents
    under_do = [METRICS["mmd_intervention"].value(problem, s) for s in (problem.truth, marginal)]
    assert 0 < under_do[0] < METRICS["mmd_intervention"].value(problem, scm) < under_do[1]


def test_rows_that_are_all_equal_have_no_discrepancy():
    assert mmd(np.ones((4, 2)), np.ones((5, 2))) == 0.0


def test_the_flows_residual_meets_table_25_alone():
    found = {(f.method, f.scenario): f.mean for f in matching("noise_residual", 10)}
    assert found["CausalNF", "RFF_IN"] == 0.41 and {m for m, _ in found} == {"CausalNF"}


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_a_curve_is_found_better_than_by_a_line(name):
    df = table(400, a=None, b=lambda x: np.sin(2 * x.a) + 0.1 * x.b)
    errors = []
    for method in (available(name), load_method("linear")):
        scm = method.fit(df, nx.DiGraph([("a", "b")]), seed=0)
        answer = scm.counterfactual(df, {"a": 0.75})["b"]
        truth = df["b"] - np.sin(2 * df["a"]) + np.sin(1.5)
        errors.append(np.sqrt(np.square(answer - truth).mean()))
    assert errors[0] < 0.5 * errors[1]
