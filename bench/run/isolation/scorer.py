"""Makes problems and scores answers, in a process in which no method ever runs.

A method is asked over the channel: rows go out as numbers and come back as numbers. Its process
knows the context and the rows it is asked about, and nothing of the truth.
"""

import math
import os
import pickle
import re
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.loaded import Completed
from bench.method import Estimate
from bench.metrics import METRICS, Metric
from bench.metrics.errors import node_residuals
from bench.mixed.impute import IMPUTATIONS
from bench.reading.do import pack
from bench.run.isolation.fitting import failure
from bench.run.isolation.frames import Channel, Closed, Header, arrays_of
from bench.run.isolation.series import Series, foreseen
from bench.run.shape import clean, name_metrics
from bench.scm.base import SCM, to_array
from bench.scm.columns import pack as pack_columns
from bench.scm.do import Do
from bench.task import Problem, Task, as_frame

if TYPE_CHECKING:
    import pandas as pd

HELD_BYTES = 256 * 2**20
REASON_MOST = 300


class Abandoned(Exception):
    """The method's process gave no answer; its cell ended otherwise."""


class Wrong(Exception):
    """The method answered with something that is no answer; the message says why."""


class Asked(SCM):
    """An estimate that lives in another process and is asked through a channel.

    Args:
        names: columns. channel: to whoever asks it. facts: what its process said when it had
            fitted. series: see `foreseen`.
    """

    can_draw = False

    def __init__(
        self,
        names: tuple[str, ...],
        channel: Channel,
        facts: Header,
        series: Mapping[str, Series] | None = None,
    ) -> None:
        super().__init__(names)
        self.series = series or {}
        self.channel = channel
        self.noise_space = facts["noise_space"]
        self.noise_metric = facts["noise_metric"]
        self.can_draw = "draws" in facts["can"]
        self.label = re.sub(r"[^A-Za-z0-9_.-]+", "-", facts["method"])
        self.imputations = IMPUTATIONS if "imputed" in facts["can"] else 0
        self.imputation = 0
        for ability in (name for name in facts["can"] if name not in ("draws", "imputed")):
            setattr(self, ability, partial(self._rows, ability))

    def at(self, imputation: int) -> "Asked":
        """The estimate of one of the imputations."""
        other = copy(self)
        other.imputation = imputation
        for name, ability in vars(self).items():
            if isinstance(ability, partial):
                setattr(other, name, partial(other._rows, *ability.args))
        return other

    def prepare(self, upto: int, seed: int, bootstrap: int) -> None:
        """See `bench.suites.asked.Estimate`."""
        words = {"verb": "prepare", "drawn": upto, "seed": seed, "bootstrap": bootstrap}
        self._numbers(words, (), [None], 1)

    def completed(self, n: int) -> np.ndarray:
        """The context's rows as this imputation filled them, [n, D]."""
        return self._numbers({"verb": "completed"}, (), [None], n)

    def noise(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """See `SCM`."""
        return self._rows("noise", df)

    def generate(self, u: "pd.DataFrame", do: Do | None = None) -> "pd.DataFrame":
        """See `SCM`."""
        return self._rows("generate", u, do)

    def counterfactual(self, df: "pd.DataFrame", do: Do) -> "pd.DataFrame":
        """See `SCM`."""
        return self._rows("counterfactual", df, do)

    def sample(
        self, n: int, do: Do | None = None, seed: int = 0, noise: str = "empirical"
    ) -> "pd.DataFrame":
        """See `SCM`."""
        words = {"verb": "sample", "n": n, "seed": seed, "noise": noise}
        return as_frame(self._numbers(words, (), [do], n), self.names)

    def drawn(
        self, verb: str, df: "pd.DataFrame", do: Do, count: int, seed: int, bootstrap: int = 0
    ) -> np.ndarray | None:
        """See `SCM`; with `bootstrap` the SCMs are so many fits to rows drawn again."""
        if not (self.can_draw or bootstrap):
            return None
        rows = to_array(df, self.names)
        words = {"verb": verb, "drawn": count, "seed": seed, "bootstrap": bootstrap}
        return self._numbers(words, (rows,), [do], count * len(rows)).reshape(count, *rows.shape)

    def _rows(self, verb: str, df: "pd.DataFrame", do: Do | None = None) -> "pd.DataFrame":
        rows, series = to_array(df, self.names), self.series.get(verb)
        place = series.place(rows, do) if series else None
        if series is None or place is None:
            return as_frame(self._numbers({"verb": verb}, (rows,), [do], len(rows)), self.names)
        if series.answers is None:
            count = len(series.dos) * len(rows)
            answers = self._numbers({"verb": verb}, (rows,), series.dos, count)
            series.answers = answers.reshape(-1, *rows.shape)
        return as_frame(series.answers[place], self.names)

    def _numbers(
        self, words: Header, rows: tuple, dos: Sequence[Do | None], count: int
    ) -> np.ndarray:
        """The answers to one question under each do(), below each other, [count, D]."""
        packed: list[list] = []
        more: list[np.ndarray] = []
        for do in dos:
            told, values = pack(do or {}, self.names)
            packed.append([told, len(more)])
            more += values
        asked = {"kind": "ask", "dos": packed, "imputation": self.imputation, **words}
        self.channel.send(asked, (*rows, *more))
        header, data = self.channel.receive()
        if header["kind"] != "answered":
            raise Abandoned
        arrays, expected = arrays_of(header, data), (count, len(self.names))
        if len(arrays) != 1 or arrays[0].shape != expected:
            shapes = ", ".join(str(a.shape) for a in arrays)
            raise Wrong(f"the method answered {words['verb']} with shape {shapes}, not {expected}")
        return arrays[0]


class TwoVerbs(Estimate):
    """`noise` and `generate` of an estimate in an environment of its own, which has no others."""

    def __init__(self, asked: Asked) -> None:
        self.asked, self.noise_metric = asked, asked.noise_metric

    def noise(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """See `Estimate`."""
        return self.asked.noise(df)

    def generate(self, u: "pd.DataFrame", do: Do | None = None) -> "pd.DataFrame":
        """See `Estimate`."""
        return self.asked.generate(u, do)


class FiveVerbs(Completed):
    """An estimate that answers noise and generate only, with the other verbs made of these."""

    can_draw = False
    imputations = 0

    def __init__(self, asked: Asked, problem: Problem) -> None:
        super().__init__(TwoVerbs(asked), problem.data, asked.noise_space)
        self.label = asked.label


class Scorer:
    """Serves one worker: makes a cell's problem, then scores what its method answers."""

    def __init__(self, channel: Channel, home: str) -> None:
        self.channel = channel
        self.held: OrderedDict[bytes, tuple[Task, Problem]] = OrderedDict()
        os.chdir(home)
        if home not in sys.path:
            sys.path.insert(0, home)

    def serve(self) -> None:
        """Answers until the other end is gone."""
        while True:
            try:
                header, data = self.channel.receive()
            except Closed:
                return
            if header["kind"] == "abandoned":  # told after its scoring had ended
                continue
            making = header["kind"] == "problem"
            try:
                told, body = self._problem(data) if making else self._score(header)
            except Closed:
                return
            except BaseException as error:  # a suite's own failure ends its cells only
                told, body = failure(error)
            self.channel.send(told, body)

    def _problem(self, pickled: bytes) -> tuple[Header, Any]:
        if pickled not in self.held:
            task = pickle.loads(pickled)
            self.held[pickled] = task, _read_only(task.problem())
            self._forget()
        self.held.move_to_end(pickled)
        _, problem = self.held[pickled]
        rows = np.vstack([problem.data.rows, problem.query_rows])
        columns = {
            str(name): [_finite(mean), _finite(deviation)]
            for name, mean, deviation in zip(
                problem.data.names, np.nanmean(rows, 0), np.nanstd(rows, 0, ddof=1), strict=True
            )
        }
        names = [name if isinstance(name, str | int) else str(name) for name in problem.data.names]
        told: Header = {"kind": "problem", "names": names, "columns": columns}
        told["bounds"], told["types"] = list(problem.bounds), pack_columns(problem.data.columns)
        return told, (problem.data.rows, problem.data.adjacency)

    def _forget(self) -> None:
        """Lets the oldest problems go once all weigh too much."""
        weights = [_weight(problem) for _, problem in self.held.values()]
        while sum(weights) > HELD_BYTES and len(weights) > 1:
            self.held.popitem(last=False)
            weights.pop(0)

    def _score(self, header: Header) -> tuple[Header, Any]:
        _, problem = next(reversed(self.held.values()))
        asked = Asked(problem.data.names, self.channel, header, foreseen(problem))
        estimate = FiveVerbs(asked, problem) if header["bare"] else asked
        told: Header = {"kind": "scored", "known": name_metrics(METRICS.versions())}
        try:
            if problem.score:
                return {**told, "metrics": problem.score(estimate), "nodes": {}}, ()
            told["metrics"] = {
                name: _value(metric, problem, estimate)
                for name, metric in METRICS.items()
                if metric.applies(problem, estimate)
            }
            told["nodes"] = {} if problem.truth else _nodes(problem, estimate)
        except Abandoned:
            return {"kind": "abandoned"}, ()
        except Wrong as error:
            return {"kind": "failed", "status": "error"}, str(error)
        return told, ()


def _value(metric: Metric, problem: Problem, estimate: SCM) -> dict[str, Any]:
    """A metric's value, or why there is none; what is not finite ends nothing but itself."""
    version = str(metric.version)
    try:
        with np.errstate(all="ignore"):
            value = float(metric.value(problem, estimate))
    except (Abandoned, Wrong, Closed):
        raise
    except Exception as error:
        return {"version": version, "missing": clean(str(error), REASON_MOST)}
    if not math.isfinite(value):
        return {"version": version, "missing": "the value is not finite"}
    return {"version": version, "value": value}


def _nodes(problem: Problem, estimate: SCM) -> dict[str, float]:
    try:
        found = node_residuals(problem, estimate)
    except ValueError:
        return {}
    return {str(name): float(value) for name, value in found.items() if math.isfinite(value)}


def _finite(value: float) -> float:
    return float(value) if math.isfinite(value) else 0.0


def _weight(problem: Problem) -> int:
    answers = 1 + len(problem.clamps)
    return problem.data.rows.nbytes + (2 + answers) * problem.query_rows.nbytes


def _read_only(problem: Problem) -> Problem:
    arrays: Mapping[str, Any] = {**vars(problem.data), **vars(problem)}
    for array in arrays.values():
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return problem
