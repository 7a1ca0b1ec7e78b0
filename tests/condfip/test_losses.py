"""What training draws, and the losses: published, masked, together."""

from dataclasses import replace

import pytest
import torch

from condfip.paper.config import SMOKE, PriorConfig
from condfip.paper.model import CondFiPModel
from condfip.paper.stage import LOSSES, decoder_loss, encoder_loss, joint_loss
from condfip.prior import Batch, draw_batch


def seeded(config: PriorConfig, size: int = 6, seed: int = 0) -> Batch:
    return draw_batch(config, size, torch.Generator().manual_seed(seed))


def test_a_batch_is_standardised_on_its_context_and_its_roots_are_constant():
    batch = seeded(PriorConfig(nodes=(5,), rows=(30,), queries=10))
    assert batch.rows.shape == (6, 40, 5) and batch.context == 30
    context = batch.rows[:, :30]
    torch.testing.assert_close(context.mean(1), torch.zeros(6, 5), atol=1e-4, rtol=0)
    torch.testing.assert_close(context.std(1), torch.ones(6, 5))
    spread = batch.target.std(1)
    assert torch.equal(spread < 1e-4, ~batch.adjacency.any(1))


@pytest.mark.parametrize("variant", ["lorch", "causica"])
@pytest.mark.parametrize("mechanism", ["LIN", "RFF"])
def test_every_prior_draws_finite_data(variant, mechanism):
    batch = seeded(PriorConfig((4,), (10,), 5, mechanisms=(mechanism,), variant=variant))
    assert batch.rows.isfinite().all() and batch.target.isfinite().all()


def test_the_encoder_loss_is_the_mean_over_rows_of_the_root_mean_square_over_nodes():
    model, batch = CondFiPModel(SMOKE.model), seeded(PriorConfig((3,), (4,)), 2)
    answer = model.encoder(batch.rows, batch.adjacency)
    for b in range(2):
        total = 0.0
        for n in range(4):
            squares = [(answer[b, n, j] - batch.target[b, n, j]).item() ** 2 for j in range(3)]
            total += (sum(squares) / 3) ** 0.5 / 4
        assert encoder_loss(model, batch, SMOKE.encoder)[b].item() == pytest.approx(total, rel=1e-5)


def test_the_decoder_loss_is_the_root_of_the_mean_square_on_the_queries():
    model, batch = CondFiPModel(SMOKE.model), seeded(PriorConfig((3,), (4,), 2), 2)
    data = model.embedding(batch.rows[:, :4], batch.adjacency)
    error = model.decoder(batch.rows[:, 4:], data, batch.adjacency) - batch.target[:, 4:]
    for b in range(2):
        total = sum(e.item() ** 2 for e in error[b].flatten()) / 6
        assert decoder_loss(model, batch, SMOKE.decoder)[b].item() == pytest.approx(
            total**0.5, rel=1e-5
        )


def test_the_last_queries_are_counterfactuals_of_the_first():
    prior = PriorConfig(nodes=(5,), rows=(30,), queries=10, interventions=0.5)
    batch = seeded(prior)
    assert batch.pairs == batch.chunk(1, 2).pairs == 5
    noise = (batch.rows - batch.target)[:, 30:]
    free = (noise[:, 5:] - noise[:, :5]).abs() < 1e-4
    clamped = ~free  # the others have the same noise
    assert (clamped.sum(2) == 1).all() and clamped.any(1).sum() > 6
    value = batch.rows[:, 35:][clamped].view(6, 5)
    context = batch.rows[:, :30]
    for b, row in clamped.nonzero()[:, :2]:
        column = context[b, :, clamped[b, row]].flatten()
        assert (column == value[b, row]).any()
        assert 3 <= (column <= value[b, row]).sum() <= 27
    with pytest.raises(ValueError, match="at most half"):
        seeded(replace(prior, interventions=0.6))


def test_the_decoder_loss_adds_errors_of_effects():
    batch = seeded(PriorConfig(nodes=(4,), rows=(8,), queries=4, interventions=0.5), 2)
    torch.manual_seed(0)
    model = CondFiPModel(SMOKE.model)
    plain, both = (
        decoder_loss(model, batch, SMOKE.decoder),
        decoder_loss(model, batch, SMOKE.decoder, 3.0),
    )
    answer = model.decoder(
        batch.rows[:, 8:], model.embedding(batch.rows[:, :8], batch.adjacency), batch.adjacency
    )
    effect = answer[:, 2:] - answer[:, :2] - batch.target[:, 10:] + batch.target[:, 8:10]
    added = both.square() - plain.square()
    torch.testing.assert_close(added, 3 * effect.square().mean((1, 2)), rtol=1e-4, atol=1e-6)


def test_a_step_draws_as_many_datasets_as_its_tokens_allow():
    prior = PriorConfig(nodes=(4,), rows=(10, 20, 40), queries=4, tokens=480, grow=9)
    sizes = {}
    for step in range(30):
        batch = draw_batch(prior, 3, torch.Generator().manual_seed(step), step)
        sizes.setdefault(batch.context, []).append((step, len(batch.rows)))
    assert {n: {size for _, size in found} for n, found in sizes.items()} == {
        10: {12},
        20: {6},
        40: {3},
    }
    assert min(step for step, _ in sizes[40]) > 6


def test_a_batch_says_which_datasets_are_linear():
    batch = seeded(PriorConfig(nodes=(2,), rows=(200,), queries=50))
    rows, f, graph = batch.rows.double(), batch.target.double(), batch.adjacency
    for b in range(6):
        if not graph[b].any():
            continue
        parent, child = graph[b].nonzero()[0].tolist()
        x = torch.stack([rows[b, :, parent], torch.ones(250, dtype=torch.float64)], 1)
        fit = x @ torch.linalg.lstsq(x, f[b, :, child]).solution
        assert bool((fit - f[b, :, child]).abs().max() < 1e-4) == bool(batch.linear[b])


def test_masked_roots_have_no_part_in_the_loss():
    batch = seeded(PriorConfig((4,), (8,), 4), 3)
    torch.manual_seed(0)
    model, masked = CondFiPModel(SMOKE.model), replace(SMOKE.joint, mask_roots=True)
    root = ~batch.adjacency.any(1)[:, None]
    moved = replace(batch, target=torch.where(root, batch.target + 7, batch.target))
    for name in LOSSES:
        one, other = (LOSSES[name](model, b, masked, 0.0) for b in (batch, moved))
        torch.testing.assert_close(one, other)
        asked = replace(masked, mask_roots=False)
        one, other = (LOSSES[name](model, b, asked, 0.0) for b in (batch, moved))
        assert not torch.allclose(one, other)


def test_with_roots_masked_a_node_weighs_as_the_root_of_how_many_parents_it_has():
    batch = seeded(PriorConfig((5,), (8,), 4), 3)
    torch.manual_seed(0)
    model, masked = CondFiPModel(SMOKE.model), replace(SMOKE.decoder, mask_roots=True)
    data = model.embedding(batch.rows[:, :8], batch.adjacency)
    error = model.decoder(batch.rows[:, 8:], data, batch.adjacency) - batch.target[:, 8:]
    weight = batch.adjacency.sum(1).sqrt()
    expected = ((error.square().mean(1) * weight).sum(1) / weight.sum(1)).sqrt()
    torch.testing.assert_close(decoder_loss(model, batch, masked), expected)


def test_together_the_encoder_learns_from_both_losses():
    batch = seeded(PriorConfig((4,), (8,), 4), 3)
    torch.manual_seed(0)
    model = CondFiPModel(SMOKE.model)
    context = replace(batch, rows=batch.rows[:, :8], target=batch.target[:, :8])
    apart = decoder_loss(model, batch, SMOKE.joint)
    apart = apart + 0.5 * encoder_loss(model, context, SMOKE.joint)
    torch.testing.assert_close(joint_loss(model, batch, SMOKE.joint), apart)
    of_decoder = (
        joint_loss(model, batch, SMOKE.joint).sum()
        - 0.5 * encoder_loss(model, context, SMOKE.joint).sum()
    )
    gradient = torch.autograd.grad(of_decoder, model.encoder.embed.weight)[0]
    assert gradient.abs().max() > 1e-5


@pytest.mark.parametrize("stage", [pytest.param("encoder", marks=pytest.mark.slow), "decoder"])
def test_one_dataset_can_be_overfitted(stage):
    torch.manual_seed(0)
    model, batch = CondFiPModel(SMOKE.model), seeded(PriorConfig((4,), (12,), 6), 1)
    optimiser = torch.optim.Adam(getattr(model, stage).parameters(), 1e-2)
    first = LOSSES[stage](model, batch, SMOKE.joint, 0.0).item()
    for _ in range(250):
        optimiser.zero_grad()
        loss = LOSSES[stage](model, batch, SMOKE.joint, 0.0).sum()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.25 * first
