"""The board: one page over many runs, of scores, times and what they were computed with."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bench.analysis.plots.style import panels, plain_log, style, with_legend
from bench.analysis.report import svg, template
from bench.analysis.results import (
    as_asked,
    counts,
    methods_of,
    metrics_of,
    read_results,
    roles_of,
)
from bench.analysis.runs import Run, locate
from bench.analysis.skill import by_scm, ratios, seconds_of, tables
from bench.analysis.table import Table, short
from bench.registry import METHODS, describe, names
from bench.run.records import read_launches
from bench.run.shape import STATUSES

KEY = ("version", "method_settings", "source", "checkpoint", "generator")
PANELS, SHORT = 4, 10  # the first metrics are drawn; shas are cut


def page(runs: Sequence[Run], reference: str = "") -> str:
    """The board as one HTML text that needs no network.

    Args:
        runs: folders or names of published runs. Where several have a cell, that of the run that
            was launched last counts.
        reference: a method; by default the control with most cells.

    Raises:
        ValueError: a run holds no results, or the reference has no cell in them.
    """
    folders = sorted(map(locate, runs), key=_last_launch, reverse=True)
    frame = read_results(folders)
    reference = reference_of(frame, reference)
    scores = {m: found for m in metrics_of(frame) if len(found := ratios(frame, m, reference))}
    return template("board.html").render(
        title=f"Board of {len(folders)} runs",
        facts=_facts(frame, reference, scores),
        metrics=[
            {"name": metric, "tables": list(tables(rows, metric, reference))}
            for metric, rows in scores.items()
        ],
        figure=svg(draw_seconds(frame, scores, reference)) if scores else "",
        made=made_with(frame),
        launches=launches_of(folders),
        reference=reference,
    )


def _last_launch(folder: Path) -> str:
    return max((str(launch.get("started", "")) for launch in read_launches(folder)), default="")


def reference_of(frame: pd.DataFrame, asked: str = "") -> str:
    """The method that errors are divided by: as asked, or the control with most cells.

    Raises:
        ValueError: no cell of it, or no control at all.
    """
    controls = frame.loc[(frame["role"] == "reference") & frame["value"].notna(), "method"]
    if asked and asked not in set(frame["method"]):
        raise ValueError(f"no method {asked} in these runs; there are {_said(methods_of(frame))}")
    if not asked and controls.empty:
        raise ValueError("these runs have no control to divide by; name a --reference")
    return asked or str(controls.value_counts().index[0])


def _about(method: str) -> str:
    """What a registered method says of itself."""
    return f": {describe(method).rstrip('.')}" if method in names(METHODS) else ""


def _said(words: Iterable[str]) -> str:
    return ", ".join(words)


def draw_seconds(frame: pd.DataFrame, scores: dict[str, pd.DataFrame], reference: str) -> Figure:
    """Error over the reference's against median seconds, a panel a metric, both logarithmic."""
    chosen = list(scores.items())[:PANELS]
    figure, axes = panels(len(chosen), 4.6, 3.3)
    for place, (metric, rows) in zip(axes, chosen, strict=True):
        means, roles = np.exp(by_scm(rows).mean()), roles_of(rows)
        seconds = seconds_of(rows).clip(lower=1e-4)
        for method, mean in means.items():
            if method != reference:
                look = style(str(method), roles[str(method)])
                place.scatter(seconds[method], mean, s=36, label=method.replace("$", r"\$"), **look)
        place.set(xscale="log", yscale="log", title=metric)
        place.set(xlabel="seconds a dataset", ylabel=f"error / {reference}")
        plain_log(place, "y")
    return with_legend(figure, *axes)


def made_with(frame: pd.DataFrame) -> Table:
    """What the cells that count were computed with: a row a method, key and launch."""
    cells = as_asked(frame).drop_duplicates(["suite", "task", "method"])
    by = ["method", "suite", "run", "launch", *KEY]
    header = [*by, "cells"]
    caption = (
        "Cells with the same version, settings, sources (of the method and of the suite's "
        "generator) and checkpoint, named by the beginning of their sha256, by the launch that "
        "computed them. -: there is none, or older records did not keep it."
    )
    table = Table("made with", caption, header)
    for values, part in cells.groupby(by, sort=False, dropna=False):
        words = {name: short(v) if v != "" else "-" for name, v in zip(by, values, strict=True)}
        cut = [word[:SHORT] if name in KEY[2:] else word for name, word in words.items()]
        table.rows.append([*cut, str(len(part))])
    return table


def launches_of(folders: Sequence[Path]) -> Table:
    """Every launch of these runs, from their run.json."""
    parts = ("started", "command", "commit", "cpu", "versions")
    table = Table(
        "launches", "As each run's run.json has it.", ["run", "launch", *parts, "changed"]
    )
    for folder in folders:
        for number, launch in enumerate(read_launches(folder)):
            told = [str(launch.get(name, "")) for name in parts]
            told[2] = told[2][:SHORT]
            changed = str(len(launch.get("dirty") or ()))
            table.rows.append([folder.resolve().name, str(number), *told, f"{changed} files"])
    return table


def _facts(
    frame: pd.DataFrame, reference: str, scores: dict[str, pd.DataFrame]
) -> list[tuple[str, str]]:
    counted, missing = counts(frame), [m for m in metrics_of(frame) if m not in scores]
    told = [
        ("cells", ", ".join(f"{counted[s]} {s}" for s in STATUSES if s in counted)),
        ("problems", f"{as_asked(frame)['task'].nunique()} of {frame['scm'].nunique()} SCMs"),
        ("methods", str(as_asked(frame)["method"].nunique())),
        ("reference", f"{reference}{_about(reference)}; its errors are 1 in every table"),
        ("several runs", "where they have a cell in common, that of the last launch counts"),
    ]
    if missing:
        told.append(
            ("without a score", f"{_said(missing)}: {reference} has none, or all are alike")
        )
    return told + [("note", note) for note in frame.attrs["notes"]]
