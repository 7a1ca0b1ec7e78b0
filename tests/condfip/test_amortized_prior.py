"""The training prior holds nothing of the suites that its network is scored on."""

import inspect

import pytest
import torch

from condfip.amortized import noise, prior
from condfip.amortized.config import BROAD, PriorConfig
from condfip.amortized.noise import FAMILIES, draw_shape
from condfip.amortized.prior import LARGEST, Tasks, broad, draw_tasks

# (family, parameters) of noises of csuite, csuite-gmm, ecoli, the OUT scenarios, violations (its
# outliers are Cauchy) and the axis `noise` of lorch, in the terms of `FAMILIES`: Laplace is an
# exponential power of 1, an exponential a gamma of shape 1, and a mixture of N(-m, s1), N(m, s2) in
# equal parts is one of gap 2 m / s1 and spread s2 / s1
OTHERS = {
    ("exponential power", (1.0,)),
    *(("student t", (df,)) for df in (1.0, 3.0, 5.0)),
    ("gamma", (1.0, 1.0)),
    ("gamma", (1.0, -1.0)),
    *(
        ("mixture", (0.5, 2 * m / s1, s2 / s1))
        for m, s1, s2 in [(2, 1, 1), (2, 2, 2), (2, 1, 2), (5, 1, 1), (5, 2, 2), (5, 1, 2)]
    ),
}


def shapes(count=400):
    g = torch.Generator().manual_seed(0)
    return [draw_shape(g) for _ in range(count)]


def test_no_noise_of_another_suite_is_drawn():
    drawn = {(s.family, tuple(round(v, 6) for v in s.parameters)) for s in shapes()}
    assert {family for family, _ in drawn} == set(FAMILIES)
    assert not drawn & OTHERS


@pytest.mark.parametrize("word", ["softplus", "_OUT", "csuite", "0.972", "1.306", "NOISES"])
def test_no_formula_or_constant_of_another_suite_is_written(word):
    assert word not in inspect.getsource(prior) + inspect.getsource(noise)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_has_mean_0_and_variance_1(name):
    g = torch.Generator().manual_seed(1)
    for _ in range(3):
        shape = FAMILIES[name](g)
        u = shape.draw((200_000,), g)
        if name == "student t" and shape.parameters[0] < 4.5:
            continue  # its sample variance has none itself
        assert u.mean().abs() < 0.03 and (u.var() - 1).abs() < 0.15


def test_queries_beyond_the_context_are_as_many_and_as_far_as_they_should():
    config = PriorConfig(queries=48, beyond=1 / 3)
    outs, far = [], []
    for seed in range(8):
        tasks = draw_tasks(config, 12, 60, torch.Generator().manual_seed(seed))
        here, query = tasks.x[:, :60], tasks.x[:, 60:]
        low, high = here.amin(1, keepdim=True), here.amax(1, keepdim=True)
        gap = torch.maximum(query - high, low - query).clamp(min=0)
        outs.append((gap[:, -16:].amax(2) > 0.4).double().mean(1))
        far.append(gap[:, -16:].flatten())
        assert tasks.f.isfinite().all() and tasks.y.isfinite().all()
    assert 0.25 < torch.cat(outs).mean() < 0.9
    assert torch.cat(far).max() < 6.5
    assert BROAD.prior.beyond > 0


def test_tasks_that_explode_are_not_trained_on():
    x = torch.randn(3, 30, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    f = x.sum(2)
    f[1, -1] = 1e4
    tasks = Tasks.of(x, f, f, torch.ones(3, 2, dtype=torch.bool), 20)
    assert torch.equal(tasks.tame().f, tasks.f[[0, 2]])
    config = PriorConfig(benchmark=0.0, beyond=1 / 3)
    raw = [broad(config, 12, 40, torch.Generator().manual_seed(s)).f for s in range(60)]
    assert max(f.abs().max() for f in raw) > LARGEST
    for s in range(8):
        tasks = draw_tasks(config, 12, 40, torch.Generator().manual_seed(s))
        assert tasks.f.abs().max() <= LARGEST and len(tasks.x) == 12
