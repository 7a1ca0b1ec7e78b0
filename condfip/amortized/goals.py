"""`python -m condfip goals`: what the in-context model is meant to reach, and where it stands."""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.loaded import LoadedMethod
from bench.metrics import METRICS
from bench.registry import load_method, load_suite
from bench.task import Problem, Task, seed_of

OURS = "amortized-gp"
TASKS = ("noise", "sample", "intervention", "counterfactual")
REAL = ("mmd_query",)
LEVELS = (0.5, 0.8, 0.9, 0.95)
RIVALS = ("linear", "additive", "gp")
HINDSIGHT = ("linear", "additive", "boosting", "gp", "mlp")
MIB = 2**20

Scores = dict[str, dict[str, float]]  # task -> metric -> value


@dataclass(frozen=True)
class Goal:
    """One line of the table.

    Attributes:
        where: what was measured. bar: what it should be at most. value: what it is, NaN where it
            could not be measured. note: units, counts, or why not.
    """

    where: str
    bar: float
    value: float = math.nan
    note: str = ""

    def __str__(self) -> str:
        """One row: verdict, where, value, bar, their ratio."""
        if math.isnan(self.value):
            return f"     {self.where:<44} {'':>8} {self.bar:>8.3g} {'':>7}  {self.note}"
        verdict = "ok  " if self.value <= self.bar else "MISS"
        ratio = self.value / self.bar
        return (
            f"{verdict} {self.where:<44} {self.value:>8.3f} {self.bar:>8.3g} "
            f"{ratio:>7.3f}  {self.note}"
        )


HEADER = f"     {'goal':<44} {'value':>8} {'bar':>8} {'ratio':>7}"


@dataclass
class Bench:
    """Measures methods on tasks, each cell once.

    Attributes:
        checkpoint: of ours. seed: of the suites. scms: of each graph kind. dims: of the graphs.
        cache: folder where rivals' scores are kept between runs, None for none.
    """

    checkpoint: Path
    seed: int = 0
    scms: int = 1
    dims: tuple[int, ...] = (10, 20)
    cache: Path | None = None

    def __post_init__(self) -> None:
        self.cells: dict[tuple[str, str], dict[str, float]] = {}

    @cached_property
    def ours(self) -> LoadedMethod:
        """Our method with the checkpoint under test."""
        return load_method("condfip.amortized.method:AmortizedGP", checkpoint=self.checkpoint)

    def method(self, name: str) -> LoadedMethod:
        """A rival by name."""
        return self.ours if name == OURS else load_method(name)

    def tasks(self, **axes: Any) -> list[Task]:
        """Tasks of the suite lorch; graphs of the first of the dims unless told otherwise."""
        given = {"scms": [self.scms], "d": [self.dims[0]]} | axes
        return load_suite("lorch", seed=self.seed, **given)

    def scores(self, name: str, tasks: Sequence[Task]) -> Scores:
        """Every metric of a method that applies, for each task."""
        return {task.name: self._cell(name, task) for task in tasks}

    def _cell(self, name: str, task: Task) -> dict[str, float]:
        if (task.name, name) not in self.cells:
            self.cells[task.name, name] = self._stored(name, task)
        return self.cells[task.name, name]

    def _stored(self, name: str, task: Task) -> dict[str, float]:
        if name == OURS or self.cache is None:
            return _measure(self.method(name), task.problem())
        path = self.cache / f"{seed_of(task.name, name)}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(_measure(self.method(name), task.problem())))
        return json.loads(path.read_text())


def _measure(method: LoadedMethod, problem: Problem) -> dict[str, float]:
    if method.skip(problem.data):
        return {}
    estimate = method.fit_problem(problem, 0)
    wanted = (name for name in (*TASKS, *REAL) if METRICS[name].applies(problem, estimate))
    return {name: METRICS[name].value(problem, estimate) for name in wanted}


def mean(scores: Scores, metric: str) -> float:
    """The mean over tasks."""
    return float(np.mean([values[metric] for values in scores.values()]))


def against(bench: Bench, label: str, bar: float, rival: str, **axes: Any) -> Iterator[Goal]:
    """Ratio of means to a rival's, for each of the four tasks."""
    tasks = bench.tasks(**axes)
    ours, theirs = bench.scores(OURS, tasks), bench.scores(rival, tasks)
    for metric in TASKS:
        value = mean(ours, metric) / mean(theirs, metric)
        note = f"{mean(ours, metric):.4f}, {len(tasks)} SCMs"
        yield Goal(f"{label} {metric} / {rival}", bar, value, note)


def floor(bench: Bench) -> Iterator[Goal]:
    """Random features, every size: the floor."""
    for scenario in ("RFF_IN", "RFF_OUT"):
        for d in bench.dims:
            yield from against(
                bench, f"{scenario} d={d}", 1.08, "floor", d=[d], scenario=[scenario]
            )


def least_squares(bench: Bench) -> Iterator[Goal]:
    """Linear mechanisms: least squares."""
    for scenario in ("LIN_IN", "LIN_OUT"):
        for d in bench.dims:
            yield from against(
                bench, f"{scenario} d={d}", 1.05, "linear", d=[d], scenario=[scenario]
            )


def scarce(bench: Bench) -> Iterator[Goal]:
    """Few rows: every rival."""
    for n in (50, 100):
        for scenario in ("LIN_IN", "LIN_OUT", "RFF_IN", "RFF_OUT"):
            tasks = bench.tasks(n_context=[n], scenario=[scenario])
            scores = {name: bench.scores(name, tasks) for name in (OURS, *RIVALS)}
            for metric in TASKS:
                best = min(RIVALS, key=lambda name: mean(scores[name], metric))  # noqa: B023
                value = mean(scores[OURS], metric) / mean(scores[best], metric)
                yield Goal(f"{scenario} n={n} {metric} / best other", 1.0, value, best)


def large(bench: Bench) -> Iterator[Goal]:
    """Many rows: the floor, and still falling."""
    for scenario in ("LIN_IN", "RFF_IN"):
        errors = {}
        for n in (400, 1000, 2000):
            axes = {"n_context": [n], "scenario": [scenario]}
            goals = list(against(bench, f"{scenario} n={n}", 1.1, "floor", **axes))
            errors[n] = mean(bench.scores(OURS, bench.tasks(**axes)), "noise")
            yield from goals if n > 400 else ()
        for few, many in ((400, 1000), (1000, 2000)):
            yield Goal(
                f"{scenario} noise, n={many} / n={few}", 1.0, errors[many] / errors[few], "falls"
            )


def shift(bench: Bench) -> Iterator[Goal]:
    """Scaled ranges: paired standard errors that ours lies above gp."""
    for kind in ("noise", "mechanism"):
        for alpha in (1, 2, 5, 10):
            axes: dict[str, list[Any]] = {"scenario": ["LIN_OUT", "RFF_OUT"]}
            axes |= {"shift": [kind], "alpha": [alpha]} if alpha > 1 else {}
            tasks = bench.tasks(**axes)
            ours, theirs = bench.scores(OURS, tasks), bench.scores("gp", tasks)
            for metric in TASKS:
                gap = np.array([ours[t][metric] - theirs[t][metric] for t in ours])
                value = gap.mean() / max(gap.std(ddof=1) / len(gap) ** 0.5, 1e-12)
                yield Goal(f"{kind} alpha={alpha} {metric} - gp, in SE", 2.0, value)


def noises(bench: Bench) -> Iterator[Goal]:
    """Noise that is not Gaussian: gp, whose likelihood is wrong there."""
    for noise in ("laplace", "student_t", "mixture"):
        yield from against(bench, f"{noise} noise", 1.0, "gp", noise=[noise])


def suites(bench: Bench) -> Iterator[Goal]:
    """Other suites: the best method chosen in hindsight for each dataset."""
    for suite in ("csuite", "sachs", "ecoli", "csuite-gmm"):
        try:
            tasks = load_suite(suite, seed=bench.seed, scms=[max(bench.scms, 2)])
        except ValueError:
            yield Goal(f"{suite} / best in hindsight", 1.05, note=f"not measured: no suite {suite}")
            continue
        ours = bench.scores(OURS, tasks)
        rivals = [bench.scores(name, tasks) for name in HINDSIGHT]
        for metric in [m for m in (*TASKS, *REAL) if all(m in v for v in ours.values())]:
            best = [min(r[t][metric] for r in rivals if metric in r[t]) for t in ours]
            value = mean(ours, metric) / max(float(np.mean(best)), 1e-12)
            yield Goal(
                f"{suite} {metric} / best in hindsight", 1.05, value, f"{len(tasks)} datasets"
            )


def speed(bench: Bench) -> Iterator[Goal]:
    """Seconds of fit and all queries, and gp's in the same run; one SCM of each size."""
    for d, bar in ((20, 0.3), (100, 1.5)):
        axes = {"d": [d], "scms": [1], "scenario": ["RFF_IN"], "graph_kind": ["er"]}
        problem = bench.tasks(**axes)[0].problem()
        _seconds(bench.ours, problem)  # warms up
        ours, theirs = (_seconds(m, problem) for m in (bench.ours, bench.method("gp")))
        for kind, one, other in zip(("elapsed", "processor"), ours, theirs, strict=True):
            yield Goal(f"{kind} seconds d={d}", bar, one, f"gp / ours = {other / one:.1f}")


def _seconds(method: LoadedMethod, problem: Problem) -> tuple[float, float]:
    """Elapsed, and of the processor."""
    problem.interventions  # noqa: B018 - the truth's own time does not count
    start = time.perf_counter(), time.process_time()
    estimate = method.fit_problem(problem, 0)
    for metric in TASKS:
        METRICS[metric].value(problem, estimate)
    return time.perf_counter() - start[0], time.process_time() - start[1]


def intervals(bench: Bench) -> Iterator[Goal]:
    """Points by which coverage misses its level; errors of one F agree between rows: many SCMs."""
    for scenario in ("LIN_IN", "RFF_IN", "LIN_OUT", "RFF_OUT"):
        axes = {"scenario": [scenario], "scms": [max(bench.scms, 6)], "n_query": [150]}
        problems = [t.problem() for t in bench.tasks(**axes)]
        covered = np.array([_coverage(bench.ours, p) for p in problems]).mean(0)
        for which, row in zip(("F", "x"), covered, strict=True):
            gap = np.abs(row - LEVELS).max()
            told = " ".join(f"{100 * value:.1f}" for value in row) + f", {len(problems)} SCMs"
            yield Goal(f"{scenario} intervals of {which}, points", 3.0, 100 * gap, told)


def _coverage(method: LoadedMethod, problem: Problem) -> np.ndarray:
    """Share of F (nodes with parents) and of x inside intervals of each level, [2, levels]."""
    estimate: Any = method.fit_problem(problem, 0)
    x, truth = problem.query_rows, problem.query_rows - problem.query_noise_rows
    f, deviation = (np.asarray(t) for t in estimate.predict_mechanism(problem.query))
    inner = problem.data.adjacency.any(0)
    z = np.abs(truth - f)[:, inner] / deviation[:, inner].clip(1e-12)
    of_f = [(z <= math.sqrt(2) * _erfinv(level)).mean() for level in LEVELS]
    bounds = [estimate.predict_interval(problem.query, level) for level in LEVELS]
    of_x = [((np.asarray(a) <= x) & (x <= np.asarray(b))).mean() for a, b in bounds]
    return np.array([of_f, of_x])


def _erfinv(value: float) -> float:
    from torch import erfinv, float64, tensor

    return float(erfinv(tensor(value, dtype=float64)))


def size(bench: Bench) -> Iterator[Goal]:
    """MiB of the checkpoint."""
    yield Goal("checkpoint, MiB", 16.0, bench.checkpoint.stat().st_size / MIB)


GOALS: dict[str, Callable[[Bench], Iterator[Goal]]] = {
    "floor": floor,
    "least-squares": least_squares,
    "scarce": scarce,
    "large": large,
    "shift": shift,
    "suites": suites,
    "noises": noises,
    "speed": speed,
    "intervals": intervals,
    "size": size,
}


def run(options: argparse.Namespace) -> None:
    """Prints the table, line by line."""
    if unknown := set(options.only) - set(GOALS):
        raise ValueError(f"no goal {unknown.pop()}; there are {', '.join(GOALS)}")
    bench = Bench(
        options.checkpoint, options.seed, options.scms, tuple(options.dims), options.cache
    )
    print(f"checkpoint {bench.ours.inner.checkpoint_sha[:12]}\n{HEADER}")
    for name in options.only or GOALS:
        for goal in GOALS[name](bench):
            print(goal, flush=True)
