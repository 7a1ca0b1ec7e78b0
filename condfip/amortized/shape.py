"""The shape of noise, as residuals tell it: how likely each kind, and what it makes of a row.

Letters: G nodes, N rows, K kinds of noise.
"""

import math

import torch
from torch import Tensor

FREEDOMS = (3.0, 5.0, 9.0)  # of Student's t
KINDS = ("normal", "laplace", *(f"t{f:g}" for f in FREEDOMS), "mixture")
SCALE_ROUNDS, MIXTURE_ROUNDS = 10, 25
CERTAIN = 0.5  # chance of light tails from which on rows count alike
ORDINARY = 2.0  # nats by which normal noise is the likelier before any row is seen
STRANGE = 2.5  # standard errors of skewness or of a flat kurtosis that make a mixture worth a try
SMALLEST = 1e-6  # of the mean square


def least_variance(rest: Tensor, chances: Tensor) -> Tensor:
    """One over the Fisher information that a row has of its own mean, [G, 1].

    Args:
        rest: residuals [G, N]. chances: of `KINDS` but the mixture [G, K - 1].
    """
    square = rest.square()
    parts = [1 / square.mean(1, keepdim=True), 1 / rest.abs().mean(1, keepdim=True).square()]
    parts += [(f + 1) / (f + 3) / _student_scale(square, f) for f in FREEDOMS]
    return 1 / (torch.cat(parts, 1) * chances).sum(1, keepdim=True)


def evidence(gap: Tensor, cavity: Tensor) -> Tensor:
    """Log evidence of left-out residuals for each of `KINDS`, at its best scale, [G, K].

    That of the mixture is less its further parameters' share (Schwarz 1978). Residuals are made
    alike first: where F is less sure in some rows than in others, those of normal noise have heavy
    tails too.

    Args:
        gap: left-out residuals [G, N]. cavity: variance of F in them [G, N].
    """
    total = gap.square().mean(1, keepdim=True).clamp(min=1e-300)
    noise = (total - cavity.mean(1, keepdim=True)).clamp(min=0.5 * total)
    factor = (noise / (noise + cavity)).sqrt()
    return _evidence(gap * factor) + factor.log().sum(1, keepdim=True)


def _evidence(rest: Tensor) -> Tensor:
    rest = rest - rest.mean(1, keepdim=True)
    n, square = rest.shape[1], rest.square().clamp(min=1e-300)
    normal = ORDINARY - 0.5 * n * ((2 * math.pi * square.mean(1)).log() + 1)
    laplace = -n * ((2 * rest.abs().mean(1)).clamp(min=1e-300).log() + 1)
    heavy = [_student(square, f) for f in FREEDOMS]
    return torch.stack([normal, laplace, *heavy, _mixture_evidence(rest)], 1)


def _student(square: Tensor, freedom: float) -> Tensor:
    scale = _student_scale(square, freedom)
    constant = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    constant -= 0.5 * math.log(freedom * math.pi)
    tail = torch.log1p(square / (freedom * scale)) * (freedom + 1) / 2
    return (constant - 0.5 * scale.log() - tail).sum(1)


def _student_scale(square: Tensor, freedom: float) -> Tensor:
    """Squared scale with the greatest likelihood, [G, 1]."""
    scale = square.mean(1, keepdim=True) * (freedom - 2) / freedom
    for _ in range(SCALE_ROUNDS):
        weight = (freedom + 1) / (freedom * scale + square)
        scale = (weight * square).mean(1, keepdim=True)
    return scale


def _mixture_evidence(rest: Tensor) -> Tensor:
    n = rest.shape[1]
    unit = rest / rest.square().mean(1, keepdim=True).sqrt().clamp(min=1e-150)
    skew, flat = (unit**3).mean(1).abs() / (6 / n) ** 0.5, (3 - (unit**4).mean(1)) / (24 / n) ** 0.5
    answer = torch.full_like(rest[:, 0], -torch.inf)
    odd = ((skew > STRANGE) | (flat > STRANGE)).nonzero().flatten()
    if len(odd):
        density = log_parts(rest[odd], *mixture(rest[odd])).logsumexp(2).sum(1)
        answer[odd] = density - 1.5 * math.log(n)
    return answer


def mixture(rest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, means and variances of two normals, by EM from the two halves, [G, 1, 2] each."""
    middle, whole = rest.quantile(0.5, dim=1, keepdim=True), rest.var(1)[:, None, None]
    part = torch.stack([(rest <= middle).to(rest), (rest > middle).to(rest)], 2)
    for _ in range(MIXTURE_ROUNDS):
        count = part.sum(1, keepdim=True).clamp(min=1e-6)
        mean = (part * rest[:, :, None]).sum(1, keepdim=True) / count
        square = (part * (rest[:, :, None] - mean).square()).sum(1, keepdim=True)
        variance = (square + 1e-2 * whole) / (count + 1)
        weight = count / count.sum(2, keepdim=True)
        part = torch.softmax(log_parts(rest, weight, mean, variance), 2)
    return weight, mean, variance


def log_parts(rest: Tensor, weight: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    square = (rest[:, :, None] - mean).square() / variance
    return weight.log() - 0.5 * ((2 * math.pi * variance).log() + square)


def parts_of(rest: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
    """Each row's noise variance and expected noise where noise is a mixture of two normals.

    Args:
        rest: residuals [G, N]. spread: variance of F in them [G, N].
    """
    weight, mean, variance = mixture(rest - rest.mean(1, keepdim=True))
    mean = mean - (weight * mean).sum(2, keepdim=True)
    unsure = 0.5 * spread[:, :, None] / variance
    part = torch.softmax(log_parts(rest, weight, mean, variance) - unsure, 2) / variance
    precision = part.sum(2)
    return 1 / precision, (part * mean).sum(2) / precision


def variances_of(rest: Tensor, spread: Tensor, chances: Tensor) -> Tensor:
    """Each row's noise variance, [G, N].

    Args:
        rest: residuals [G, N]. spread: variance of F in them [G, N]. chances: of `KINDS` but the
            mixture [G, K - 1].
    """
    square = rest.square() + spread
    mean = square.mean(1, keepdim=True).clamp(min=1e-300)
    square = square + SMALLEST * mean
    size = square.sqrt()
    parts = [1 / mean.expand_as(square), 1 / (size * size.mean(1, keepdim=True))]
    for f in FREEDOMS:
        parts.append((f + 1) / (f * _student_scale(square, f) + square))
    return 1 / (torch.stack(parts, 2) * chances[:, None]).sum(2)
