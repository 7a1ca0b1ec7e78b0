"""Laws of the networks."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear, silu

from condfip.paper.config import PAPER, SMOKE, ModelConfig
from condfip.paper.layers import over_parents, over_samples, parent_weights
from condfip.paper.model import AdaptiveLayer, CondFiPModel, Decoder, Embedding, Line, Parents
from condfip.paper.plain import PlainEncoder

CHAIN_AND_COLLIDER = [(0, 1), (1, 2), (3, 2)]


@pytest.fixture
def adjacency() -> Tensor:
    adjacency = torch.zeros(2, 4, 4, dtype=torch.bool)
    for parent, child in CHAIN_AND_COLLIDER:
        adjacency[:, parent, child] = True
    adjacency[1, 0, 3] = True
    return adjacency


@pytest.fixture
def model() -> CondFiPModel:
    torch.manual_seed(0)
    return CondFiPModel(SMOKE.model).double()


@pytest.fixture
def rows() -> Tensor:
    return torch.randn(2, 12, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_paper_preset_has_the_published_numbers_of_parameters():
    model = CondFiPModel(PAPER.model)
    assert round(count(model.encoder) / 1e6, 2) == 5.54
    assert count(model.decoder) == pytest.approx(8.18e6, rel=2e-3)


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
    value = torch.tensor([1.0, 10.0, 100.0])[None, :, None, None, None]
    zeros = torch.zeros(1, 3, 1, 1, 1)
    mixed = over_parents(adjacency)(zeros, zeros, value).flatten()
    torch.testing.assert_close(mixed, torch.tensor([0.0, 50.5, 0.0]))


def test_attention_over_samples_is_softmax_attention():
    query, key, value = torch.randn(3, 1, 2, 5, 2, 3, generator=torch.Generator().manual_seed(0))
    scores = torch.einsum("bdnhk,bdmhk->bdhnm", query, key) / 3**0.5
    expected = torch.einsum("bdhnm,bdmhk->bdnhk", scores.softmax(-1), value)
    torch.testing.assert_close(over_samples(query, key, value), expected)


def plain_layer(layer: AdaptiveLayer, h: Tensor, z: Tensor, data: Embedding, allowed: Tensor):
    """The adaptive layer with a key and a value for every row, as one would write it first."""
    steer = layer.modulation(silu(data.condition))[:, :, None].chunk(6, -1)
    inputs = z.mT[..., None] * data.codebook[:, :, None] + data.position[:, :, None]
    queries = layer.norms[0](h) * (1 + steer[0]) + steer[1]
    tokens = queries, layer.norms[1](inputs), layer.norms[2](inputs)
    query, key, value = (
        m(t).unflatten(-1, (layer.heads, -1)) for m, t in zip(layer.maps, tokens, strict=True)
    )
    scores = torch.einsum("bimhk,bjmhk->bimhj", query, key) / query.shape[-1] ** 0.5
    weights = parent_weights(scores, allowed[:, :, None, None])
    h = h + steer[2] * layer.out(torch.einsum("bimhj,bjmhk->bimhk", weights, value).flatten(-2))
    norm, first, activation, second = layer.feed_forward
    return h + steer[5] * second(activation(first(norm(h) * (1 + steer[3]) + steer[4])))


def test_the_joined_products_of_an_adaptive_layer_equal_plain_attention(adjacency, rows):
    torch.manual_seed(0)
    layer = AdaptiveLayer(ModelConfig(width=8, hidden=6, decoder_heads=2, decoder_head=3)).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    data = Embedding(*torch.randn(3, 2, 4, 8, dtype=torch.float64))
    h = torch.randn(2, 4, 12, 8, dtype=torch.float64)
    parents = Parents.of(adjacency, torch.arange(4))
    answer = layer(h, Line.of(rows, data, parents), data, parents)
    torch.testing.assert_close(answer, plain_layer(layer, h, rows, data, adjacency.mT))


def test_one_product_projects_as_three_norms_and_maps_do(model):
    block = model.encoder.layers[0].samples
    for norm in block.norms:
        torch.nn.init.normal_(norm.weight), torch.nn.init.normal_(norm.bias)
    x = torch.randn(1, 2, 3, 16, dtype=torch.float64)
    for projected, norm, map_ in zip(block._project(x), block.norms, block.maps, strict=True):
        plain = linear(layer_norm(x, (16,), norm.weight, norm.bias), map_.weight, map_.bias)
        torch.testing.assert_close(projected.flatten(-2), plain)


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


def test_permuted_nodes_give_permuted_answers(model, adjacency, rows):
    order = torch.tensor([2, 0, 3, 1])
    graph, moved = adjacency[:, order][:, :, order], rows[..., order]
    for answer in (
        lambda x, a: model.encoder(x, a),
        lambda x, a: model.decoder(x, model.embedding(x, a), a),
    ):
        torch.testing.assert_close(answer(moved, graph), answer(rows, adjacency)[..., order])


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_the_order_of_context_rows_does_not_matter(model, adjacency, rows, pooling):
    model.decoder.pooling = pooling
    shuffled = rows[:, torch.randperm(12, generator=torch.Generator().manual_seed(0))]
    one, other = (model.embedding(x, adjacency) for x in (rows, shuffled))
    torch.testing.assert_close(one.codebook, other.codebook)
    torch.testing.assert_close(one.condition, other.condition)


def test_a_graph_without_edges_has_finite_gradients(model, rows):
    empty = torch.zeros(2, 4, 4, dtype=torch.bool)
    model.decoder(rows, model.embedding(rows, empty), empty).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in model.decoder.parameters() if p.grad is not None)


def test_both_poolings_have_the_same_weights():
    sizes = {p: count(Decoder(ModelConfig(width=8, hidden=8, pooling=p))) for p in ("max", "mean")}
    assert sizes["max"] == sizes["mean"]


def test_the_encoder_equals_its_formulas_written_out(model, adjacency, rows):
    plain = PlainEncoder(SMOKE.model).double()
    plain.load_state_dict(model.encoder.state_dict())
    torch.testing.assert_close(model.encoder(rows, adjacency), plain(rows, adjacency))
