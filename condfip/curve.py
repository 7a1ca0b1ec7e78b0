"""The curves of a training run, from the CSV logs that training writes."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from condfip.figure import write_figure
from condfip.paper.config import JOINT, STAGES

NAMES = (*STAGES, JOINT, "amortized")  # of logs
SCENARIOS = ("LIN_IN", "RFF_IN", "RFF_OUT")
ACROSS = 2  # panels in a row
TICKS = (0.02, 0.05, 0.1, 0.2, 0.5)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(folder: Path, out: Path) -> Path:
    """Draws each stage's loss and validation scores against time; returns the figure's path.

    Raises:
        ValueError: the folder has no log, or one that is damaged; see `write_figure`.
    """
    from matplotlib.figure import Figure

    logs = [folder / f"{stage}.csv" for stage in NAMES]
    logs = [log for log in logs if log.exists()]
    if not logs:
        raise ValueError(f"{folder} has no log of a training run")
    figure = Figure(figsize=(5 * len(logs), 4), layout="constrained")
    for axes, log in zip(figure.subplots(1, len(logs), squeeze=False)[0], logs, strict=True):
        curve(axes, log)
    return write_figure(figure, out)


def scaling_figure(logs: dict[str, Path]) -> "Figure":
    """Validation scores against the number of datasets (or tasks) seen, a panel a log.

    Args:
        logs: CSV files by title.
    """
    from matplotlib.figure import Figure

    across = min(len(logs), ACROSS)
    down = -(-len(logs) // across)
    figure = Figure(figsize=(4.2 * across, 3.4 * down), layout="constrained")
    panels = list(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat)
    for spare in panels[len(logs) :]:
        spare.remove()
    for axes, (title, log) in zip(panels, logs.items(), strict=False):
        rows = read(log)
        unit = next(name for name in ("datasets", "tasks") if name in rows[0])
        seen = [float(row[unit]) for row in rows]
        for name in SCENARIOS:
            axes.plot(seen, [float(row[name]) for row in rows], label=name)
        axes.set(title=title, xlabel=f"{unit} seen", xscale="log", yscale="log")
        axes.set_yticks(TICKS, TICKS)
        axes.yaxis.set_minor_formatter("")
        axes.tick_params(labelbottom=True)
        axes.grid(True, which="both", alpha=0.2)
    figure.axes[0].set_ylabel("noise error, d = 10, n = 400")
    figure.axes[0].legend()
    return figure


def read(log: Path) -> list[dict[str, str]]:
    """Reads the rows of a training log.

    Raises:
        ValueError: it has no rows, or one that is not as long as its header, or no numbers.
    """
    try:
        with log.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (csv.Error, UnicodeDecodeError):
        raise ValueError(f"{log} is no log of a training run: it is no CSV table") from None
    if not rows or "seconds" not in rows[0]:
        what = "a column seconds" if rows else "rows"
        raise ValueError(f"{log} is no log of a training run: it has no {what}")
    for number, row in enumerate(rows, 1):
        if not all(map(_is_number, row.values())):
            raise ValueError(f"{log}: row {number} has not one number for each column")
    return rows


def _is_number(cell: object) -> bool:
    """Whether a cell is one; those that a row lacks are None, those beyond its end a list."""
    try:
        float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


def curve(axes: "Axes", log: Path) -> None:
    """One stage on one pair of axes."""
    rows = read(log)
    minutes = [float(row["seconds"]) / 60 for row in rows]
    for name in [key for key in rows[0] if key not in ("step", "datasets", "seconds")]:
        axes.plot(minutes, [float(row[name]) for row in rows], ".-", label=name)
    axes.set(title=log.stem, xlabel="minutes", ylabel="error, standardised units", yscale="log")
    axes.legend()
