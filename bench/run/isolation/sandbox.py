"""What one method may change for everyone in its process, and how it is put back."""

import contextlib
import os
import random
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch


def _set_device(device: torch.device) -> None:
    torch.set_default_device(None if device == torch.device("cpu") else device)


def _set_deterministic(wanted: bool) -> None:
    if wanted != torch.are_deterministic_algorithms_enabled():  # the call imports a compiler
        torch.use_deterministic_algorithms(wanted)


def _set_environment(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def _set_path(path: list[str]) -> None:
    sys.path[:] = path


def _set_filters(filters: list[Any]) -> None:
    kept: Any = warnings.filters  # a list, whatever its type says
    kept[:] = filters


def _set_streams(streams: tuple) -> None:
    sys.stdout, sys.stderr = streams


def _set_alarm(handler: Any) -> None:
    signal.alarm(0)
    signal.signal(signal.SIGALRM, handler)


STATE: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (lambda: list(sys.path), _set_path),
    (random.getstate, random.setstate),
    (np.random.get_state, np.random.set_state),
    (np.geterr, lambda modes: np.seterr(**modes)),
    (torch.get_rng_state, torch.set_rng_state),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_default_device, _set_device),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.are_deterministic_algorithms_enabled, _set_deterministic),
    (lambda: dict(os.environ), _set_environment),
    (lambda: list(warnings.filters), _set_filters),
    (lambda: (sys.stdout, sys.stderr), _set_streams),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (lambda: signal.getsignal(signal.SIGALRM), _set_alarm),
)


@contextlib.contextmanager
def preserved_state() -> Iterator[None]:
    """Puts back, after a block, all of `STATE` that the block changed. Main thread only."""
    saved = [read() for read, _ in STATE]
    try:
        yield
    finally:
        for (_, write), value in zip(STATE, saved, strict=True):
            write(value)


def seed_globals(seed: int) -> None:
    """Starts the global random streams from a cell's own seed, so that order never matters.

    Our methods do not read them; a stranger's may.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Works in an empty folder that is gone afterwards, so that a method may delete it."""
    home = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="cell-", ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(home)
