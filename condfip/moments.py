"""Moments of optimisers as they come from a file, checked before they are used."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim import Muon, Optimizer

from condfip.saved import Saved

NAME = re.compile(r"(\d{1,6})\.(\w+)", re.ASCII)
OF_ADAM, OF_MUON = {"step", "exp_avg", "exp_avg_sq"}, {"momentum_buffer"}


def moments(saved: Saved, number: int, optimiser: Optimizer) -> dict[int, dict[str, Tensor]]:
    """The state of one optimiser; parameters without moments begin with none.

    Args:
        saved: the file. number: of the optimiser in it.

    Raises:
        ValueError: the file's moments are not those of the optimiser's parameters.
    """
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in saved.below(f"optimiser.{number}.").items():
        match = NAME.fullmatch(name)
        if not match or int(match[1]) >= len(parameters):
            raise saved.wrong(f"its optimiser {number} has an unknown {name[:40]}")
        state.setdefault(int(match[1]), {})[match[2]] = tensor
    fields = OF_MUON if isinstance(optimiser, Muon) else OF_ADAM
    for key, values in state.items():
        if set(values) != fields or not _fit(values, parameters[key].shape):
            raise saved.wrong(f"moments of its optimiser {number} do not fit parameter {key}")
    return state


def _fit(values: Mapping[str, Tensor], shape: torch.Size) -> bool:
    return all(
        value.shape == (() if name == "step" else shape) and bool(torch.isfinite(value).all())
        for name, value in values.items()
    )
