"""What an estimate learnt along each edge: F of a node while one parent moves, the others still."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from bench.method import member
from bench.suites.asked import Asked, Estimate
from bench.task import Dataset, as_frame

POINTS = 25
EDGES = 24  # more are not drawn


def edges_of(data: Dataset) -> list[tuple[int, int]]:
    """(parent, child) column numbers of the edges that are shown: a category has no F."""
    edges = [(int(i), int(j)) for j, i in np.argwhere(data.adjacency.T)]
    kinds = [c.kind for c in data.columns] or ["float"] * len(data.names)
    return [(i, j) for i, j in edges if kinds[j] != "category"][:EDGES]


def probe(data: Dataset) -> np.ndarray:
    """Rows that move one parent from its 1 % to its 99 % quantile, others at their mean, [E P, D].

    E edges after one another, P points each.
    """
    rows, middle = [], data.rows.mean(0)
    for j in data.discrete:
        middle[j] = np.bincount(data.rows[:, j].astype(int)).argmax()
    whole = [j for j, column in enumerate(data.columns) if column.kind != "float"]
    for i, _ in edges_of(data):
        part = np.tile(middle, (POINTS, 1))
        low, high = np.quantile(data.rows[:, i], [0, 1] if i in data.discrete else [0.01, 0.99])
        part[:, i] = np.linspace(low, high, POINTS)
        part[:, whole] = np.rint(part[:, whole])
        rows.append(part)
    return np.vstack(rows)


def curves(asked: Asked, estimate: Estimate, ends: tuple[float, float]) -> list[dict[str, Any]]:
    """For each edge: parent, child, x, F and the ends of F where the estimate knows them."""
    data, edges = asked.data, edges_of(asked.data)
    abduct = member(estimate, "noise_residual")
    if not edges or (abduct is None and estimate.noise_space != "additive"):
        return []
    rows = probe(data)
    frame = as_frame(rows, data.names)
    value = rows - (abduct or estimate.noise)(frame).to_numpy(dtype=float)
    band = None
    if asked.draws(estimate) and asked.count * rows.size <= 2 * asked.most_numbers:
        verb = "noise" if abduct is None else "noise_residual"
        drawn = rows - asked.drawn(estimate, verb, frame, {})
        band = np.quantile(drawn, ends, axis=0, method="weibull")
    found = []
    for k, (i, j) in enumerate(edges):
        part = slice(k * POINTS, (k + 1) * POINTS)
        curve = {"parent": data.names[i], "child": data.names[j], "x": rows[part, i].tolist()}
        curve["f"] = value[part, j].tolist()
        if band is not None:
            curve |= {"low": band[0][part, j].tolist(), "high": band[1][part, j].tolist()}
        found.append(curve)
    return found


def write_curves(folder: Path, label: str, found: list[dict[str, Any]]) -> None:
    """Writes the curves of a method into curves-METHOD.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"curves-{label}.json"
    path.unlink(missing_ok=True)
    path.write_text(json.dumps(found), encoding="utf-8")


def read_curves(folder: Path, label: str) -> list[dict[str, Any]]:
    """The curves of a method, [] where there are none."""
    try:
        return json.loads((folder / f"curves-{label}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
