"""Cond-FiP: zero-shot structural causal models from a pretrained network."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Loads `CondFiP` when it is asked for, so that importing the package costs nothing."""
    if name == "CondFiP":
        from condfip.paper.method import CondFiP

        return CondFiP
    raise AttributeError(f"module 'condfip' has no attribute {name!r}")
