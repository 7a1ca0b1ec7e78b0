"""The in-context method: its laws, its extra verbs, its checkpoint, its goals."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

from bench.registry import load_suite
from bench.task import Dataset
from condfip.amortized.goals import Goal
from condfip.amortized.method import AmortizedGP
from condfip.amortized.model import FEW
from condfip.amortized.weights import SHIPPED, describe, load


@pytest.fixture(scope="module")
def problem():
    return load_suite("lorch", "smoke", seed=5, scenario="RFF_IN", n_context=80)[0].problem()


@pytest.fixture(scope="module")
def estimate(problem):
    return AmortizedGP().fit(problem.context, problem.graph)


def test_mean_and_deviation_cover_the_truth(problem, estimate):
    mean, deviation = estimate.predict_mechanism(problem.query)
    inner = problem.data.adjacency.any(0)
    truth = problem.query - problem.query_noise
    z = ((truth - mean) / deviation).to_numpy()[:, inner]
    assert mean.equals(estimate.mechanism(problem.query))
    assert (deviation.to_numpy() > 0).all()
    assert 0.75 < (np.abs(z) < 1.645).mean() < 1


def test_the_last_round_corrects_itself_where_a_node_has_several_parents():
    model, rows = load(SHIPPED).model, torch.Generator().manual_seed(0)
    for parents in (FEW, FEW + 1):
        x = torch.randn(2, 60, parents, generator=rows, dtype=torch.float64)
        data = (x, x.sin().sum(2), torch.ones(2, parents, dtype=torch.bool))
        with torch.no_grad():
            same = torch.equal(model.settled(*data).length, model(*data)[-1].length)
        assert same == (parents == FEW)


@pytest.mark.parametrize("noise", [1e-3, 0.5])  # too small for 32 bits, and not
def test_the_rounds_answer_alike_in_any_precision(monkeypatch, noise):
    rng, graph = np.random.default_rng(1), nx.DiGraph([("a", "c"), ("b", "c")])
    a, b = rng.normal(size=(2, 100))
    table = pd.DataFrame({"a": a, "b": b, "c": a - 2 * b + noise * rng.normal(size=100)})
    single = AmortizedGP().fit(table, graph).noise(table)
    monkeypatch.setattr("condfip.amortized.nodes.LOUD", np.inf)
    double = AmortizedGP().fit(table, graph).noise(table)
    assert np.allclose(single, double, atol=1e-3 * noise)


def test_intervals_hold_about_as_often_as_they_say(problem, estimate):
    low, high = estimate.predict_interval(problem.query, 0.8)
    inside = ((low <= problem.query) & (problem.query <= high)).to_numpy().mean()
    assert 0.7 < inside < 0.9


def test_shortcuts_answer_as_the_definitions_do(problem):
    for do in problem.clamps[:3]:
        estimate, other = (AmortizedGP().fit(problem.context, problem.graph) for _ in range(2))
        u = estimate.noise(problem.query)
        assert np.allclose(estimate.counterfactual(problem.query, do), other.generate(u, do))
        assert np.allclose(estimate.generate(u, do), other.generate(u, do), atol=1e-12)


def test_sampling_can_carry_the_mechanisms_uncertainty(estimate):
    plain = estimate.sample(4000, seed=1)
    wide = estimate.sample(4000, seed=1, uncertain=True)
    again = estimate.sample(4000, seed=1, uncertain=True)
    assert wide.equals(again) and not wide.equals(plain)
    assert (wide.var() > 0.9 * plain.var()).all()
    clamped = estimate.sample(5, do={"x0": 2.0}, uncertain=True)
    assert (clamped["x0"] == 2.0).all()


def test_more_rows_give_smaller_errors():
    errors = []
    for n in (50, 400):
        task = load_suite("lorch", "smoke", seed=5, scenario="LIN_IN", n_context=n)[0]
        problem = task.problem()
        mean, _ = AmortizedGP().fit(problem.context, problem.graph).predict_mechanism(problem.query)
        errors.append(float(np.abs(problem.query - problem.query_noise - mean).to_numpy().mean()))
    assert errors[1] < 0.6 * errors[0]


def test_it_says_what_it_was_trained_on():
    method = AmortizedGP()
    tasks = {t.scenario: t for t in load_suite("lorch", "smoke")}
    seen, inside = method.seen_in_training, tasks["LIN_IN"]
    assert seen(tasks["RFF_IN"]) is seen(inside) is True
    assert seen(tasks["RFF_OUT"]) is seen(replace(inside, shift="noise", alpha=2.0)) is False
    assert seen(load_suite("ecoli")[0]) is seen(load_suite("csuite")[0]) is False
    others = [{"noise": "laplace"}, {"n_context": 2000}, {"d": 200}, {"density": 2.0}]
    assert {seen(replace(inside, **other)) for other in others} == {"partly"}
    graphs = load_suite("lorch-graph", "smoke", scenario="LIN_IN")
    assert {t.given: seen(t) for t in graphs}["corrupt"] == "partly"
    assert method.pretrain_s > 0 and len(method.checkpoint_sha) == 64
    assert "parameters" in describe(SHIPPED)


def test_a_few_rows_are_too_few():
    data = Dataset(np.zeros((3, 2)), ("a", "b"), np.zeros((2, 2), dtype=bool))
    assert "rows" in AmortizedGP().skip(data)


def test_a_corrupted_checkpoint_is_refused(tmp_path):
    content = bytearray(SHIPPED.read_bytes())
    content[-1] ^= 1
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(content)
    with pytest.raises(ValueError, match="corrupted"):
        load(broken)


def test_goals_say_what_they_miss_and_what_they_lack():
    assert str(Goal("a", 1.0, 2.0)).startswith("MISS")
    assert str(Goal("a", 1.0, 0.5)).startswith("ok")
    assert str(Goal("a", 1.0, 0.5, met=False)).startswith("MISS")
    assert "not shipped" in str(Goal("a", 1.0, note="not shipped"))


def test_rows_may_be_many_and_parents_none():
    rows = torch.randn(300, 2, generator=torch.Generator().manual_seed(0)).numpy()
    fitted = AmortizedGP().fit(rows, nx.DiGraph([("x0", "x1")]))
    mean, deviation = fitted.predict_mechanism(rows)
    assert np.allclose(mean["x0"], rows[:, 0].mean()) and np.isfinite(deviation).all().all()


def test_lines_go_on_beyond_the_context_and_say_that_they_know_less():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1, 1, size=(2, 200))
    rows = np.stack([a, b, a - 2 * b + 0.05 * (a * b) + 0.1 * rng.normal(size=200)], 1)
    fitted = AmortizedGP().fit(rows, nx.DiGraph([("x0", "x2"), ("x1", "x2")]))
    far = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [4.0, -4.0, 0.0]])
    mean, deviation = fitted.predict_mechanism(far)
    assert np.allclose(mean["x2"], [0, 2, 12], atol=0.6)
    assert (np.diff(deviation["x2"]) > 0).all()
    low, high = fitted.predict_interval(far, 0.9)
    assert (np.diff(high["x2"] - low["x2"]) > 0).all()


def test_a_sorted_table_is_read_as_a_shuffled_one(problem, estimate):
    by = problem.context.columns[-1]
    order = AmortizedGP().fit(problem.context.sort_values(by), problem.graph)
    errors = [
        np.square(e.noise(problem.query) - problem.query_noise).to_numpy().mean()
        for e in (estimate, order)
    ]
    assert errors[1] < 1.15 * errors[0]


def test_many_rows_are_solved_without_all_of_their_kernel(monkeypatch):
    from bench.scm import many_rows
    from condfip.amortized import node, nodes

    for module in (node, nodes):
        monkeypatch.setattr(module, "LEFT_OUT", 150)
    for module in (many_rows, node, nodes):
        monkeypatch.setattr(module, "EXACT_ROWS", 150)
    task = load_suite("lorch", "smoke", seed=5, scenario="RFF_IN", n_context=1200)[0]
    problem = task.problem()
    weights = load(SHIPPED)
    weights.model.config = replace(weights.model.config, few=100, most=150)
    errors = []
    for n in (150, 1200):
        fitted = AmortizedGP.of(weights).fit(problem.context[:n], problem.graph)
        gap = (fitted.noise(problem.query) - problem.query_noise) / problem.query.std()
        errors.append(float(np.sqrt(np.square(gap).to_numpy().mean())))
        low, high = fitted.predict_interval(problem.query, 0.9)
        inside = ((low <= problem.query) & (problem.query <= high)).to_numpy().mean()
        assert 0.83 < inside < 0.97
    assert errors[1] < 0.8 * errors[0]
    assert len(fitted.sample(30)) == 30
