"""Graphs learnt from data: a registry of its own, one file and one entry-point line a method.

A discovery method is a class, built without arguments, with `discover(df, *, seed=0)`, which
returns a directed acyclic networkx graph over the table's columns.
"""

import inspect

import numpy as np

from bench.plugins import DISCOVERY, Unavailable, load
from bench.task import Dataset


def discover(name: str, data: Dataset, seed: int) -> np.ndarray:
    """The graph that a registered method finds in the rows of `data`: adjacency [D, D].

    Raises:
        ValueError: unknown name, or its answer is no acyclic graph over the columns.
        Unavailable: its extra is not installed.
    """
    frame = data.frame()
    return Dataset.of(frame, load(DISCOVERY, name)().discover(frame, seed=seed)).adjacency


def about(name: str) -> str:
    """One line about a discovery method: the first of its docstring, or how to install it."""
    try:
        return inspect.getdoc(load(DISCOVERY, name)).splitlines()[0]
    except Unavailable as error:
        return f"unavailable: {error}"
