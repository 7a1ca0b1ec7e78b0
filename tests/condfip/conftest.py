"""Weights that know nothing, a table of four columns and its graph."""

from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

from condfip.checkpoint import Checkpoint
from condfip.paper.config import SMOKE
from condfip.paper.model import CondFiPModel

EDGES = [("a", "b"), ("c", "b"), ("b", "d")]


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "smoke.safetensors"
    stages = {"encoder": {"seconds": 1.0}, "decoder": {"seconds": 2.5}}
    Checkpoint(SMOKE, CondFiPModel(SMOKE.model), stages).save(path)
    return path


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    a, c = rng.normal(size=(2, 40))
    b = a - c + 0.1 * rng.normal(size=40)
    return pd.DataFrame({"d": b**2, "b": b, "a": 5 + 3 * a, "c": c})


@pytest.fixture(scope="module")
def graph() -> nx.DiGraph:
    return nx.DiGraph(EDGES)
