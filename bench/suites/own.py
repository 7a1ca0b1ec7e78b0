"""Anyone's own table: half of its rows are scored on the other half, all of them are asked."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bench.mixed.impute import holed
from bench.reading.do import Effect, Question, parse_do, parse_effect
from bench.reading.missing import MISSING
from bench.reading.own import Own, read_own
from bench.suites.answers import answer
from bench.suites.asked import Asked, label_of
from bench.suites.written import read_progress
from bench.task import Dataset, Problem, Task, seed_of

SPLITS = 200  # tried until every column varies in the half that is fitted


@dataclass(frozen=True, kw_only=True)
class OwnTask(Task):
    """Half of a table's rows, drawn by seed, are context; the other half are query.

    Attributes:
        table, graph: as given.
        every, adjacency: see `bench.reading.own.read_own`.
        types: columns' types as given, joined by commas.
        missing: see `bench.reading.missing`.
        data: fingerprint of what was read, which names the task; where the files lie does not.
    """

    table: str
    graph: str
    data: str
    d: int
    n_context: int
    n_query: int
    every: int = 0
    adjacency: str = ""
    types: str = ""
    missing: str = MISSING[0]

    @property
    def own(self) -> Own:
        """The table and the graph, as they were read."""
        return read(
            self.table, self.graph, bool(self.every), self.adjacency, self.types, self.missing
        )

    def problem(self) -> Problem:
        """Reads the files; no truth is known. Rows that lack a value are left out.

        Raises:
            ValueError: a file is not what it was.
        """
        data = complete_rows(self.dataset())
        context, query = split(data.rows, self.seed)
        part = replace(data, rows=data.rows[context])
        return Problem(part, data.rows[query], name=self.problem_name)

    def dataset(self) -> Dataset:
        """All rows and the graph; NaN where a value is to be imputed.

        Raises:
            ValueError: a file is not what it was.
        """
        data = dataset_of(self.own)
        if fingerprint(data) != self.data:
            raise ValueError(f"{self.table} or {self.graph} changed while the run was going on")
        return data

    def _path(self, without: frozenset[str]) -> str:
        seed = f"/seed{self.seed}" if self.seed and without == frozenset() else ""
        return f"{Path(self.table).stem}/{self.data}{seed}"


@dataclass(frozen=True, kw_only=True)
class AnswerTask(OwnTask):
    """All rows, to answer questions about.

    Attributes:
        questions: JSON of [words after each --do, words after each --effect].
        n: rows to sample.
        bootstrap: fits to rows drawn again, 0: what the estimate knows.
        folder: where the rows of the answers are written.
    """

    scm_free: ClassVar[frozenset[str]] = frozenset()

    questions: str
    n: int
    bootstrap: int = 0
    folder: str = ""

    def problem(self) -> Problem:
        """All rows are context; the score is the answers."""
        data, own = self.dataset(), self.own
        dos, effects = parse_questions(self.questions, own)
        asked = Asked(
            data=data,
            dos=[(q.text, q.over(own.beside(q.columns), own.kinds)) for q in dos],
            effects=effects,
            n=self.n,
            seed=self.seed,
            bootstrap=self.bootstrap,
            folder=Path(self.folder) if self.folder else None,
        )
        return Problem(data, data.rows[:0], score=partial(answer, asked))

    def progress(self, method: str) -> str:
        """A bar of the method's bootstrap fits."""
        return read_progress(Path(self.folder) / "answers", label_of(method))

    def _path(self, without: frozenset[str]) -> str:
        asked = hashlib.sha256(f"{self.questions}/{self.n}/{self.bootstrap}".encode()).hexdigest()
        return f"{super()._path(without)}/{asked[:8]}"


def parse_questions(questions: str, own: Own) -> tuple[list[Question], list[Effect]]:
    """The questions of a task's text.

    Raises:
        ValueError: see `parse_do` and `parse_effect`.
    """
    dos, effects = json.loads(questions)
    names = list(own.frame)
    return (
        [parse_do(words, names, own.columns, own.kinds) for words in dos],
        [parse_effect(words, names, own.kinds) for words in effects],
    )


@lru_cache(maxsize=4)
def _read(
    table: str, graph: str, every: bool, adjacency: str, types: str, missing: str, stamp: tuple
) -> Own:
    asked = [types] if types else []
    return read_own(
        Path(table), graph, every=every, orientation=adjacency, types=asked, missing=missing
    )


def read(
    table: str, graph: str, every: bool, adjacency: str, types: str = "", missing: str = MISSING[0]
) -> Own:
    """`read_own`, kept while the files stay what they are."""
    return _read(table, graph, every, adjacency, types, missing, (_stamp(table), _stamp(graph)))


def dataset_of(own: Own) -> Dataset:
    """All rows that were read with their types, NaN where one lacks a value, and the graph."""
    return holed(own.frame, own.graph)


def complete_rows(data: Dataset) -> Dataset:
    """The rows that lack no value."""
    return replace(data, rows=data.rows[~np.isnan(data.rows).any(1)])


def _stamp(path: str) -> tuple[int, int]:
    try:
        stat = Path(path).stat()
    except (OSError, ValueError):
        return 0, 0
    return stat.st_mtime_ns, stat.st_size


def fingerprint(data: Dataset) -> str:
    """Gives a fingerprint of names, rows and graph."""
    digest = hashlib.sha256(repr((data.names, data.rows.shape)).encode())
    digest.update(np.ascontiguousarray(data.rows).tobytes())
    digest.update(data.adjacency.tobytes())
    if data.columns:
        digest.update(repr(data.columns).encode())
    return digest.hexdigest()[:12]


def split(rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted numbers of context and query rows.

    The first of some random halves in which every column varies; the first of all where none does.
    """
    rng, half = np.random.default_rng(seed_of("own", seed)), len(rows) // 2
    first = order = rng.permutation(len(rows))
    for _ in range(SPLITS - 1):
        if not _constant(rows[order[:half]]).any():
            break
        order = rng.permutation(len(rows))
    if _constant(rows[order[:half]]).any():
        order = first
    return np.sort(order[:half]), np.sort(order[half:])


def constant_columns(data: Dataset, seed: int) -> tuple[list[str], bool]:
    """Columns that are constant in the first half drawn, and whether another half was taken."""
    half = len(data.rows) // 2
    first = np.random.default_rng(seed_of("own", seed)).permutation(len(data.rows))[:half]
    constant = [data.names[j] for j in np.flatnonzero(_constant(data.rows[first]))]
    return constant, not _constant(data.rows[split(data.rows, seed)[0]]).any()


def _constant(rows: np.ndarray) -> np.ndarray:
    return np.ptp(rows, axis=0) == 0


def own_task(
    table: Path,
    graph: str,
    seed: int,
    every: bool = False,
    adjacency: str = "",
    types: str = "",
    missing: str = MISSING[0],
) -> OwnTask:
    """The task of a user's files.

    Raises:
        ValueError: see `read_own`; a link that leads to itself.
    """
    where = graph if not _stamp(graph)[1] else str(Path(graph).resolve())
    place = _resolved(table)
    own = read(place, where, every, adjacency, types, missing)
    data = dataset_of(own)
    n, d = complete_rows(data).rows.shape
    return OwnTask(
        suite="own",
        table=place,
        graph=where,
        data=fingerprint(data),
        d=d,
        n_context=n // 2,
        n_query=n - n // 2,
        every=int(every),
        adjacency=adjacency,
        types=types,
        missing=missing,
        seed=seed,
    )


def _resolved(path: Path) -> str:
    try:
        return str(path.resolve())
    except (OSError, RuntimeError):  # which of them, and whether, depends on Python's version
        raise ValueError(f"cannot read {path}: it links to itself; link it to a file") from None


def answer_task(
    task: OwnTask,
    dos: Sequence[Sequence[str]],
    effects: Sequence[Sequence[str]],
    n: int,
    bootstrap: int,
    folder: Path,
) -> AnswerTask:
    """The questions about all rows of a task's table."""
    shared: dict[str, Any] = {
        name: value for name, value in task.settings.items() if name != "n_query"
    }
    return AnswerTask(
        **{**shared, "n_context": len(task.own.frame)},
        suite="own-answers",
        n_query=0,
        questions=json.dumps([list(map(list, dos)), list(map(list, effects))]),
        n=n,
        bootstrap=bootstrap,
        folder=str(folder.resolve()),
    )
