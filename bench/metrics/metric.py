"""What a metric is, and all of them by name: our own and those of installed packages."""

import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import entry_points

from bench.metrics.conditions import Condition
from bench.scm.base import SCM
from bench.task import Problem

GROUP = "condfip_bench.metrics"  # of entry points
DEVIATIONS = "standard deviations"  # in a unit's name; a suite may have another in their place


@dataclass(frozen=True, repr=False)
class Metric:
    """A metric and where it applies.

    Attributes:
        value: (problem, estimate) -> number, lower is better, or the nearer to `aim` the better.
        about: what is measured, for captions.
        applies: (problem, estimate) -> whether like meets like; see `bench.metrics.conditions`.
        version: changes whenever the value may.
        digits: how many a table prints after the point.
        unit: of the value, for captions; "" for numbers without one.
        aim: what is best; None for errors that are never negative, of which 0 is.
    """

    value: Callable[[Problem, SCM], float]
    about: str
    applies: Condition
    version: int = 1
    digits: int = 3
    unit: str = f"{DEVIATIONS} of the node"
    aim: float | None = None

    @property
    def is_error(self) -> bool:
        """Whether values are never negative and lower is better: what ranks and ratios need."""
        return self.aim is None

    def __repr__(self) -> str:
        where = self.applies.__name__
        return (
            f"Metric({self.about!r}, unit {self.unit or 'none'}, version {self.version}, {where})"
        )


class Metrics(MutableMapping[str, Metric]):
    """Metrics by name: our own, then those of installed packages, sorted.

    Packages register a `Metric` under the entry points `condfip_bench.metrics`; they are loaded
    once a metric is asked for, since a package's module imports this one. One that cannot be
    loaded, is no `Metric` or has a name of ours is left out with a warning.
    """

    def __init__(self, own: Mapping[str, Metric]) -> None:
        self.own = own

    @cached_property
    def known(self) -> dict[str, Metric]:
        """Every metric by its name, those of installed packages loaded."""
        found = dict(self.own)
        for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
            try:
                metric = entry.load()
                if not isinstance(metric, Metric):
                    raise TypeError(f"{entry.value} is no Metric but {type(metric).__name__}")
                if entry.name in found:
                    raise ValueError("the name is taken")
                found[entry.name] = metric
            except Exception as error:
                told = f"metric {entry.name} ({entry.value}) is left out: {error}"
                warnings.warn(told, RuntimeWarning, stacklevel=2)
        return found

    def __getitem__(self, name: str) -> Metric:
        return self.known[name]

    def __setitem__(self, name: str, metric: Metric) -> None:
        self.known[name] = metric

    def __delitem__(self, name: str) -> None:
        del self.known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)

    def versions(self) -> dict[str, str]:
        """{name: version}, by which a record tells which metrics there were."""
        return {name: str(metric.version) for name, metric in self.items()}
