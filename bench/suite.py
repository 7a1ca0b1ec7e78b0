"""A suite is a grid: presets give values to axes, and anyone may set or filter any axis."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from itertools import product
from math import isfinite, prod
from typing import Any

from bench.task import DRAW, Task

Values = Sequence[Any]
Settings = dict[str, Any]
TASKS_MOST, WHOLE_MOST = 1_000_000, 2**53  # a float tells all whole numbers up to there


@dataclass(frozen=True, repr=False)
class Suite:
    """A grid of tasks to run together: axes with values, and presets that choose among them.

    Attributes:
        name: under which it can be loaded.
        about: what its problems are, in a line.
        source: the paper or the data that they come from.
        licence: of that source.
        unit: what errors are counted in, for captions; "": in standard deviations.
        kind: the suite's tasks, whose fields are its axes.
        axes: every axis with its default values. The axis `scms` counts draws: index 0 .. scms - 1.
        presets: preset -> blocks; a block gives values to some axes, a preset is a union of blocks.
        choices: the values allowed on an axis, where they are few.
        settle: the settings of a grid point -> those of its task, without what does not matter, so
            that equal problems are one task; None where they do not go together.

    Raises:
        ValueError: an axis is no field of `kind`, or a field has neither an axis nor a default.

    Example:
        >>> from dataclasses import dataclass
        >>> import numpy as np
        >>> from bench import Dataset, Problem, Suite, Task
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Walks(Task):
        ...     d: int
        ...     n_context: int = 100
        ...     def problem(self) -> Problem:
        ...         rows = np.random.default_rng(self.index).normal(size=(200, self.d)).cumsum(1)
        ...         data = Dataset(rows[:100], ("a", "b"), np.eye(2, k=1, dtype=bool))
        ...         return Problem(data, rows[100:])
        >>> axes, smoke = {"d": (2,), "n_context": (100,)}, [{"scms": (3,)}]
        >>> suite = Suite("walks", "sums of noise", "", "", Walks, axes, {"smoke": smoke})
        >>> suite
        Suite walks (sums of noise): axes d, n_context; presets smoke
        >>> [task.name for task in suite.tasks("smoke")]
        ['walks/d2/i0', 'walks/d2/i1', 'walks/d2/i2']
    """

    name: str
    about: str
    source: str
    licence: str
    kind: type[Task]
    axes: Mapping[str, Values]
    presets: Mapping[str, Sequence[Mapping[str, Values]]]
    choices: Mapping[str, Values] = field(default_factory=dict)
    settle: Callable[[Settings], Settings | None] = dict
    unit: str = ""

    def __repr__(self) -> str:
        axes, presets = ", ".join(self.axes), ", ".join(self.presets)
        return f"Suite {self.name} ({self.about}): axes {axes}; presets {presets}"

    def __post_init__(self) -> None:
        known = {name: v for name, v in self._defaults().items() if name not in DRAW}
        if stray := [axis for axis in self.axes if axis not in (*known, "scms")]:
            raise ValueError(f"suite {self.name}: {self.kind.__name__} has no field {stray[0]}")
        if bare := [n for n, v in known.items() if v is MISSING and n not in self.axes]:
            raise ValueError(f"suite {self.name}: field {bare[0]} needs an axis or a default")

    @property
    def generator(self) -> str:
        """Fingerprint of the source that makes the problems: the tasks' module and `bench.scm`."""
        from bench.run.fingerprint import fingerprint_of

        return fingerprint_of(self.kind.__module__)

    def tasks(self, preset: str = "quick", seed: int = 0, **axes: object) -> list[Task]:
        """The tasks of a preset, with some axes set to other values.

        Raises:
            ValueError: unknown preset, axis or value, two tasks of one name, or too many.
        """
        if preset not in self.presets:
            raise ValueError(f"unknown preset {preset}; {self.name} has {', '.join(self.presets)}")
        chosen = self.parse(axes)
        grids = [{**self.axes, **block, **chosen} for block in self.presets[preset]]
        if sum(_points(grid) for grid in grids) > TASKS_MOST:
            raise ValueError(f"these settings ask for more than {TASKS_MOST:,} problems")
        tasks = list(dict.fromkeys(task for grid in grids for task in self._grid(grid, seed)))
        by_name = {task.name: task for task in tasks}
        if clash := [task for task in tasks if by_name[task.name] != task]:
            raise ValueError(f"suite {self.name}: two tasks have the name {clash[0].name}")
        return tasks

    def task(self, settings: Mapping[str, object]) -> Task:
        """The task of its settings, as JSON or the columns of a table give them back.

        A setting that is NaN, as an empty field of a table, is left out.

        Raises:
            ValueError: an unknown or a missing axis, or values that no task of the suite has.
        """
        given = {n: self._value(n, value) for n, value in settings.items() if value == value}
        if lacking := [n for n, v in {**self._defaults(), **given}.items() if v is MISSING]:
            raise ValueError(f"the settings of a {self.name} task lack {lacking[0]}")
        if (task := self._make(given)) is None:
            raise ValueError(f"{self.name} has no task of the settings {given}")
        return task

    def where(self, tasks: Iterable[Task], **axes: object) -> list[Task]:
        """The tasks whose settings are among the values given.

        Raises:
            ValueError: unknown axis or value, or no task is left.
        """
        wanted = self.parse(axes)
        kept = [task for task in tasks if all(_matches(task, a, v) for a, v in wanted.items())]
        if not kept:
            raise ValueError(
                "no task of the preset matches --where; --set gives an axis new values"
            )
        return kept

    def parse(self, axes: Mapping[str, object]) -> dict[str, tuple[Any, ...]]:
        """Values of axes, from Python or from text, in the axes' own types.

        Raises:
            ValueError: unknown axis or value.
        """
        for axis in axes:
            if axis not in self.axes:
                raise ValueError(f"unknown axis {axis}; {self.name} has {', '.join(self.axes)}")
        return {axis: tuple(self._value(axis, v) for v in _many(axes[axis])) for axis in axes}

    def _defaults(self) -> Settings:
        """Settings of a task and their defaults, MISSING where one has to be given."""
        return {f.name: f.default for f in fields(self.kind) if f.name != "suite"}

    def _make(self, settings: Settings) -> Task | None:
        settled = self.settle({**self._defaults(), **settings})
        return None if settled is None else self.kind(suite=self.name, **settled)

    def _value(self, axis: str, value: Any) -> Any:
        """A value of a setting in its type: that of the axis's first, or of the field's default."""
        known = {**self._defaults(), **{name: values[0] for name, values in self.axes.items()}}
        if axis not in known:
            raise ValueError(f"unknown axis {axis}; {self.name} has {', '.join(self.axes)}")
        if axis in self.choices:
            return _choice(axis, value, self.choices[axis])
        kind = type(known[axis])
        try:
            number = _convert(kind, value)
        except ValueError as error:
            raise ValueError(f"axis {axis} takes numbers, not {value!r}") from error
        allowed = (*self.axes.get(axis, ()), known[axis])
        if kind is float and not isfinite(number) and number not in allowed:
            raise ValueError(f"axis {axis} takes finite numbers, not {value}")
        if kind is not str and axis != "seed" and number <= 0 and number not in allowed:
            raise ValueError(f"axis {axis} takes positive numbers, not {value}")
        return number

    def _grid(self, grid: Mapping[str, Values], seed: int) -> Iterable[Task]:
        draws = max(grid.get("scms", (1,)))
        rest = {axis: values for axis, values in grid.items() if axis != "scms"}
        for point in product(*rest.values()):
            for index in range(draws):
                settings = dict(zip(rest, point, strict=True))
                task = self._make({**settings, "index": index, "seed": seed})
                if task is not None:
                    yield task


def _points(grid: Mapping[str, Values]) -> int:
    draws = max(grid.get("scms", (1,)))
    return draws * prod(len(values) for axis, values in grid.items() if axis != "scms")


def _choice(axis: str, value: object, choices: Values) -> Any:
    known = {str(choice).lower(): choice for choice in choices}
    if str(value).lower() not in known:
        raise ValueError(f"unknown {axis} {value}; there are {', '.join(filter(None, known))}")
    return known[str(value).lower()]


def _convert(kind: type, value: Any) -> Any:
    """A value from text or another type of number; a whole number stays exact."""
    if value is None:
        raise ValueError(f"it is empty, not {kind.__name__}")
    if kind is not int:
        return kind(value)
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        number = float(value)
    if not abs(number) <= WHOLE_MOST or number != int(number):
        raise ValueError(f"{value} is no whole number below 2^53")
    return int(number)


def _many(values: Any) -> Values:
    if isinstance(values, str):
        return values.split(",")
    return values if isinstance(values, Sequence) else (values,)


def _matches(task: Task, axis: str, values: Values) -> bool:
    return task.index < max(values) if axis == "scms" else task.settings[axis] in values
