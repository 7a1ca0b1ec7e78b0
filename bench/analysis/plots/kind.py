"""What a plot is: the numbers it shows, and how they are drawn. The numbers are its CSV file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """A figure and all the numbers in it."""

    figure: Figure
    numbers: pd.DataFrame


@dataclass(frozen=True)
class Kind:
    """A kind of plot: called with the rows of a run (`read_results`) it draws them.

    Attributes:
        about: its caption. numbers: rows of a run -> what the plot shows, one row a mark.
        draw: numbers -> figure. fits: whether a run has what the plot needs.
        refits: whether `numbers` makes problems and fits methods again, which takes a while.
    """

    about: str
    numbers: Callable[[pd.DataFrame], pd.DataFrame]
    draw: Callable[[pd.DataFrame], Figure]
    fits: Callable[[pd.DataFrame], bool]
    refits: bool = False

    def __call__(self, frame: pd.DataFrame) -> Drawing:
        """The plot of a run."""
        numbers = self.numbers(frame)
        return Drawing(self.draw(numbers), numbers)


def save(drawing: Drawing, folder: Path, name: str) -> list[Path]:
    """Writes PNG, PDF and the CSV behind both."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{form}" for form in ("png", "pdf", "csv")]
    drawing.figure.savefig(paths[0], dpi=130)
    drawing.figure.savefig(paths[1], metadata={"CreationDate": None}, dpi=200)
    drawing.numbers.to_csv(paths[2], index=False, float_format="%.6g")
    return paths
