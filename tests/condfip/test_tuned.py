"""The refined embedding: a Gaussian process around Cond-FiP's answer."""

import numpy as np
import pytest
import torch

from bench.metrics import METRICS
from bench.suites.lorch import LorchTask
from bench.task import Dataset, Problem
from condfip.checkpoint import Checkpoint
from condfip.paper import tuned as module
from condfip.paper.config import SMOKE
from condfip.paper.method import CondFiP
from condfip.paper.model import CondFiPModel
from condfip.paper.tuned import (
    CondFiPTuned,
    by_row,
    evidence,
    moved,
    padded,
    posterior,
    tangent,
)


def problem(scenario: str = "RFF_IN", n: int = 100, kind: str = "er") -> Problem:
    place = {"variant": "lorch", "scenario": scenario, "graph_kind": kind, "d": 10}
    return LorchTask(suite="lorch", **place, n_context=n, seed=5).problem()


def random() -> Checkpoint:
    """Networks whose weights are large enough to show every mistake."""
    torch.manual_seed(0)
    model = CondFiPModel(SMOKE.model).eval()
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, 1.0 if name.endswith("norm.weight") else 0.0, 0.3)
    return Checkpoint(SMOKE, model)


@pytest.fixture
def parts():
    """A decoder, vectors [S, T, L, 3, E], values [S, T, N, L] and which parents are some."""
    generator = torch.Generator().manual_seed(1)
    decoder = random().model.double().decoder
    vectors = torch.randn(2, 3, 3, 3, 16, dtype=torch.float64, generator=generator)
    z = torch.randn(2, 3, 5, 3, dtype=torch.float64, generator=generator)
    return decoder, vectors, z, torch.tensor([[True, False], [True, True], [True, True]])


def test_each_row_alone_is_answered_as_the_decoder_answers(parts):
    decoder, vectors, z, allowed = parts
    own = vectors[:, :, None].expand(*z.shape, 3, 16)
    plain = moved(decoder, vectors, torch.zeros_like(vectors), z, allowed)
    torch.testing.assert_close(by_row(decoder, own, z, allowed), plain)


def test_slopes_are_those_of_each_rows_answer(parts):
    decoder, vectors, z, allowed = parts
    weight = torch.tensor([0.5, -2.0], dtype=torch.float64)[:, None, None]
    answer, slopes = tangent(decoder, vectors, z, allowed, weight)
    one = torch.func.jacrev(lambda v: moved_exactly(decoder, v, z, allowed))(vectors)
    for s in range(2):
        for t in range(3):
            torch.testing.assert_close(slopes[s, t], weight[s] * one[s, t, :, s, t])
    assert (slopes[:, 0, :, 2] == 0).all() and slopes[:, 1, :, 2].abs().max() > 1e-4
    expected = (weight * moved_exactly(decoder, vectors, z, allowed)).sum(0)
    torch.testing.assert_close(answer, expected)


def moved_exactly(decoder, vectors, z, allowed):
    """F at the vectors."""
    return by_row(decoder, vectors[:, :, None].expand(*z.shape, 3, 16), z, allowed)


@pytest.mark.parametrize("size", [0.003, 0.3, 30])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64], ids=str)
def test_a_move_is_read_as_linear_however_far_it_goes(parts, kind, size):
    decoder, allowed = parts[0].to(kind), parts[3]
    vectors, z = (t.to(kind) for t in parts[1:3])
    change = size * torch.randn(vectors.shape, dtype=kind)
    exact = torch.func.jvp(lambda v: moved_exactly(decoder, v, z, allowed), (vectors,), (change,))
    error = moved(decoder, vectors, change, z, allowed) - sum(exact)
    assert error.abs().max() < 0.01 * exact[1].abs().max()


def test_the_evidence_is_that_of_the_gaussian_process_and_its_best(monkeypatch):
    torch.manual_seed(0)
    slopes = torch.randn(1, 30, 8, dtype=torch.float64)
    rest = (slopes @ torch.randn(8, 1, dtype=torch.float64))[..., 0]
    rest = rest + 0.5 * torch.randn(1, 30, dtype=torch.float64)
    kernel, scores = slopes @ slopes.mT, []
    mean = torch.linalg.eigvalsh(kernel).mean()
    for ratio in module.RATIOS:
        cover = kernel[0] + ratio * mean * torch.eye(30)
        scale = (rest[0] @ torch.linalg.solve(cover, rest[0])) / 30
        normal = torch.distributions.MultivariateNormal(torch.zeros(30).double(), scale * cover)
        scores.append((normal.log_prob(rest[0]).item(), ratio * mean * scale, cover))
    _, noise, cover = max(scores, key=lambda found: found[0])
    dual, found, _ = evidence(kernel, rest)
    torch.testing.assert_close(found[0], noise)
    torch.testing.assert_close(dual[0], torch.linalg.solve(cover, rest[0]))
    assert 0.3 < noise.sqrt() < 0.7


def test_slopes_a_line_and_a_smooth_function_have_a_third_of_the_prior_each():
    torch.manual_seed(0)
    slopes, values = torch.randn(1, 40, 6).double(), torch.randn(1, 40, 2).double()
    weight = torch.tensor([[3.0, 1.0]]).double()
    rest = (values @ torch.tensor([2.0, -1.0]).double()).sin() + 0.1 * torch.randn(1, 40).double()
    scaled = values[0] * (weight[0] / 4).sqrt()
    square = (scaled[:, None] - scaled).square().sum(-1)
    kernels = [40 * t @ t.mT / t.square().sum() for t in (slopes[0], values[0])]
    fits = []
    for length in module.LENGTHS:
        some = [*kernels, (-0.5 * square / length**2).exp()]
        dual, noise, score = evidence(sum(some)[None], rest)
        fits.append((score.item(), noise, [kernel @ dual[0] for kernel in some]))
    _, noise, expected = min(fits, key=lambda fit: fit[0])
    change, line, smooth, found = posterior(slopes, values, weight, rest)
    parts = [(slopes @ change[..., None])[0, :, 0], (values @ line[..., None])[0, :, 0]]
    torch.testing.assert_close([*parts, smooth(values)[0]], expected)
    torch.testing.assert_close(found, noise)


def test_an_answer_leans_on_a_parent_as_much_as_it_rises_with_its_value(parts):
    decoder, vectors, z, allowed = parts
    sign = torch.tensor([1.0, -1.0], dtype=torch.float64)[:, None, None]
    slopes = tangent(decoder, vectors, sign[..., None] * z[:1], allowed, sign / 2)[1]

    def mean(values):
        signed = sign[..., None] * values
        return (sign / 2 * moved_exactly(decoder, vectors, signed, allowed)).sum((0, 2))

    exact = torch.func.jacrev(mean)(z[:1]).diagonal(dim1=0, dim2=2)[0]  # [N, L, T]
    expected = exact[:, 1:].square().mean(0).sqrt().T
    torch.testing.assert_close(module.leaning(vectors, slopes, sign), expected)


def test_a_curve_is_learnt_by_a_network_that_knows_nothing():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 2))
    x[:, 1] = np.sin(2 * x[:, 0]) + 0.1 * x[:, 1]
    graph = np.array([[False, True], [False, False]])
    tuned = CondFiPTuned.of(random()).fit_arrays(Dataset(x, ("a", "b"), graph))
    fresh = rng.uniform(-1.5, 1.5, (200, 2))
    answer = tuned.mechanism(Dataset(fresh, ("a", "b"), graph).frame())["b"]
    assert np.std(answer - np.sin(2 * fresh[:, 0])) < 0.1


def test_where_rows_tell_nothing_the_zero_shot_answer_stays(monkeypatch):
    data, checkpoint = problem(n=60).data, random()
    monkeypatch.setattr(module, "FEWEST_ROWS", 61)
    plain, tuned = (kind.of(checkpoint).fit_arrays(data) for kind in (CondFiP, CondFiPTuned))
    np.testing.assert_allclose(
        tuned.noise(data.frame()), plain.noise(data.frame()), rtol=1e-4, atol=1e-4
    )


def test_a_linear_system_is_learnt_by_a_network_that_knows_nothing():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 3))
    x[:, 2] += 2 * x[:, 0] - x[:, 1]
    graph = np.zeros((3, 3), dtype=bool)
    graph[:2, 2] = True
    tuned = CondFiPTuned.of(random()).fit_arrays(Dataset(x, ("a", "b", "c"), graph))
    fresh = rng.standard_normal((200, 3))
    answer = tuned.mechanism(Dataset(fresh, ("a", "b", "c"), graph).frame())["c"]
    assert np.std(answer - 2 * fresh[:, 0] + fresh[:, 1]) < 0.15
    assert tuned.noise_scale[2] == pytest.approx(1, abs=0.2)


def test_nodes_are_padded_and_pieces_change_nothing(monkeypatch):
    place, allowed = padded([4, 2], [torch.tensor([1]), torch.tensor([0, 3])])
    assert place.tolist() == [[4, 1, 0], [2, 0, 3]] and allowed.tolist() == [[1, 0], [1, 1]]
    data, checkpoint = problem(n=40).data, random()
    whole = CondFiPTuned.of(checkpoint).fit_arrays(data).noise(data.frame())
    monkeypatch.setattr(module, "VECTORS", 300)
    pieces = CondFiPTuned.of(checkpoint).fit_arrays(data).noise(data.frame())
    np.testing.assert_allclose(pieces, whole, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("scenario", "share"),
    [pytest.param("LIN_IN", 0.95, marks=pytest.mark.slow), ("RFF_IN", 0.95)],
)
def test_the_shipped_weights_gain_by_it(scenario, share):
    p = problem(scenario, 400)
    errors = []
    for kind in (CondFiP, CondFiPTuned):
        estimate = kind().fit(p.context, p.graph)
        errors.append([METRICS[m].value(p, estimate) for m in ("noise", "sample")])
    assert np.all(np.array(errors[1]) < share * np.array(errors[0]))
