"""What a plot is: the numbers it shows, and how they are drawn. The numbers are its CSV file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bench.analysis.results import DRAWS, axes_of, measured, methods_of, metrics_of, roles_of
from bench.analysis.stats import mean_se
from bench.analysis.table import split
from bench.metrics import METRICS
from bench.run.records import write_bytes, write_text


@dataclass(frozen=True)
class Drawing:
    """A figure and all the numbers in it."""

    figure: Figure
    numbers: pd.DataFrame


@dataclass(frozen=True)
class Kind:
    """A kind of plot: called with the rows of a run (`read_results`) it draws them.

    Attributes:
        about: its caption.
        numbers: rows of a run -> what the plot shows, one row a mark.
        draw: numbers -> figure.
        fits: whether a run has what the plot needs.
        refits: whether `numbers` makes problems and fits methods again, which takes a while.
        needs: what a run has to have, in words.
    """

    about: str
    numbers: Callable[[pd.DataFrame], pd.DataFrame]
    draw: Callable[[pd.DataFrame], Figure]
    fits: Callable[[pd.DataFrame], bool]
    refits: bool = False
    needs: str = "results"

    def __call__(self, frame: pd.DataFrame) -> Drawing:
        """The plot of a run."""
        numbers = self.numbers(frame)
        return Drawing(self.draw(_drawable(numbers)), numbers)


def _drawable(numbers: pd.DataFrame) -> pd.DataFrame:
    """The same with names as they are to be read: a $ would begin a formula."""
    odd = [n for n in numbers.select_dtypes(exclude="number") if numbers[n].map(_odd).any()]
    return numbers.assign(**{name: numbers[name].map(_readable) for name in odd})


def _odd(value: object) -> bool:
    return isinstance(value, str) and ("$" in value or not value.isprintable())


def _readable(value: object) -> object:
    if not _odd(value):
        return value
    text = "".join(c if c.isprintable() else " " for c in str(value))
    return text.replace("$", r"\$")


def save(drawing: Drawing, folder: Path, name: str) -> list[Path]:
    """Writes PNG, PDF and the CSV behind both."""
    forms: dict[str, dict[str, Any]] = {"png": {"dpi": 130}}
    forms["pdf"] = {"dpi": 200, "metadata": {"CreationDate": None}}
    paths = [folder / f"{name}.{form}" for form in (*forms, "csv")]
    for path, (form, settings) in zip(paths, forms.items(), strict=False):
        drawn = BytesIO()
        drawing.figure.savefig(drawn, format=form, **settings)
        write_bytes(path, drawn.getvalue())
    write_text(paths[-1], drawing.numbers.to_csv(index=False, float_format="%.6g"))
    return paths


def in_panels(frame: pd.DataFrame, but: Sequence[str] = ()) -> pd.DataFrame:
    """Rows with a column `panel`: the settings in words that vary, so that none are pooled.

    Args:
        frame: rows of a run. but: axes that are shown in another way.
    """
    words = [a for a in axes_of(frame) if a not in (*DRAWS, *but) and _in_words(frame[a])]
    parts = [
        part.assign(panel=", ".join(v for v in values if v) or part["suite"].iloc[0])
        for values, part in split(frame, words)
    ]
    return pd.concat(parts)


def _in_words(column: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(column) and column.nunique() > 1


def mean_errors(rows: pd.DataFrame, axis: str | None = None) -> pd.DataFrame:
    """Mean and standard error over SCMs by metric, panel, method and value of an axis.

    Settings of one SCM that are not told apart are averaged first.

    Args:
        rows: with a column `panel`. axis: whose values are told apart, as column x; None: none.
    """
    found, roles = [], roles_of(rows)
    keys = ["panel", "method", *([axis] if axis else [])]
    for metric in _shared(rows):
        here = measured(rows, metric)
        here = here[here["role"] != "truth"]
        means = here.groupby([*keys, "scm"], sort=False)["value"].mean()
        groups = {place: v for place, v in means.groupby(level=keys, sort=False)}
        methods, places = methods_of(here), list(dict.fromkeys(here["panel"]))
        ranked = sorted(groups, key=lambda g: (places.index(g[0]), methods.index(g[1]), g[2:]))
        found += [
            (metric, g[0], g[1], roles[g[1]], *g[2:], *mean_se(groups[g]), len(groups[g]))
            for g in ranked
        ]
    x = ["x"] if axis else []
    return pd.DataFrame(found, columns=["metric", "panel", "method", "role", *x, "mean", "se", "n"])


def _shared(rows: pd.DataFrame) -> list[str]:
    """Metrics that two methods have; all of them where no metric is shared."""
    several = rows[(rows["role"] != "truth") & rows["value"].notna()]
    counted = several.groupby("metric")["method"].nunique()
    drawn = [metric for metric in metrics_of(rows) if METRICS[metric].aim != 0]  # of one sign
    found = [metric for metric in drawn if counted.get(metric, 0) > 1]
    return found or drawn
