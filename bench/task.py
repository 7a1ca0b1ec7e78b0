"""What scores a method (`Problem`), and how that is named (`Task`)."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bench.reading.dataset import Dataset as Dataset
from bench.reading.dataset import as_frame as as_frame
from bench.reading.dataset import column_names as column_names
from bench.scm.base import SCM
from bench.scm.contrast import Contrast
from bench.scm.do import Do

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

Setting = str | int | float
DRAW = ("index", "seed")
SHORT = {"d": "d", "index": "i", "n_context": "n=", "n_query": "q="}  # of numbers in names


def seed_of(*words: object) -> int:
    """A seed of 63 bits from the names of things, so that order and position never matter."""
    digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@dataclass(frozen=True, repr=False)
class Intervention:
    """One clamped node and the true answer.

    Attributes:
        do: {node: value, or one value a row}.
        rows: what the query's noise gives under it, [N, D].
    """

    do: Do
    rows: "pd.DataFrame"

    def __repr__(self) -> str:
        return f"Intervention({self.do}, {len(self.rows)} rows)"


@dataclass(frozen=True, repr=False)
class Problem:
    """One SCM with everything a metric compares; a method is handed `data` only.

    Attributes:
        data: the context and the graph.
        query_rows: held-out rows, [N, D], in the data's own units.
        truth: the true SCM, None for real data.
        query_noise_rows: the true noise of the query rows, [N, D], or None.
        clamps: interventions to answer.
        make_floor: computes the estimate that knows more than a method may, or None where that
            fails; None where there is no such estimate.
        bounds: the metrics of which it is a floor, that no method beats in expectation; of the
            others it is a reference.
        true_adjacency: [D, D], where methods are given another graph.
        given: {column: one value a row}: what the query's nodes were set to. Rows are generated for
            these values, and their errors do not count.
        unit: of every error, [D], where that is not the deviation over context and query.
        contrast: an effect to answer, and the truth about it.
        compare_rows: whether generated rows are compared with query rows although the truth is
            known; where it is not, they always are.
        score: estimate -> {name: {"version", "value" or "missing"}}, in place of the metrics.
        name: its task's `problem_name`, which seeds the rows that metrics draw from an estimate.

    Example:
        >>> from bench import load_suite
        >>> problem = load_suite("lorch", preset="smoke")[0].problem()
        >>> problem
        Problem of 10 nodes and 33 edges: 50 context and 50 query rows, 10 do(), truth known
        >>> problem.interventions[0].rows.shape
        (50, 10)
    """

    data: Dataset
    query_rows: np.ndarray
    truth: SCM | None = None
    query_noise_rows: np.ndarray | None = None
    clamps: tuple[Do, ...] = ()
    make_floor: Callable[[], SCM | None] | None = None
    bounds: tuple[str, ...] = ()
    true_adjacency: np.ndarray | None = None
    compare_rows: bool = False
    score: Callable[[Any], Mapping[str, dict[str, Any]]] | None = None
    given: Do = field(default_factory=dict)
    unit: np.ndarray | None = None
    contrast: Contrast | None = None
    name: str = ""

    def __repr__(self) -> str:
        counts = f"{len(self.data.rows)} context and {len(self.query_rows)} query rows"
        known = "truth unknown" if self.truth is None else "truth known"
        return f"Problem of {self.data.size}: {counts}, {len(self.clamps)} do(), {known}"

    @property
    def context(self) -> "pd.DataFrame":
        """The context rows as a table, [N, D]."""
        return self.data.frame()

    @property
    def graph(self) -> "nx.DiGraph":
        """The graph that methods are given."""
        return self.data.graph()

    @property
    def query(self) -> "pd.DataFrame":
        """The query rows as a table, [N, D]."""
        return as_frame(self.query_rows, self.data.names)

    @property
    def query_noise(self) -> "pd.DataFrame | None":
        """The true noise of the query rows, [N, D], or None."""
        if self.query_noise_rows is None:
            return None
        return as_frame(self.query_noise_rows, self.data.names)

    @cached_property
    def interventions(self) -> list[Intervention]:
        """The interventions to answer, on distinct nodes, with their true rows."""
        noise = self.query_noise
        return [Intervention(do, self.known_truth.generate(noise, do)) for do in self.clamps]

    @property
    def known_truth(self) -> SCM:
        """The true SCM of a problem that has one.

        Raises:
            ValueError: nobody knows it, as of real data.
        """
        if self.truth is None:
            raise ValueError("the truth of this problem is not known")
        return self.truth

    @cached_property
    def floor(self) -> SCM | None:
        """The estimate that knows more than a method may, or None."""
        return self.make_floor() if self.make_floor else None

    @cached_property
    def scale(self) -> np.ndarray:
        """Unit of every error: each node's standard deviation over context and query rows, [D]."""
        if self.unit is not None:
            return self.unit
        return np.vstack([self.data.rows, self.query_rows]).std(0, ddof=1)

    def sha(self) -> str:
        """Gives the fingerprint of everything that a method or a metric reads."""
        digest = hashlib.sha256("\n".join(map(str, self.data.names)).encode())
        noise = self.query_noise_rows
        for part in (self.data.rows, self.data.adjacency, self.query_rows, noise):
            digest.update(b"" if part is None else np.ascontiguousarray(part).tobytes())
        clamps = [sorted((n, np.asarray(v).tolist()) for n, v in do.items()) for do in self.clamps]
        digest.update(repr(clamps).encode())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Task:
    """A problem named by its settings: a suite's name and values of that suite's own axes.

    A suite subclasses it with its axes as fields, each a str, int or float, and says how the
    problem is made. Names, columns of results and whatever else tells tasks apart follow from the
    fields, so that a row of results gives its task back.

    Attributes:
        suite: name of the suite, under which it can be loaded.
        index: number of the draw.
        seed: of all draws of a run.
        family: the first word of every SCM's name, the suite's name where empty; suites that share
            SCMs share it.
        scm_free: axes that leave the SCM what it is, whatever they do to rows, ranges or graphs.

    Example:
        >>> from bench import load_suite
        >>> task = load_suite("lorch", preset="smoke")[0]
        >>> print(task)
        lorch/lorch/lin_in/er/d10/i0/n=50/q=50
        >>> task.settings["scenario"], task.size
        ('LIN_IN', (10, 50))
    """

    suite: str
    index: int = 0
    seed: int = 0

    family: ClassVar[str] = ""
    scm_free: ClassVar[frozenset[str]] = frozenset({"n_context", "n_query"})

    def __str__(self) -> str:
        return self.name

    @property
    def settings(self) -> dict[str, Setting]:
        """The values of every field but the suite: axes in their order, then index and seed."""
        axes = [field.name for field in fields(self) if field.name not in ("suite", *DRAW)]
        return {name: getattr(self, name) for name in (*axes, *DRAW)}

    @property
    def makers(self) -> tuple[str, ...]:
        """Modules, besides the suite's own, that the problem is made with, as a graph's finder."""
        return ()

    @property
    def name(self) -> str:
        """Suite and settings as a path; an axis with a default appears where it differs."""
        return f"{self.suite}/{self.problem_name}"

    @property
    def problem_name(self) -> str:
        """The name without the suite: the same problem has one name in every suite."""
        return self._path(frozenset())

    @property
    def scm(self) -> str:
        """Names the SCM; tasks of one SCM are one block of statistics."""
        return f"{self.family or self.suite}/{self._path(self.scm_free)}"

    @property
    def size(self) -> tuple[int, int]:
        """Nodes and context rows, as far as the settings tell; for schedules and columns."""
        settings = self.settings
        return int(settings.get("d", 0)), int(settings.get("n_context", 0))

    def progress(self, method: str) -> str:
        """How far the cell of `method` is, for people, "" where that is not known."""
        return ""

    def problem(self) -> Problem:
        """Makes the problem, the same task the same bytes.

        Returns:
            The context, the query rows, and the truth where there is one.

        Raises:
            ValueError: no problem has these settings, or data that it needs are not there.
        """
        raise NotImplementedError

    def _path(self, without: frozenset[str]) -> str:
        """Axes without a default, the draw, then what differs from its default."""
        default = {field.name: field.default for field in fields(self)}
        settings = {name: v for name, v in self.settings.items() if name not in without}
        always = [name for name in settings if default[name] is MISSING]
        changed = [name for name in settings if name not in (*always, "index")]
        words = [_word(name, settings[name]) for name in (*always, "index")]
        words += [_word(n, settings[n], True) for n in changed if settings[n] != default[n]]
        return "/".join(words).lower()


def _word(axis: str, value: Setting, named: bool = False) -> str:
    """One step of a name: text as it is, numbers under the axis's name or its short form."""
    if isinstance(value, str):
        return f"{axis}={value}" if named or not value else value
    number = int(value) if value == int(value) else value
    return f"{SHORT.get(axis, f'{axis}=')}{number}"
