"""Cond-FiP as a method: its verbs, the published way, the shipped weights."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

import condfip
from bench.metrics import METRICS
from bench.suites.lorch import LorchTask
from bench.task import Problem
from condfip.checkpoint import load, read
from condfip.paper.config import SMOKE
from condfip.paper.method import SHIPPED, CondFiP, CondFiPPublished
from tests.condfip.conftest import EDGES


def problem(scenario: str = "RFF_IN", graph_kind: str = "er") -> Problem:
    return LorchTask(
        suite="lorch", variant="lorch", scenario=scenario, graph_kind=graph_kind, d=10, seed=5
    ).problem()


def test_the_package_offers_the_method():
    assert condfip.CondFiP is CondFiP
    with pytest.raises(AttributeError, match="nothing"):
        _ = condfip.nothing


def test_generating_the_noise_gives_back_the_rows(weights, table, graph):
    scm = CondFiP(weights).fit(table, graph)
    back = scm.generate(scm.noise(table))
    assert list(back.columns) == list(table.columns)
    np.testing.assert_allclose(back, table, rtol=1e-4, atol=1e-4)


def test_interventions_clamp_and_leave_non_descendants_alone(weights, table, graph):
    scm = CondFiP(weights).fit(table, graph)
    answer = scm.counterfactual(table, {"b": 2.0})
    assert (answer["b"] == 2.0).all()
    np.testing.assert_allclose(answer[["a", "c"]], table[["a", "c"]], atol=1e-5)
    assert not np.allclose(answer["d"], table["d"])


def test_columns_in_any_order_and_unit_give_the_same_answers(weights, table, graph):
    plain = CondFiP(weights).fit(table, graph).noise(table)
    moved = table[["c", "a", "d", "b"]] * 10 - 3
    answer = CondFiP(weights).fit(moved, graph).noise(moved) / 10
    np.testing.assert_allclose(answer[plain.columns], plain, atol=1e-4)


def test_a_row_is_answered_alone_as_among_others(weights, table, graph):
    scm = CondFiP(weights).fit(table, graph)
    np.testing.assert_allclose(scm.noise(table[5:6]), scm.noise(table)[5:6], atol=1e-5)


def test_many_rows_are_answered_in_pieces(weights, table, graph, monkeypatch):
    scm = CondFiP(weights).fit(table, graph)
    whole = scm.noise(table)
    monkeypatch.setattr("condfip.paper.method.TOKENS", 7)
    np.testing.assert_allclose(scm.noise(table), whole, atol=1e-5)


def test_graphs_without_edges_and_constant_columns_are_answered(weights, table):
    alone = nx.DiGraph()
    alone.add_nodes_from(table.columns)
    for method in (CondFiP(weights), CondFiPPublished(weights)):
        scm = method.fit(table, alone)
        np.testing.assert_allclose(scm.noise(table), table - table.mean())
        np.testing.assert_allclose(scm.noise_smoothed(table), table - table.mean())
    constant = table.assign(a=1.0)
    scm = CondFiP(weights).fit(constant, nx.DiGraph(EDGES))
    assert np.isfinite(scm.sample(5).to_numpy()).all()


class OneReading(CondFiP):
    """Without the mirror."""

    signs = (1,)


def test_f_is_the_mean_of_a_reading_and_of_one_in_the_mirror(weights, table, graph):
    both = CondFiP(weights).fit(table, graph).mechanism(table)
    plain = OneReading(weights).fit(table, graph).mechanism(table)
    mirrored = -OneReading(weights).fit(-table, graph).mechanism(-table)
    np.testing.assert_allclose(both, (plain + mirrored) / 2, atol=1e-5)
    assert not np.allclose(plain, mirrored, atol=1e-3)
    np.testing.assert_allclose(
        -CondFiP(weights).fit(-table, graph).mechanism(-table), both, atol=1e-5
    )


def test_the_published_way_abducts_with_the_encoder_and_generates_alike(weights, table, graph):
    ours, published = (kind(weights).fit(table, graph) for kind in (OneReading, CondFiPPublished))
    pd.testing.assert_frame_equal(ours.generate(table), published.generate(table))
    pd.testing.assert_frame_equal(published.noise(table), ours.noise_smoothed(table))
    pd.testing.assert_frame_equal(
        published.counterfactual(table, {"a": 0.0}),
        ours.generate(ours.noise_smoothed(table), {"a": 0.0}),
    )
    roots = ["a", "c"]
    residuals = ours.noise_smoothed(table)
    np.testing.assert_allclose(published.noise_scale, residuals.std(ddof=1))
    assert published.sample(10)[roots].notna().all(axis=None)


def test_the_published_way_leaves_the_noise_column_empty(weights):
    p = problem()
    published = CondFiPPublished(weights).fit(p.context, p.graph)
    assert not METRICS["noise"].applies(p, published)
    assert METRICS["noise_smoothed"].applies(p, published)


def test_noise_as_published_reads_the_context_in_units_of_all_rows(weights, table, graph):
    context, query = table[:25], table[25:] * 3 + 1
    scm = CondFiP(weights).fit(context, graph)
    both = pd.concat([context, query])
    units = both.mean(), both.std()
    answer = scm.noise_published(both)
    model = load(weights).model
    names = sorted(table.columns)
    z = torch.tensor(((context - units[0]) / units[1])[names].to_numpy(), dtype=torch.float32)
    adjacency = torch.zeros(1, 4, 4, dtype=torch.bool)
    for parent, child in EDGES:
        adjacency[0, names.index(parent), names.index(child)] = True
    expected = (z - model.encoder(z[None], adjacency)[0].detach()).numpy() * units[1][names].array
    np.testing.assert_allclose(answer[names][:25], expected, rtol=1e-3, atol=1e-4)
    assert len(answer) == 40 and list(answer.columns) == list(table.columns)


def test_a_root_is_its_mean_to_the_decoder(weights, table, graph):
    noise = CondFiP(weights).fit(table, graph).noise(table)
    np.testing.assert_allclose(noise["a"], table["a"] - table["a"].mean(), atol=1e-9)


def test_roots_are_their_mean_to_an_encoder_that_was_trained_without_them(weights, table, graph):
    asked = load(weights)
    told = {"joint": {"seconds": 1.0}}
    left_out = replace(asked, stages=told)
    everywhere = replace(SMOKE, joint=replace(SMOKE.joint, mask_roots=False))
    decoder = replace(SMOKE, decoder=replace(SMOKE.decoder, mask_roots=True))
    before, after, as_before, of_decoder = (
        CondFiP.of(checkpoint).fit(table, graph).noise_smoothed(table)
        for checkpoint in (
            asked,
            left_out,
            replace(left_out, config=everywhere),
            replace(asked, config=decoder),
        )
    )
    pd.testing.assert_frame_equal(before, as_before)
    pd.testing.assert_frame_equal(before, of_decoder)
    roots = ["a", "c"]
    np.testing.assert_allclose(after[roots], (table - table.mean())[roots], atol=1e-6)
    assert not np.allclose(before[roots], after[roots], atol=1e-2)
    pd.testing.assert_frame_equal(before[["b", "d"]], after[["b", "d"]])


def test_a_method_says_what_its_weights_are(weights):
    method = CondFiP(weights)
    assert method.checkpoint_sha == read(weights)[2] and method.pretrain_s == 3.5
    task = LorchTask(suite="lorch", variant="lorch", scenario="RFF_IN", graph_kind="er", d=10)
    assert method.seen_in_training(task)
    assert not method.seen_in_training(replace(task, scenario="RFF_OUT"))
    assert not method.seen_in_training(replace(task, shift="noise", alpha=2.0))


def errors(method: CondFiP, p: Problem) -> dict[str, float]:
    estimate = method.fit(p.context, p.graph)
    asked = ("noise", "sample", "counterfactual", "noise_smoothed")
    return {k: METRICS[k].value(p, estimate) for k in asked if METRICS[k].applies(p, estimate)}


def test_the_shipped_weights_are_small_and_know_their_history():
    assert SHIPPED.stat().st_size < 16 * 2**20
    method = CondFiP.from_pretrained()
    assert method.pretrain_s > 600
    assert {"encoder", "decoder"} <= method.loaded.stages.keys()
    assert all(s["datasets"] > 0 and s["commit"] for s in method.loaded.stages.values())


@pytest.mark.parametrize("scenario", [pytest.param("LIN_IN", marks=pytest.mark.slow), "RFF_IN"])
def test_the_shipped_weights_find_noise_and_mechanisms(scenario):
    p = problem(scenario)
    ours, published = errors(CondFiP(), p), errors(CondFiPPublished(), p)
    spread = p.query_noise_rows - p.query_rows + p.query_rows.mean(0)
    marginal = np.sqrt(np.square(spread / p.scale).mean(1)).mean()
    assert ours["noise"] < 0.6 * marginal and ours["sample"] < 0.8 * marginal
    assert ours["noise_smoothed"] == published["noise_smoothed"] < 0.6 * marginal
    assert ours["counterfactual"] < published["counterfactual"]
