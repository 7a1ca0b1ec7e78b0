"""The curves of a training run, from the CSV logs that training writes."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from condfip.config import STAGES

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(folder: Path, out: Path) -> Path:
    """Draws each stage's loss and validation scores against time.

    Raises:
        ValueError: the folder has no log.
    """
    from matplotlib.figure import Figure

    logs = [folder / f"{stage}.csv" for stage in STAGES]
    logs = [log for log in logs if log.exists()]
    if not logs:
        raise ValueError(f"{folder} has no log of a training run")
    figure = Figure(figsize=(5 * len(logs), 4), layout="constrained")
    for axes, log in zip(figure.subplots(1, len(logs), squeeze=False)[0], logs, strict=True):
        curve(axes, log)
    figure.savefig(out, dpi=150)
    return out


def curve(axes: "Axes", log: Path) -> None:
    """One stage on one pair of axes."""
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    minutes = [float(row["seconds"]) / 60 for row in rows]
    for name in [key for key in rows[0] if key not in ("step", "seconds")]:
        axes.plot(minutes, [float(row[name]) for row in rows], label=name)
    axes.set(title=log.stem, xlabel="minutes", ylabel="error, standardised units", yscale="log")
    axes.legend()
