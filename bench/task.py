"""What a method sees (`Dataset`), what scores it (`Problem`), and how that is named (`Task`)."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bench.reading.graphs import as_digraph
from bench.reading.numbers import numbers
from bench.scm.base import SCM
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


def column_names(d: int) -> tuple[str, ...]:
    """x0, x1, ... for tables without names."""
    return tuple(f"x{j}" for j in range(d))


@dataclass(frozen=True)
class Dataset:
    """All that a method may see.

    Attributes:
        rows: context, float64 [N, D].
        names: of the columns.
        adjacency: [D, D] bool, row = parent.
    """

    rows: np.ndarray
    names: tuple[str, ...]
    adjacency: np.ndarray

    @classmethod
    def of(cls, df: "pd.DataFrame | np.ndarray", graph: "nx.DiGraph") -> "Dataset":
        """Reads a table and a graph over its columns; columns the graph lacks are isolated.

        Args:
            df: rows; columns of an array are x0, x1, ... graph: `nx.DiGraph` or (cause, effect)s.

        Raises:
            ValueError: see `bench.reading.numbers.numbers` and `bench.reading.graphs.as_digraph`;
                an edge to an unknown column.
        """
        rows, names = numbers(df)
        return cls(rows, names, _adjacency(graph, names))

    def frame(self) -> "pd.DataFrame":
        """The rows as a table."""
        return as_frame(self.rows, self.names)

    def graph(self) -> "nx.DiGraph":
        """The graph; u -> v reads u causes v."""
        import networkx as nx

        graph = nx.DiGraph()
        graph.add_nodes_from(self.names)
        for i, j in zip(*np.nonzero(self.adjacency), strict=True):
            graph.add_edge(self.names[i], self.names[j])
        return graph

    def parents(self) -> list[np.ndarray]:
        """The parents' column numbers of each node."""
        return [np.flatnonzero(column) for column in self.adjacency.T]


def as_frame(rows: np.ndarray, names: Sequence[str]) -> "pd.DataFrame":
    """A table of `rows` [N, D]."""
    import pandas as pd

    return pd.DataFrame(rows.copy(), columns=list(names))


def _adjacency(graph: "nx.DiGraph", names: tuple[str, ...]) -> np.ndarray:
    graph, place = as_digraph(graph), {name: i for i, name in enumerate(names)}
    adjacency = np.zeros((len(names), len(names)), dtype=bool)
    unknown = [node for node in graph.nodes if node not in place]
    if unknown:
        raise ValueError(f"unknown columns: the graph names {unknown[0]}, which the table lacks")
    for source, target in graph.edges:
        adjacency[place[source], place[target]] = True
    return adjacency


@dataclass(frozen=True)
class Intervention:
    """One clamped node and the true answer.

    Attributes:
        do: {node: value, or one value a row}. rows: what the query's noise gives under it.
    """

    do: Do
    rows: "pd.DataFrame"


@dataclass(frozen=True)
class Problem:
    """One SCM with everything a metric compares; a method is handed `data` only.

    Attributes:
        data: context and graph.
        query_rows: held-out rows, [N, D].
        truth: the SCM, None for real data. query_noise_rows: its noise of the query, or None.
        clamps: interventions to answer.
        make_floor: computes the estimate that knows more than a method may, or None where that
            fails; None where there is no such estimate.
        bounds: the metrics of which it is a floor, that no method beats in expectation; of the
            others it is a reference.
        true_adjacency: [D, D], where methods are given another graph.
        given: {column: one value a row}: what the query's nodes were set to. Rows are generated for
            these values, and their errors do not count.
        unit: of every error, [D], where that is not the deviation over context and query.
        compare_rows: whether generated rows are compared with query rows although the truth is
            known; where it is not, they always are.
        score: estimate -> {name: {"version", "value" or "missing"}}, in place of the metrics.
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

    @property
    def context(self) -> "pd.DataFrame":
        """Context rows."""
        return self.data.frame()

    @property
    def graph(self) -> "nx.DiGraph":
        """The given graph."""
        return self.data.graph()

    @property
    def query(self) -> "pd.DataFrame":
        """Query rows."""
        return as_frame(self.query_rows, self.data.names)

    @property
    def query_noise(self) -> "pd.DataFrame | None":
        """True noise of the query rows."""
        if self.query_noise_rows is None:
            return None
        return as_frame(self.query_noise_rows, self.data.names)

    @cached_property
    def interventions(self) -> list[Intervention]:
        """Interventions on distinct nodes with their true rows."""
        noise = self.query_noise
        return [Intervention(do, self.known_truth.generate(noise, do)) for do in self.clamps]

    @property
    def known_truth(self) -> SCM:
        """The truth.

        Raises:
            ValueError: nobody knows it, as of real data.
        """
        if self.truth is None:
            raise ValueError("the truth of this problem is not known")
        return self.truth

    @cached_property
    def floor(self) -> SCM | None:
        """What `make_floor` gives, or None."""
        return self.make_floor() if self.make_floor else None

    @cached_property
    def scale(self) -> np.ndarray:
        """Unit of every error: each node's standard deviation over context and query rows, [D]."""
        if self.unit is not None:
            return self.unit
        return np.vstack([self.data.rows, self.query_rows]).std(0, ddof=1)

    def sha(self) -> str:
        """Fingerprint of everything a method or a metric reads."""
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
        index: number of the draw. seed: of all draws of a run.
        family: the first word of every SCM's name, the suite's name where empty; suites that share
            SCMs share it.
        scm_free: axes that leave the SCM what it is, whatever they do to rows, ranges or graphs.
    """

    suite: str
    index: int = 0
    seed: int = 0

    family: ClassVar[str] = ""
    scm_free: ClassVar[frozenset[str]] = frozenset({"n_context", "n_query"})

    @property
    def settings(self) -> dict[str, Setting]:
        """Every field but the suite's name: its axes in their order, then index and seed."""
        axes = [field.name for field in fields(self) if field.name not in ("suite", *DRAW)]
        return {name: getattr(self, name) for name in (*axes, *DRAW)}

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

    def problem(self) -> Problem:
        """Makes the problem; the same task gives the same bytes."""
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
