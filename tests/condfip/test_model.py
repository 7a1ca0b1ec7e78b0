"""Laws of the networks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear, relu

from condfip.__main__ import main
from condfip.checkpoint import load
from condfip.paper.config import PAPER, POOLINGS, SMOKE, ModelConfig
from condfip.paper.decoder import Decoder, Targets
from condfip.paper.fused import AddLinear, AddNetwork, Edges, OverParents, Projections
from condfip.paper.layers import over_parents, over_samples, parent_weights
from condfip.paper.method import SHIPPED
from condfip.paper.model import CondFiPModel
from condfip.paper.plain import PlainModel
from condfip.paper.verify import LIMIT, differences

PUBLISHED = Path(__file__).parent / "published-network.npz"
CHAIN_AND_COLLIDER = [(0, 1), (1, 2), (3, 2)]


@pytest.fixture
def adjacency() -> Tensor:
    adjacency = torch.zeros(2, 4, 4, dtype=torch.bool)
    for parent, child in CHAIN_AND_COLLIDER:
        adjacency[:, parent, child] = True
    adjacency[1, 0, 3] = True
    return adjacency


def tiny(pooling: str = "max") -> CondFiPModel:
    torch.manual_seed(0)
    return CondFiPModel(replace(SMOKE.model, pooling=pooling)).double()


@pytest.fixture
def model() -> CondFiPModel:
    return tiny()


@pytest.fixture
def rows() -> Tensor:
    return torch.randn(2, 12, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_networks_answer_as_the_published_ones(capsys):
    assert max(gap for _, gap in differences(PUBLISHED)) < LIMIT
    assert main(["verify", str(PUBLISHED)]) == 0
    assert "as published" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("parameter/decoder.layers.1.modulation.bias", 70),  # a scale of the feed-forward network
        ("parameter/decoder.layers.0.norm_key.bias", 3),
        ("parameter/encoder.layers.1.parents.norm_value.weight", 2),
        ("decoder_F", 0),
    ],
)
def test_another_number_anywhere_is_another_network(tmp_path, capsys, name, place):
    arrays = dict(np.load(PUBLISHED))
    arrays[name] = arrays[name].astype(float)
    arrays[name].flat[place] += 1e-4
    np.savez(tmp_path / "other.npz", **arrays)
    assert main(["verify", str(tmp_path / "other.npz")]) == 1
    assert "DIFFERENT" in capsys.readouterr().out


def test_a_file_that_is_no_network_is_refused_in_one_line(tmp_path, capsys):
    arrays = dict(np.load(PUBLISHED))
    del arrays["parameter/decoder.norm.bias"]
    np.savez(tmp_path / "lacking.npz", **arrays)
    np.savez(tmp_path / "other.npz", x=np.zeros(2))
    (tmp_path / "text.npz").write_text("no arrays")
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "short.npz").write_bytes(PUBLISHED.read_bytes()[:2000])
    np.save((tmp_path / "array.npz").open("wb"), np.zeros(2))
    np.savez(tmp_path / "words.npz", x=np.array(["a"]))
    np.savez(tmp_path / "shapes.npz", **dict(np.load(PUBLISHED)) | {"context": np.zeros(3)})
    np.savez(tmp_path / "heads.npz", **dict(np.load(PUBLISHED)) | {"heads": np.zeros(())})
    odd = ("empty", "short", "array", "words", "shapes", "heads")
    for name in ("lacking", "other", "text", "none", *odd):
        assert main(["verify", str(tmp_path / f"{name}.npz")]) == 1
        error = capsys.readouterr().err
        assert name in error and error.count("\n") == 1


def test_the_paper_preset_has_the_published_numbers_of_parameters():
    model = CondFiPModel(PAPER.model)
    assert count(model.encoder) == 5_539_841
    assert count(model.decoder) == 8_173_057


def test_the_shipped_weights_answer_as_the_network_they_were_trained_in():
    """Numbers of the code that trained them, in float64."""
    model, t = load(SHIPPED).model.double(), torch.arange(48, dtype=torch.float64)
    rows, queries = (1 + t * t * 0.37).sin() * 1.5, (2 + t * 1.7).cos()
    rows, queries = rows.view(2, 6, 4), queries.view(2, 6, 4)
    graph = torch.zeros(2, 4, 4, dtype=torch.bool)
    for parent, child in CHAIN_AND_COLLIDER:
        graph[:, parent, child] = True
    graph[1, 0, 3] = True
    smoothed = model.encoder(rows, graph)
    answer = model.decoder(queries, model.embedding(rows, graph), graph)
    expected = [-0.5114887653, -0.3063702331, 0.4862585278, -3.1108605276]
    torch.testing.assert_close(answer[0, 0].tolist(), expected, rtol=0, atol=1e-9)
    assert smoothed.sum().item() == pytest.approx(16.262829408351493, abs=1e-10)
    assert answer.abs().sum().item() == pytest.approx(38.98399294114566, abs=1e-10)


def test_weights_over_parents_add_up_to_at_most_one_and_a_root_gets_nothing():
    scores = torch.tensor([[2.0, 3.0, 9.0], [-3.0, -4.0, 9.0], [1.0, 2.0, 3.0]], requires_grad=True)
    allowed = torch.tensor([[True, True, False], [True, True, False], [False] * 3])
    weights = parent_weights(scores, allowed)
    expected = scores.detach().exp() * allowed
    expected = expected / expected.sum(1, keepdim=True).clamp(min=1)
    torch.testing.assert_close(weights, expected)
    weights.square().sum().backward()
    assert (scores.grad[~allowed] == 0).all() and scores.grad.isfinite().all()


def test_weights_over_parents_bear_scores_of_any_size():
    scores = torch.tensor([[300.0, 299.0, 900.0], [-300.0, -301.0, 900.0]], requires_grad=True)
    allowed = torch.tensor([[True, True, False]] * 2)
    weights = parent_weights(scores, allowed)
    share = torch.tensor([1.0, 0.0]).softmax(0)
    expected = torch.stack([torch.cat([share, torch.zeros(1)]), torch.zeros(3)])
    torch.testing.assert_close(weights, expected)
    weights.square().sum().backward()
    assert (scores.grad[~allowed] == 0).all() and scores.grad.isfinite().all()


def test_only_parents_are_read_on_the_collider():
    adjacency = torch.zeros(1, 3, 3, dtype=torch.bool)
    adjacency[0, 0, 1] = adjacency[0, 2, 1] = True
    value = torch.tensor([1.0, 10.0, 100.0])[:, None, None]
    zeros = torch.zeros(3, 1, 1)
    mixed = over_parents(Edges.of(adjacency))(zeros, zeros, value, 1).flatten()
    torch.testing.assert_close(mixed, torch.tensor([0.0, 50.5, 0.0]))


def test_attention_over_samples_is_softmax_attention():
    query, key, value = torch.randn(3, 2, 5, 6, generator=torch.Generator().manual_seed(0))
    heads = (t.unflatten(2, (2, 3)) for t in (query, key, value))
    q, k, v = heads
    scores = torch.einsum("dnhk,dmhk->dhnm", q, k) / 3**0.5
    expected = torch.einsum("dhnm,dmhk->dnhk", scores.softmax(-1), v).flatten(2)
    torch.testing.assert_close(over_samples(query, key, value, 2), expected)


def doubles(*shapes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    made = (torch.randn(shape, dtype=torch.float64, generator=generator) for shape in shapes)
    return [t.requires_grad_() for t in made]


def test_gradients_that_are_written_out_are_those_of_the_function():
    x, y, w, b, v, a, u = doubles((6, 4), (6, 3), (4, 3), (4,), (5, 4), (5,), (4, 5))
    check = torch.autograd.gradcheck
    assert check(Projections.apply, (x, v, a, u.T.contiguous(), a))
    assert check(AddLinear.apply, (x, y, w, b))
    assert check(AddNetwork.apply, (x, v, a, u, b))
    for function, plain in (
        (Projections.apply(x, v, a)[0], linear(layer_norm(x, (4,)), v, a)),
        (AddLinear.apply(x, y, w, b), x + linear(y, w, b)),
        (
            AddNetwork.apply(x, v, a, u, b),
            x + linear(relu(linear(layer_norm(x, (4,)), v, a)), u, b),
        ),
    ):
        torch.testing.assert_close(function, plain)


@pytest.mark.parametrize("size", [0.3, 3.0, 30.0])
def test_attention_edge_by_edge_is_attention_to_parents(adjacency, size):
    adjacency[0, 0, 2] = adjacency[1, :3, 3] = True
    query, key, value = doubles(*[(8, 3, 4)] * 3)
    edges = Edges.of(adjacency)
    mixed = OverParents.apply(query * size, key, value, edges, 2)
    q, k, v = (t.view(2, 4, 3, 2, 2) for t in (query * size, key, value))
    scores = torch.einsum("binhk,bjnhk->bnhij", q, k) / 2**0.5
    weights = parent_weights(scores, adjacency.mT[:, None, None])
    expected = torch.einsum("bnhij,bjnhk->binhk", weights, v).reshape(8, 3, 4)
    torch.testing.assert_close(mixed, expected)
    for one, other in zip(
        torch.autograd.grad(mixed.square().sum(), (query, key, value), retain_graph=True),
        torch.autograd.grad(expected.square().sum(), (query, key, value)),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_the_networks_equal_their_formulas_written_out(model, adjacency, rows):
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    plain = PlainModel(SMOKE.model).double()
    plain.load_state_dict(model.state_dict())
    losses = []
    for network in (model, plain):
        tokens = network.encoder.tokens(rows, adjacency)
        answer = network.decoder(rows, network.decoder.embedding(tokens, adjacency), adjacency)
        losses.append(answer.square().sum() + network.encoder.read(tokens).square().sum())
        losses[-1].backward()
    torch.testing.assert_close(losses[0], losses[1])
    for one, other in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_dropout_acts_in_training_only(model, adjacency, rows):
    for layer in [*model.decoder.layers, model.decoder.dataset_layers[0].samples]:
        layer.dropout = 0.5
    embedded = model.embedding(rows, adjacency)
    torch.manual_seed(0)
    dropped = model.embedding(rows, adjacency).codebook
    model.eval()
    whole = model.embedding(rows, adjacency).codebook
    torch.testing.assert_close(whole, model.embedding(rows, adjacency).codebook)
    assert not torch.allclose(dropped, whole) and not torch.allclose(dropped, embedded.codebook)


def test_the_decoder_has_exactly_no_gradient_on_non_parents(model, adjacency, rows):
    data = model.embedding(rows, adjacency)
    z = rows.clone().requires_grad_()
    for node in range(4):
        answer = model.decoder(z, data, adjacency)[..., node].sum()
        gradient = torch.autograd.grad(answer, z, retain_graph=True)[0]
        read = (gradient != 0).any(1)  # [B, D]
        assert torch.equal(read, adjacency[:, :, node])


def test_a_row_answers_for_itself(model, adjacency, rows):
    data = model.embedding(rows, adjacency)
    together = model.decoder(rows, data, adjacency)
    torch.testing.assert_close(model.decoder(rows[:, 3:4], data, adjacency), together[:, 3:4])


def test_some_nodes_are_answered_as_in_all(model, adjacency, rows):
    data = model.embedding(rows, adjacency)
    nodes = torch.tensor([2, 0])
    part = model.decoder(rows, data, adjacency, nodes)
    torch.testing.assert_close(part, model.decoder(rows, data, adjacency)[..., nodes])


def test_targets_are_answered_alone_as_among_all(model, adjacency, rows):
    data = model.embedding(rows, adjacency)
    every = model.decoder(rows, data, adjacency)
    node = torch.tensor([6, 1, 2])  # numbers in 0 .. B D - 1
    part = model.decoder.answer(rows, data, Targets.of(adjacency, node))
    torch.testing.assert_close(part, every.mT.flatten(0, 1)[node])


def test_permuted_nodes_give_permuted_answers(model, adjacency, rows):
    order = torch.tensor([2, 0, 3, 1])
    graph, moved = adjacency[:, order][:, :, order], rows[..., order]
    for answer in (
        lambda x, a: model.encoder(x, a),
        lambda x, a: model.decoder(x, model.embedding(x, a), a),
    ):
        torch.testing.assert_close(answer(moved, graph), answer(rows, adjacency)[..., order])


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_order_of_context_rows_does_not_matter(adjacency, rows, pooling):
    model = tiny(pooling)
    shuffled = rows[:, torch.randperm(12, generator=torch.Generator().manual_seed(0))]
    one, other = (model.embedding(x, adjacency) for x in (rows, shuffled))
    torch.testing.assert_close(one.codebook, other.codebook)
    torch.testing.assert_close(one.condition, other.condition)


def test_a_graph_without_edges_has_finite_gradients(model, rows):
    empty = torch.zeros(2, 4, 4, dtype=torch.bool)
    model.decoder(rows, model.embedding(rows, empty), empty).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in model.decoder.parameters() if p.grad is not None)


def test_wide_pooling_has_two_more_maps_to_each_vector_and_a_norm():
    sizes = {p: count(Decoder(ModelConfig(width=8, hidden=8, pooling=p))) for p in POOLINGS}
    assert sizes["max"] == sizes["mean"] == sizes["wide"] - 3 * 16 * 8 - 2 * 16


def test_wide_pooling_sees_what_the_maximum_does_not():
    decoder = tiny("wide").decoder
    assert decoder.moments is not None
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randn(2, 4, 12, SMOKE.model.width, generator=generator).double()
    lower = torch.where(tokens == tokens.amax(2, keepdim=True), tokens, tokens - 1)
    names = ("codebook", "position", "condition")
    one, other = (vars(decoder.pooled(t)) for t in (lower, tokens))
    assert all(torch.equal(one[name], other[name]) for name in names)
    for layer in decoder.moments.maps.values():
        torch.nn.init.normal_(layer.weight)
    one, other = (vars(decoder.pooled(t)) for t in (lower, tokens))
    assert not any(torch.allclose(one[name], other[name]) for name in names)
