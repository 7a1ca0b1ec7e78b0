"""A suite is a grid: presets give values to axes, and anyone may set or filter any axis."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from bench.task import Task

Values = Sequence[object]


@dataclass(frozen=True)
class Suite:
    """Tasks to run together.

    Attributes:
        name, about, source, licence: for people.
        axes: every axis with its default values. The axis `scms` counts draws: index 0 .. scms - 1.
        presets: preset -> blocks; a block gives values to some axes, a preset is a union of blocks.
        make: the settings of one grid point -> a task, or None where they do not go together.
        choices: the values allowed on an axis, where they are few.
    """

    name: str
    about: str
    source: str
    licence: str
    axes: Mapping[str, Values]
    presets: Mapping[str, Sequence[Mapping[str, Values]]]
    make: Callable[..., Task | None]
    choices: Mapping[str, Values] = field(default_factory=dict)

    def tasks(self, preset: str = "quick", seed: int = 0, **axes: object) -> list[Task]:
        """The tasks of a preset, with some axes set to other values.

        Raises:
            ValueError: unknown preset, axis or value.
        """
        if preset not in self.presets:
            raise ValueError(f"unknown preset {preset}; {self.name} has {', '.join(self.presets)}")
        chosen = self.parse(axes)
        grids = [{**self.axes, **block, **chosen} for block in self.presets[preset]]
        tasks = [task for grid in grids for task in self._grid(grid, seed)]
        return list(dict.fromkeys(tasks))

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

    def parse(self, axes: Mapping[str, object]) -> dict[str, tuple]:
        """Values of axes, from Python or from text, in the axes' own types."""
        return {axis: tuple(self._value(axis, v) for v in _many(axes[axis])) for axis in axes}

    def _value(self, axis: str, value: object) -> object:
        if axis not in self.axes:
            raise ValueError(f"unknown axis {axis}; {self.name} has {', '.join(self.axes)}")
        if axis in self.choices:
            known = {str(choice).lower(): choice for choice in self.choices[axis]}
            if str(value).lower() not in known:
                raise ValueError(
                    f"unknown {axis} {value}; there are {', '.join(filter(None, known))}"
                )
            return known[str(value).lower()]
        kind = type(self.axes[axis][0])
        try:
            number = kind(value)
        except ValueError as error:
            raise ValueError(f"axis {axis} takes numbers, not {value!r}") from error
        if kind is not str and number <= 0 and number not in self.axes[axis]:
            raise ValueError(f"axis {axis} takes positive numbers, not {value}")
        return number

    def _grid(self, grid: Mapping[str, Values], seed: int) -> Iterable[Task]:
        counts = grid["scms"]
        rest = {axis: values for axis, values in grid.items() if axis != "scms"}
        for point in product(*rest.values()):
            for index in range(max(counts)):
                task = self.make(**dict(zip(rest, point, strict=True)), index=index, seed=seed)
                if task is not None:
                    yield task


def _many(values: object) -> Values:
    if isinstance(values, str):
        return values.split(",")
    return values if isinstance(values, Sequence) else (values,)


def _matches(task: Task, axis: str, values: Values) -> bool:
    return task.index < max(values) if axis == "scms" else getattr(task, axis) in values
