"""What an estimate leaves of rows that were not fitted: each half of a table in turn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bench.method import member
from bench.suites.answers import VERSION
from bench.suites.asked import NUMBERS, Estimate, label_of, name_of
from bench.suites.own import OwnTask, complete_rows, split
from bench.task import Dataset, Problem, as_frame

DRAWS = 30
SAMPLED = 2000


@dataclass(frozen=True)
class Held:
    """Rows [N, D] that were not fitted, as an estimate sees them.

    Attributes:
        rows: their numbers in the table of complete rows, [N].
        noise: that was abducted.
        left: x - E[x | parents], NaN where an estimate has none.
        place: in the estimate's own distribution of x given its parents, from 0 to 1.
        doubt: variance of the noise over SCMs that the fitted rows allow, 0 where none are drawn.
    """

    rows: np.ndarray
    noise: np.ndarray
    left: np.ndarray
    place: np.ndarray
    doubt: np.ndarray

    @classmethod
    def together(cls, parts: "Sequence[Held]") -> "Held":
        """Joins what was held out of several fits, their rows one after the other."""
        fields = ("rows", "noise", "left", "place", "doubt")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


@dataclass(frozen=True, kw_only=True)
class HeldTask(OwnTask):
    """One half of a table's rows is fitted, and the other one looked at row by row.

    Attributes:
        fold: 0: the half that is scored too; 1: the other one.
        folder: of the file of what is left.
    """

    scm_free: ClassVar[frozenset[str]] = frozenset()

    fold: int
    folder: str

    def problem(self) -> Problem:
        """Gives the problem of one half, whose only score is writing the file of what is left."""
        data = complete_rows(self.dataset())
        halves = split(data.rows, self.seed)
        context, query = halves[self.fold], halves[1 - self.fold]
        look = partial(write_held, data, query, self.seed, Path(self.folder), self.fold)
        return Problem(replace(data, rows=data.rows[context]), data.rows[query], score=look)

    def _path(self, without: frozenset[str]) -> str:
        return f"{super()._path(without)}/half{self.fold}"


def held_tasks(task: OwnTask, folder: Path, folds: Sequence[int]) -> list[HeldTask]:
    """The tasks that fit one half of a table and hold out the other, one a fold."""
    shared: dict[str, Any] = {**task.settings, "folder": str(folder.resolve())}
    return [HeldTask(**shared, suite="own-trust", fold=fold) for fold in folds]


def hold(data: Dataset, query: np.ndarray, seed: int, estimate: Estimate) -> Held:
    """What an estimate leaves of rows of a table, by their numbers."""
    frame = as_frame(data.rows[query], data.names)
    noise = estimate.noise(frame).to_numpy(dtype=float)
    residual = member(estimate, "noise_residual")
    additive = estimate.noise_space == "additive"
    left = noise if additive else np.full_like(noise, np.nan)
    if residual is not None:
        left = residual(frame).to_numpy(dtype=float)
    own = estimate.noise(estimate.sample(SAMPLED, None, seed)).to_numpy(dtype=float)
    drawn = noise[None]
    if estimate.can_draw:
        count = int(np.clip(NUMBERS // noise.size, 1, DRAWS))
        drawn = estimate.drawn("noise", frame, {}, count, seed)
    place = np.empty_like(noise)
    for j, column in enumerate(np.sort(own, axis=0).T):
        place[:, j] = (np.searchsorted(column, drawn[..., j]) / len(column)).mean(0)
    return Held(query, noise, left, place, drawn.var(0))


def write_held(
    data: Dataset, query: np.ndarray, seed: int, folder: Path, fold: int, estimate: Estimate
) -> dict[str, dict[str, Any]]:
    """Writes what an estimate leaves; says of how many rows."""
    if not member(estimate, "noise_metric"):
        why = "its noise is smoothed by the row itself"
        return {name_of("held"): {"version": VERSION, "missing": why}}
    held = hold(data, query, seed, estimate)
    folder.mkdir(parents=True, exist_ok=True)
    path = held_path(folder, estimate.label, fold)
    path.unlink(missing_ok=True)  # a link in its place is not followed
    np.savez_compressed(path, **vars(held))
    return {name_of("held"): {"version": VERSION, "value": float(len(query))}}


def held_path(folder: Path, method: str, fold: int) -> Path:
    """The file in which a method's answers about one half of the rows lie."""
    return folder / f"held-{fold}-{label_of(method)}.npz"


def read_held(folder: Path, method: str, folds: Sequence[int]) -> Held:
    """Reads what was written, of both halves.

    Raises:
        OSError: nothing was.
    """
    parts = []
    for fold in folds:
        with np.load(held_path(folder, method, fold), allow_pickle=False) as stored:
            parts.append(Held(**stored))
    return Held.together(parts)
