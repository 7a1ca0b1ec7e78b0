"""ACIC 2016: real covariates of 4,802 births, made treatments and outcomes, both outcomes known.

Source: Dorie, Hill, Shalit, Scott, Cervone, "Automated versus do-it-yourself methods for causal
inference: lessons learned from a data analysis competition", Statistical Science 34, 2019. The ten
instances that the PyPI package `causallib` ships, one of each of ten of the 77 settings of the
competition; `bench/data/ACIC2016.md` describes them. Every covariate is given as a cause of the
treatment and of the outcome. What is asked is mu1 - mu0 of each query row, in the outcome's own
units; of the other nodes no truth is known. The rows of the preset `smoke` are made here.
"""

import csv
import importlib.util
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from bench.registry import Unavailable
from bench.scm.contrast import Contrast
from bench.suite import Settings, Suite
from bench.suites.files import DATA_DIR
from bench.task import Dataset, Problem, Task, seed_of

INSTANCES, ROWS = 10, 4802
FOLDER = ("datasets", "data", "acic_challenge_2016")
MISSING = (
    'the files of ACIC 2016 are not shipped: pip install "condfip-bench[acic]" (or, as nothing but '
    "its files is read, pip install --no-deps causallib), or give their folder by --data-dir DIR"
)
COVARIATES = "x.csv"
TREATMENT, OUTCOME = "z", "y"


@dataclass(frozen=True)
class Births:
    """The births of one instance of the challenge, and their effects.

    Attributes:
        names: of the covariates.
        x: covariates [N, P].
        z, y: treatment and outcome, [N].
        effect: mu1 - mu0, [N].
    """

    names: tuple[str, ...]
    x: np.ndarray
    z: np.ndarray
    y: np.ndarray
    effect: np.ndarray


def shipped(instance: int) -> Births:
    """An instance from --data-dir or from the package `causallib`, which is not imported.

    Raises:
        Unavailable: neither is there. ValueError: a file is no table of the challenge.
    """
    return _read(_folder(), instance)


def _folder() -> Path:
    """That of --data-dir; of the package where that has no covariates, for another suite's rows."""
    named = os.environ.get(DATA_DIR, "")
    if named and Path(named, COVARIATES).exists():
        return Path(named)
    spec = importlib.util.find_spec("causallib")
    if spec is None or not spec.submodule_search_locations:
        if named:
            return Path(named)
        raise Unavailable(MISSING)
    if named:
        warnings.warn(f"{named} has no {COVARIATES}: the files of causallib", stacklevel=2)
    return Path(spec.submodule_search_locations[0]).joinpath(*FOLDER)


@lru_cache(maxsize=2)
def _read(folder: Path, instance: int) -> Births:
    covariates = _table(folder / COVARIATES)
    made = _table(folder / f"zymu_{instance}.csv")
    names, columns = [], []
    for name, text in covariates.items():
        for label, column in _numbers(name, text):
            names.append(label)
            columns.append(column)
    try:
        z, y0, y1, mu0, mu1 = (np.array(made[n], float) for n in ("z", "y0", "y1", "mu0", "mu1"))
    except (KeyError, ValueError) as error:
        raise ValueError(f"{folder}/zymu_{instance}.csv is no table of the challenge") from error
    return Births(tuple(names), np.column_stack(columns), z, np.where(z == 1, y1, y0), mu1 - mu0)


def _table(path: Path) -> dict[str, list[str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"cannot read {path}: give the challenge's folder by --data-dir"
        ) from error
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


def _numbers(name: str, text: list[str]) -> list[tuple[str, np.ndarray]]:
    """A column of numbers, or one 0/1 column for each level of words but the first."""
    try:
        return [(name, np.array(text, dtype=float))]
    except ValueError:
        words = np.array(text)
        return [(f"{name}={level}", (words == level) * 1.0) for level in np.unique(words)[1:]]


@lru_cache(maxsize=2)
def made(instance: int) -> Births:
    """Rows of no birth: six covariates, an effect that varies with two, treatment by three."""
    rng = np.random.default_rng(seed_of("acic", "made", instance))
    x = rng.normal(size=(800, 6))
    x[:, 4:] = x[:, 4:] > 0
    chance = 1 / (1 + np.exp(-x[:, 0] - x[:, 1] + x[:, 4]))
    z = (rng.random(800) < chance) * 1.0
    effect = 1 + x[:, 1] + 2 * x[:, 4]
    y = np.sin(x[:, 0]) + x[:, 1] * x[:, 2] + z * effect + 0.5 * rng.normal(size=800)
    return Births(tuple(f"x_{j + 1}" for j in range(6)), x, z, y, effect)


TABLES: dict[str, Callable[[int], Births]] = {"shipped": shipped, "made": made}


@dataclass(frozen=True, kw_only=True)
class AcicTask(Task):
    """One instance, its rows split into context and query.

    Attributes:
        rows: of `TABLES`.
        n_context, n_query: rows; fewer begin more.
        index: of the instance, from 0 to 9.
    """

    rows: str
    n_context: int = 400
    n_query: int = 400

    @property
    def size(self) -> tuple[int, int]:
        """See `Task`."""
        return 84, self.n_context

    def problem(self) -> Problem:
        """Query rows from the beginning and context rows from the end of one permutation.

        Raises:
            ValueError: more rows are asked for than there are.
        """
        table = TABLES[self.rows](self.index + 1)
        if self.n_context + self.n_query > len(table.z):
            raise ValueError(f"{len(table.z)} rows, not {self.n_context} + {self.n_query}")
        rng = np.random.default_rng(seed_of("acic", self.index, self.seed))
        places = rng.permutation(len(table.z))
        context, query = places[::-1][: self.n_context], places[: self.n_query]
        names = (*table.names, TREATMENT, OUTCOME)
        rows = np.column_stack([table.x, table.z, table.y])
        adjacency = np.zeros((len(names),) * 2, dtype=bool)
        adjacency[:-2, -2:] = adjacency[-2, -1] = True
        return Problem(
            data=Dataset(rows[context], names, adjacency),
            query_rows=rows[query],
            name=self.problem_name,
            contrast=Contrast(TREATMENT, OUTCOME, 0.0, 1.0, table.effect[query], 1.0),
        )


def settle(settings: Settings) -> Settings:
    """The settings as they are.

    Raises:
        ValueError: an instance that does not exist.
    """
    if settings["index"] >= INSTANCES:
        raise ValueError(f"acic2016 has {INSTANCES} instances: scms is at most {INSTANCES}")
    return settings


ACIC = Suite(
    name="acic2016",
    about="Effects of a made treatment on 4,802 real births: who tells whom it helps, and how much",
    source="Dorie et al. 2019; files of the PyPI package causallib",
    licence="files: not shipped; under Apache 2.0 or the GPL, see bench/data/ACIC2016.md",
    unit="units",
    kind=AcicTask,
    axes={"rows": ("shipped",), "scms": (INSTANCES,), "n_context": (1000,), "n_query": (1000,)},
    presets={
        "smoke": [{"rows": ("made",), "scms": (1,), "n_context": (100,), "n_query": (100,)}],
        "quick": [{"scms": (3,)}],
        "paper": [{"n_context": (3802,), "n_query": (1000,)}],
    },
    choices={"rows": tuple(TABLES)},
    settle=settle,
)
