"""The equations of the seven continuous CSuite sets, as published code and the release draw them.

Source: Geffner, Antoran, Foster, Gong, Ma, Kiciman, Sharma, Lamb, Kukla, Pawlowski, Allamanis,
Zhang, "Deep End-to-end Causal Inference", 2022 (arXiv 2202.02195), appendix on CSuite; used in
Mahajan et al., "Amortized Inference of Causal Models via Conditional Fixed-Point Iterations", TMLR
2025. Those of `EQUATIONS` have the constants of the published Cond-FiP code. In nonlin_simpson,
symprod_simpson, large_backdoor and weak_arrows they are not those of the CSuite release, which
`RELEASE` has, from causica/data_generation/csuite/simulate.py of microsoft/causica.

A layer is softplus(1 + parent) + softplus(0.5 + z) - 3: its second softplus, softplus(1.8 z) of
every x0 of the large sets and tanh(z) of nonlin_simpson are noise terms that enter additively.
"""

from typing import Any

import numpy as np

from bench.scm.equations import Equation, Exponential, Gaussians, Laplace, StudentT

NORMAL = Gaussians()


def softplus(t: Any) -> Any:
    """log(1 + e^t)."""
    return np.logaddexp(0, t)


def zero() -> float:
    """The rule of a node that is its noise."""
    return 0.0


def minus_one() -> float:
    """The rule of x0 of the large sets."""
    return -1.0


def half(x0: np.ndarray) -> np.ndarray:
    """x1 of lingauss and linexp."""
    return x0 / 2


def bump(x0: np.ndarray) -> np.ndarray:
    """x1 of nonlingauss."""
    return 6**0.5 * np.exp(-(x0**2))


def nonlin_x1(x0: np.ndarray) -> np.ndarray:
    """x1 of nonlin_simpson."""
    return softplus(1 - x0)


def release_nonlin_x1(x0: np.ndarray) -> np.ndarray:
    """x1 of nonlin_simpson in the release."""
    return softplus(1 - x0) - 1.5


def release_symprod_x3(x0: np.ndarray) -> np.ndarray:
    """x3 of symprod_simpson in the release."""
    return np.tanh(1.5 * x0)


def nonlin_x2(x0: np.ndarray, x1: np.ndarray) -> np.ndarray:
    """x2 of nonlin_simpson."""
    return np.tanh(2 * x1) + 1.5 * x0 - 1


def nonlin_x3(x2: np.ndarray) -> np.ndarray:
    """x3 of nonlin_simpson."""
    return 5 * np.tanh((x2 - 4) / 5) + 3


def symprod_x1(x0: np.ndarray) -> np.ndarray:
    """x1 of symprod_simpson."""
    return 2 * np.tanh(2 * x0)


def symprod_x2(x0: np.ndarray, x1: np.ndarray) -> np.ndarray:
    """x2 of symprod_simpson."""
    return x0 * x1 / 2


def symprod_x3(x0: np.ndarray) -> np.ndarray:
    """x3 of symprod_simpson."""
    return 5 * np.tanh(1.5 * x0) + 3


def wide(z: np.ndarray) -> np.ndarray:
    """The noise term of x0 of the large sets."""
    return softplus(1.8 * z)


def soft(z: np.ndarray) -> np.ndarray:
    """The noise term of a layer."""
    return softplus(0.5 + z)


def layer(parent: np.ndarray) -> np.ndarray:
    """A layer without its noise term."""
    return softplus(1 + parent) - 3


def falling_layer(parent: np.ndarray) -> np.ndarray:
    """The layer of weak_arrows that falls in its parent, without its noise term."""
    return softplus(1.5 - parent) - 3


def backdoor_x1(x0: np.ndarray) -> np.ndarray:
    """x1 of large_backdoor: 1.5 layers with z = 0."""
    return 1.5 * (layer(x0) + softplus(0.5))


def weak_x1(x0: np.ndarray) -> np.ndarray:
    """x1 of weak_arrows: 0.75 layers with z = 0."""
    return 0.75 * (layer(x0) + softplus(0.5))


def large_x7(x5: np.ndarray) -> np.ndarray:
    """x7 of the large sets."""
    return 1.5 * softplus(x5 + 1) - 1


def backdoor_x8(x6: np.ndarray, x7: np.ndarray) -> np.ndarray:
    """x8 of large_backdoor."""
    return 2 - softplus((x7 - 1.3 * x6) / 3 + 1)


def weak_x8(*x: Any) -> np.ndarray:
    """x8 of weak_arrows, a child of all others."""
    return softplus(0.1 * sum(x[:6]) + 0.5 * x[6] + 0.7 * x[7] + 1) - 2


def _layer(parent: int) -> Equation:
    return Equation(NORMAL, layer, (parent,), term=soft)


ROOT = Equation(NORMAL, zero)
LARGE_ROOT = Equation(NORMAL, minus_one, term=wide)
LARGE_X7 = Equation(NORMAL, large_x7, (5,), scale=0.3**0.5)

EQUATIONS: dict[str, tuple[Equation, ...]] = {
    "lingauss": (ROOT, Equation(NORMAL, half, (0,), scale=0.75**0.5)),
    "linexp": (
        Equation(Exponential(), zero),
        Equation(Exponential(), half, (0,), scale=0.75**0.5),
    ),
    "nonlingauss": (
        ROOT,
        Equation(NORMAL, bump, (0,), scale=(1 - 6 * (5**-0.5 - 1 / 3)) ** 0.5),
    ),
    "nonlin_simpson": (
        ROOT,
        Equation(NORMAL, nonlin_x1, (0,), scale=0.15**0.5),
        Equation(NORMAL, nonlin_x2, (0, 1), term=np.tanh),
        Equation(Laplace(), nonlin_x3, (2,), scale=0.1),
    ),
    "symprod_simpson": (
        ROOT,
        Equation(StudentT(), symprod_x1, (0,), scale=0.1**0.5),
        Equation(Laplace(), symprod_x2, (0, 1), scale=0.5),
        Equation(NORMAL, symprod_x3, (0,), scale=0.3**0.5),
    ),
    "large_backdoor": (
        LARGE_ROOT,
        Equation(NORMAL, backdoor_x1, (0,), scale=0.5),
        *(_layer(parent) for parent in range(5)),
        LARGE_X7,
        Equation(Laplace(), backdoor_x8, (6, 7), scale=0.6),
    ),
    "weak_arrows": (
        LARGE_ROOT,
        Equation(NORMAL, weak_x1, (0,), scale=0.75**0.5),
        Equation(NORMAL, falling_layer, (0,), term=soft),
        Equation(NORMAL, falling_layer, (1,), term=soft),
        *(_layer(parent) for parent in (2, 3, 4)),
        LARGE_X7,
        Equation(Laplace(), weak_x8, tuple(range(8)), scale=0.5),
    ),
}


def _with(name: str, **changed: Equation) -> tuple[Equation, ...]:
    """The equations of a set with some nodes, x0 and on, given by others."""
    return tuple(changed.get(f"x{j}", equation) for j, equation in enumerate(EQUATIONS[name]))


RELEASE_X7 = Equation(NORMAL, large_x7, (5,), scale=0.3)

RELEASE = EQUATIONS | {
    "nonlin_simpson": _with(
        "nonlin_simpson", x1=Equation(NORMAL, release_nonlin_x1, (0,), scale=0.15)
    ),
    "symprod_simpson": _with(
        "symprod_simpson",
        x1=Equation(StudentT(), symprod_x1, (0,), scale=0.1),
        x3=Equation(NORMAL, release_symprod_x3, (0,), scale=0.3),
    ),
    "large_backdoor": _with(
        "large_backdoor", x1=Equation(NORMAL, backdoor_x1, (0,), scale=0.25), x7=RELEASE_X7
    ),
    "weak_arrows": _with(
        "weak_arrows", x1=Equation(NORMAL, weak_x1, (0,), scale=0.75), x7=RELEASE_X7
    ),
}
