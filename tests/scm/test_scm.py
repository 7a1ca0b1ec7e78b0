"""The simulator: known answers by algebra, moments, ranges of the prior."""

import networkx as nx
import numpy as np
import pytest
import torch

from bench.scm.base import AdditiveSCM, TrueSCM, order
from bench.scm.batched import BatchedSCM
from bench.scm.mechanisms import Draw, Linear, Ranges, draw_random_features
from bench.scm.noise import NOISES, Noise
from bench.scm.plan import make_plan
from bench.scm.prior import GRAPH_KINDS, SCENARIOS, VARIANTS, Family, draw_scms, on_graphs


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def linear_scm(weights, bias):
    """One float64 linear SCM with weights[i, j] on i -> j."""
    weights = torch.as_tensor(weights, dtype=torch.float64)
    adjacency = (weights != 0)[None]
    plan = make_plan(adjacency)
    d = len(weights)
    edge = torch.cat([weights[plan.parent[:-1] % d, plan.child[:-1] % d], torch.zeros(1).double()])
    mechanism = Linear(edge, torch.as_tensor(bias, dtype=torch.float64))
    return BatchedSCM(
        adjacency, plan, mechanism, Noise(NOISES["gaussian"](), torch.ones(1, d).double())
    )


def test_linear_do_and_counterfactual_by_algebra():
    rng = np.random.default_rng(0)
    weights = np.triu(rng.normal(size=(6, 6)), 1) * (rng.random((6, 6)) < 0.6)
    order = rng.permutation(6)
    weights, bias = weights[np.ix_(order, order)], rng.normal(size=6)
    scm = linear_scm(weights, bias)
    u = rng.normal(size=(30, 6))
    total = np.linalg.inv(np.eye(6) - weights)  # x = (u + c) (I - W)^-1
    x = scm.generate(torch.from_numpy(u)[None])[0].numpy()
    np.testing.assert_allclose(x, (u + bias) @ total, atol=1e-10)
    np.testing.assert_allclose(scm.noise(torch.from_numpy(x)[None])[0], u, atol=1e-10)
    for node in range(6):
        cut = weights.copy()
        cut[:, node] = 0
        clamped = u + bias
        clamped[:, node] = 1.7
        expected = clamped @ np.linalg.inv(np.eye(6) - cut)
        do = torch.full((1, 6), torch.nan, dtype=torch.float64)
        do[0, node] = 1.7
        answer = scm.counterfactual(torch.from_numpy(x)[None], do)[0]
        np.testing.assert_allclose(answer, expected, atol=1e-10)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_verbs_agree_in_batches_of_both_types(scenario, variant):
    kind = GRAPH_KINDS[scenario.split("_")[1]][0]
    scm = draw_scms(Family(scenario, variant), kind, 12, 6, generator())
    assert scm.sample(5, generator()).dtype == torch.float32
    scm = scm.to(torch.float64)
    u = scm.noise_model.draw(20, generator(1))
    x = scm.generate(u)
    torch.testing.assert_close(scm.noise(x), u, rtol=0, atol=1e-9)
    one = on_first(scm)
    torch.testing.assert_close(one.generate(u[:1]), x[:1], rtol=1e-12, atol=1e-9)


def on_first(scm):
    """The first SCM of a batch, cut out by hand."""
    from dataclasses import fields, replace

    plan, d = make_plan(scm.adjacency[:1]), scm.adjacency.shape[1]
    edges = len(plan.parent) - 1

    def cut(values):
        if len(values) == len(scm.plan.parent):
            return torch.cat([values[:edges], values[-1:]])
        return values[:d]

    parameters = {f.name: cut(getattr(scm.mechanism, f.name)) for f in fields(scm.mechanism)}
    noise = replace(scm.noise_model, scale=scm.noise_model.scale[:1])
    return BatchedSCM(scm.adjacency[:1], plan, replace(scm.mechanism, **parameters), noise)


def test_levels_and_descendants_of_a_graph():
    adjacency = np.zeros((4, 4), dtype=bool)
    for edge in ("ac", "bc", "cd", "ad"):
        adjacency["abcd".index(edge[0]), "abcd".index(edge[1])] = True
    levels, below = order(adjacency)
    assert levels == [[0, 1], [2], [3]]
    assert ["".join(np.array(list("abcd"))[row]) for row in below] == ["cd", "cd", "d", ""]
    assert order(np.zeros((3, 3), dtype=bool))[0] == [[0, 1, 2]]
    with pytest.raises(ValueError, match="cycle"):
        order(adjacency | adjacency.T)


def test_only_what_do_can_change_is_evaluated():
    asked = []

    def mechanisms(x, nodes):
        asked.append(list(nodes))
        return np.stack([x[:, j - 1] if j in (1, 2) else np.ones(len(x)) for j in nodes], 1)

    chain = np.zeros((4, 4), dtype=bool)
    chain[0, 1] = chain[1, 2] = True  # 0 -> 1 -> 2, and 3 alone
    scm = AdditiveSCM("abcd", chain, mechanisms, np.zeros((5, 4)))
    x = np.arange(8.0).reshape(2, 4)
    done = scm.counterfactual(x, {"b": 10.0})
    assert asked == [[2], [2]] and done.to_numpy().tolist() == [[0, 10, 11, 3], [4, 10, 11, 7]]
    asked.clear()
    for value in (1.0, 2.0):
        row = scm.generate(np.zeros((1, 4)), {"b": value}).to_numpy()[0]
        assert row.tolist() == [1, value, value, 1]
    assert asked == [[0, 3], [1], [2], [2], [2]]  # once without do, then what follows b


def test_rows_may_have_a_do_of_their_own():
    scm = draw_scms(Family("LIN_IN"), "er", 6, 2, generator(3)).to(torch.float64)
    u = scm.noise_model.draw(3, generator())
    do = torch.full((2, 3, 6), torch.nan, dtype=torch.float64)
    do[:, 0, 1], do[0, 1, 4] = 2.0, -1.0
    together = scm.generate(u, do)
    for row in range(3):
        torch.testing.assert_close(
            together[:, row], scm.generate(u[:, row : row + 1], do[:, row])[:, 0]
        )


def test_do_leaves_non_descendants_alone():
    scm = draw_scms(Family("RFF_IN"), "er", 15, 1, generator(3)).to(torch.float64)
    u = scm.noise_model.draw(10, generator())
    graph = nx.from_numpy_array(scm.adjacency[0].numpy(), create_using=nx.DiGraph)
    do = torch.full((1, 15), torch.nan, dtype=torch.float64)
    node = max(graph.nodes, key=graph.out_degree)
    do[0, node] = 3.0
    free, done = scm.generate(u)[0], scm.generate(u, do)[0]
    spared = sorted(set(graph) - nx.descendants(graph, node) - {node})
    assert torch.equal(free[:, spared], done[:, spared])
    assert (done[:, node] == 3).all()
    assert not torch.equal(
        free[:, sorted(nx.descendants(graph, node))], done[:, sorted(nx.descendants(graph, node))]
    )


def test_random_features_have_the_moments_of_their_kernel():
    adjacency = torch.zeros(1, 3, 3, dtype=torch.bool)
    adjacency[0, 0, 2] = adjacency[0, 1, 2] = True
    batch = 4000
    plan = make_plan(adjacency.expand(batch, -1, -1))
    ranges = Ranges(bias=(0.0, 0.0), length=((8.0, 8.0),), scale=((15.0, 15.0),))
    mechanism = draw_random_features(plan, Draw(ranges), generator())
    points = torch.tensor([[0.0, 0.0], [3.0, -4.0], [10.0, 2.0]])
    x = torch.zeros(batch, 3, 3)
    x[:, :, :2] = points
    scm = BatchedSCM(adjacency, plan, mechanism, Noise(NOISES["gaussian"](), torch.ones(batch, 3)))
    f = scm.mechanisms(x)[:, :, 2].double()
    distance = torch.cdist(points, points).double()
    kernel = 15**2 * torch.exp(-(distance**2) / (2 * 8**2))
    assert (f.mean(0).abs() < 4 * 15 / batch**0.5).all()
    assert ((f.T @ f / batch - kernel).abs() < 5 * 15**2 * 1.5 / batch**0.5).all()


def test_shared_features_are_shared_between_the_nodes_of_one_scm():
    shared = draw_scms(Family("RFF_IN", "causica"), "er", 10, 2, generator()).mechanism
    assert torch.equal(shared.phase[0], shared.phase[9])
    assert not torch.equal(shared.phase[0], shared.phase[10])
    own = draw_scms(Family("RFF_IN"), "er", 10, 2, generator()).mechanism
    assert not torch.equal(own.phase[0], own.phase[1])
    scale = draw_scms(Family("LIN_IN", "causica"), "er", 10, 2, generator()).noise_model.scale
    assert (scale == scale[:, :1]).all()


@pytest.mark.parametrize("shift", ["mechanism", "noise"])
def test_alpha_scales_the_same_draws(shift):
    plain = draw_scms(Family("LIN_OUT"), "ws", 10, 3, generator())
    shifted = draw_scms(Family("LIN_OUT", shift=shift, alpha=5.0), "ws", 10, 3, generator())
    factors = (5, 1) if shift == "mechanism" else (1, 5)
    torch.testing.assert_close(shifted.mechanism.weight, factors[0] * plain.mechanism.weight)
    torch.testing.assert_close(shifted.mechanism.bias, factors[0] * plain.mechanism.bias)
    torch.testing.assert_close(shifted.noise_model.scale, factors[1] * plain.noise_model.scale)


def test_parameters_stay_in_their_ranges():
    linear = draw_scms(Family("LIN_OUT"), "ws", 20, 50, generator()).mechanism.weight[:-1].abs()
    assert 0.5 <= linear.min() < 0.6 and 3.9 < linear.max() <= 4
    features = draw_scms(Family("RFF_OUT"), "ws", 20, 50, generator()).mechanism
    assert not ((features.scale > 12) & (features.scale < 18)).any()
    assert (features.length >= 5).all() and (features.length <= 12).all()


@pytest.mark.parametrize("name", NOISES)
def test_noise_has_mean_zero_and_its_variance(name):
    kind = NOISES[name]()
    draws = kind.draw((400_000,), generator()).double()
    assert draws.mean().abs() < 0.02 * kind.variance**0.5
    assert abs(draws.var() / kind.variance - 1) < 0.05


def test_the_estimate_and_the_truth_answer_alike():
    weights = np.zeros((3, 3))
    weights[0, 2], weights[1, 2] = 2.0, -1.0  # the collider x0 -> x2 <- x1
    truth = TrueSCM(("x0", "x1", "x2"), linear_scm(weights, np.array([0.0, 1.0, 3.0])))
    rows = np.random.default_rng(0).normal(size=(20, 3))

    def mechanisms(x, nodes):
        return (x @ weights + [0.0, 1.0, 3.0])[:, list(nodes)]

    estimate = AdditiveSCM(truth.names, weights != 0, mechanisms, rows)
    for verb in ("noise", "generate", "mechanism"):
        ours, theirs = getattr(estimate, verb)(rows), getattr(truth, verb)(rows)
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    ours = estimate.counterfactual(rows, {"x0": 1.0})
    np.testing.assert_allclose(ours, truth.counterfactual(rows, {"x0": 1.0}), atol=1e-12)
    assert np.allclose(ours["x2"] - rows[:, 2], 2 * (1 - rows[:, 0]))


def test_samples_have_the_noise_scale_they_are_given():
    rows = np.random.default_rng(0).normal(size=(500, 2))
    scm = AdditiveSCM(
        ("a", "b"),
        np.zeros((2, 2)),
        lambda x, nodes: 0 * x[:, list(nodes)],
        rows,
        np.array([2.0, 3.0]),
    )
    for noise in ("empirical", "gaussian"):
        spread = scm.sample(20_000, seed=1, noise=noise).std()
        np.testing.assert_allclose(spread, [2.0, 3.0], rtol=0.05)
    with pytest.raises(ValueError, match="noise is one of"):
        scm.sample(3, noise="pink")


def test_given_graphs_take_mechanisms():
    adjacency = torch.zeros(2, 2, 2, dtype=torch.bool)
    adjacency[0, 0, 1] = True
    scm = on_graphs(Family("RFF_IN"), adjacency, generator())
    assert scm.sample(4, generator()).shape == (2, 4, 2)
