"""Training of the in-context model: its prior, its network, its loop."""

import csv
import signal
from dataclasses import replace

import pytest
import torch

from condfip.amortized.config import PRESETS, SMOKE, Config, PriorConfig
from condfip.amortized.functions import FUNCTIONS
from condfip.amortized.model import InContextModel
from condfip.amortized.prior import benchmark as benchmark_tasks
from condfip.amortized.prior import broad, draw_tasks
from condfip.amortized.train import crps, nll, score, step_tasks, train
from condfip.amortized.weights import SHIPPED, load
from condfip.run import Run


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("source", [benchmark_tasks, broad])
def test_tasks_are_standardised_on_their_context(source):
    for seed in range(6):
        tasks = source(PriorConfig(), 8, 40, generator(seed))
        if not len(tasks.x):
            continue
        y = tasks.y[:, :40]
        assert torch.allclose(y.mean(1), torch.zeros(len(y), dtype=y.dtype), atol=1e-9)
        assert torch.allclose(y.std(1), torch.ones(len(y), dtype=y.dtype))
        assert (tasks.x[~tasks.mask[:, None].expand_as(tasks.x)] == 0).all()
        assert tasks.x.isfinite().all() and tasks.f.isfinite().all()


def test_truth_is_a_function_of_the_parents_also_under_interventions():
    config = PriorConfig(benchmark=1.0, noises=0.0, nodes=(5,), queries=60)
    tasks = draw_tasks(config, 12, 200, generator(3))
    residual = tasks.y - tasks.f
    inside, outside = residual[:, :230].std(1), residual[:, 230:].std(1)
    assert ((outside / inside - 1).abs() < 0.6).all()


def test_every_function_of_the_broad_prior_is_finite():
    x = torch.randn(3, 50, 4, generator=generator(), dtype=torch.float64)
    for name, function in FUNCTIONS.items():
        f = function(x, generator(1))
        assert f.shape == (3, 50) and f.isfinite().all(), name


def test_the_order_and_padding_of_parents_do_not_matter():
    tasks = step_tasks(SMOKE, 0, 0)
    n = tasks.context
    model = InContextModel(SMOKE.model)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.1, generator=generator())
    x, y, mask = tasks.x[:, :n], tasks.y[:, :n], tasks.mask
    answer = model(x, y, mask)[-1]
    turned = model(x.flip(2), y, mask.flip(1))[-1]
    pad = torch.nn.functional.pad
    padded = model(pad(x, (0, 2)), y, pad(mask, (0, 2)))[-1]
    assert torch.allclose(answer.noise, turned.noise, atol=1e-3)
    assert torch.allclose(answer.length, turned.length.flip(1), atol=1e-3)
    assert torch.allclose(answer.noise, padded.noise, atol=1e-3)
    assert torch.allclose(answer.length, padded.length[:, :-2], atol=1e-3)


def test_steps_are_functions_of_their_number():
    one, same, other = (step_tasks(SMOKE, 0, k) for k in (1, 1, 2))
    assert torch.equal(one.y, same.y)
    assert one.y.shape != other.y.shape or not torch.equal(one.y, other.y)


def test_losses_are_least_at_the_truth():
    error = torch.randn(20_000, generator=generator(), dtype=torch.float64)
    for loss in (nll, crps):
        values = [loss(error, torch.full_like(error, v)).mean() for v in (0.25, 1.0, 4.0)]
        assert values[1] == min(values)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The smallest training: its checkpoint and its exit code."""
    return train(SMOKE, tmp_path_factory.mktemp("first"))


def test_training_writes_a_checkpoint_that_answers(first):
    path, code = first
    weights = load(path)
    assert code == 0 and weights.history["steps"] == SMOKE.steps and weights.config == SMOKE
    tasks = step_tasks(SMOKE, 1, 0)
    n = tasks.context
    answers = weights.model(tasks.x[:, :n], tasks.y[:, :n], tasks.mask)
    assert score(answers[-1], tasks)[0].isfinite().all()
    scores = list(csv.DictReader((path.parent / "amortized.csv").open()))
    assert [row["step"] for row in scores] == [str(SMOKE.steps)]
    assert 0 < float(scores[-1]["RFF_IN"]) < 1


def test_a_resumed_run_equals_one_without_a_stop(tmp_path, monkeypatch):
    config = replace(SMOKE, steps=2)
    straight, _ = train(config, tmp_path / "straight")
    advance, stops = Run.advance, [0]

    def stop(run, device):
        if run.step in stops:
            stops.clear()
            signal.raise_signal(signal.SIGTERM)
        return advance(run, device)

    monkeypatch.setattr(Run, "advance", stop)
    assert train(config, tmp_path / "parts")[1] == 130
    parts, code = train(config, tmp_path / "parts", resume=tmp_path / "parts")
    one, other = (load(path).model.state_dict() for path in (straight, parts))
    assert code == 0 and all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_may_begin_from_trained_weights_and_counts_both(first, tmp_path):
    second, _ = train(SMOKE, tmp_path / "second", begin=first[0], seed=1)
    one, both = load(first[0]).history, load(second).history
    assert both["steps"] == 2 * one["steps"] and both["tasks"] > one["tasks"]


def test_few_rows_for_the_early_rounds_change_little():
    tasks = draw_tasks(PriorConfig(benchmark=1.0, nodes=(5,)), 6, 190, generator(2))
    x, y, errors = tasks.x[:, :190], tasks.y[:, :190], []
    for few in (190, 120):
        model = load(SHIPPED).model
        model.config = replace(model.config, few=few)
        errors.append(score(model(x, y, tasks.mask)[-1], tasks)[1])
    assert (errors[1] / errors[0]).mean() < 1.3


def test_presets_survive_a_checkpoints_header():
    for preset in PRESETS.values():
        assert Config.from_dict(preset.as_dict()) == preset
