"""A run beside the published figures: cell by cell, pooled over cells, in a table's layout."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pandas as pd

from bench.analysis.published import SHIFTED, SOURCE, Figure, beside, figures, namesakes
from bench.analysis.results import baselines, methods_of, metrics_of
from bench.analysis.stats import combined_se, mean_se, pooled_ratio
from bench.analysis.table import (
    SPREAD,
    Entry,
    Table,
    blocks,
    by_scm,
    entries,
    place_of,
    short,
    split,
)

CLOSE, BAND = 1.15, "15 %"
UNSETTLED = 1 / 3  # a cell whose standard error is beyond this share of its mean says little
CAPTION = (
    f"Published ({SOURCE}) and ours, mean (standard error); the combined standard error is "
    "sqrt(ours^2 + published^2 + 2 x 0.003^2), for figures printed to two digits. The paper's "
    "SCMs were other draws, presumably of variant causica. Unsettled: our own standard error is "
    "beyond a third of our mean, so that nothing follows from a small difference."
)
NOISE = (
    " The published Cond-FiP noise is smoothed: it stands beside noise_published only, never "
    "beside residual noise."
)
POOLED = (
    f"Our mean over the published one ({SOURCE}), both summed over the cells (scenario, d and what "
    "else varies) that both have; brackets are 95 % intervals over our SCMs and the published "
    f"standard errors. Within {BAND}: yes where the 90 % interval lies there, no where the "
    "95 % interval lies beyond, else not known. Unsettled: those of the cells in which our own "
    "standard error is beyond a third of our mean, where few SCMs make it. Tables 27-29, OUT, are "
    f"left out: every published method has about the same error there.{NOISE}"
)


EXPLODED = " Where a mean explodes on single SCMs, the ratio of our medians stands beside."


@dataclass(frozen=True)
class Place:
    """Where the paper has figures: a block of ours, {method of the paper: figure}."""

    metric: str
    block: pd.DataFrame
    figures: dict[str, Figure]


def places(frame: pd.DataFrame) -> list[Place]:
    """Every place of a run where the paper has figures.

    Raises:
        ValueError: there is none.
    """
    found = []
    axes = blocks(frame)
    axes += [SPREAD] if SPREAD in frame and SPREAD not in axes else []
    for metric in metrics_of(frame):
        for _, block in split(frame, axes):
            place = place_of(block)
            printed = beside(metric, block["scm"].iloc[0], place)
            here = {
                method: by_scenario[place[SPREAD]]
                for method, by_scenario in printed.items()
                if place.get(SPREAD) in by_scenario
            }
            if here:
                found.append(Place(metric, block, here))
    if not found:
        raise ValueError("the paper has no figures for these problems")
    return found


def pairs(methods: Iterable[str], papers: Iterable[str]) -> list[tuple[str, str]]:
    """(ours, theirs): an implementation beside its namesake, others beside each of theirs."""
    same, papers = namesakes(), sorted(papers)
    return [(m, p) for m, p in product(methods, papers) if same.get(m, p) == p]


def compare_paper(frame: pd.DataFrame) -> Table:
    """Every published figure beside ours, namesake by namesake, other methods beside each.

    Raises:
        ValueError: the paper has no figures for these problems.
    """
    axes = [axis for axis in blocks(frame) if axis != SPREAD]
    header = ["metric", *axes, SPREAD, "paper", "published", "ours", "value", "difference / SE"]
    table = Table("compare-paper", CAPTION + NOISE, header)
    for place in places(frame):
        cells = entries(place.block, place.metric)
        at = place_of(place.block)
        where = [place.metric, *(short(at.get(a, "")) for a in axes), at[SPREAD]]
        for ours, theirs in pairs(cells, place.figures):
            entry, figure = replace(cells[ours], best=False), place.figures[theirs]
            table.rows.append([*where, theirs, _printed(figure), ours, entry, _gap(entry, figure)])
    return table


def pooled(frame: pd.DataFrame) -> Table:
    """Our mean over the published one, pooled over cells, with an interval: a row a pair.

    Raises:
        ValueError: the paper has no figures for these problems.
    """
    ours: dict[tuple[str, str, str], list] = defaultdict(list)
    for place in places(frame):
        errors = by_scm(baselines(place.block), place.metric)
        for method, theirs in pairs(errors, place.figures):
            if place.figures[theirs].comparable and math.isfinite(place.figures[theirs].se):
                ours[place.metric, method, theirs].append((errors[method], place.figures[theirs]))
    header = ["metric", "method", "paper", "cells", "unsettled", "SCMs", "ratio", f"within {BAND}"]
    table = Table("pooled-paper", POOLED, header)
    order = {m: k for k, m in enumerate(methods_of(frame))}
    metrics, exploded = metrics_of(frame), ""
    for metric, method, theirs in sorted(ours, key=lambda k: (metrics.index(k[0]), order[k[1]])):
        matched = ours[metric, method, theirs]
        values, printed = [e for e, _ in matched], [figure for _, figure in matched]
        ratio = pooled_ratio(values, [f.mean for f in printed], [f.se for f in printed])
        scms = len(set().union(*(e.index for e in values)))
        low, high = ratio.interval(0.95)
        text = f"{ratio.value:.2f} [{low:.2f}, {high:.2f}]"
        if any(Entry.of(errors.to_numpy(), len(errors)).middle for errors in values):
            middle = sum(float(e.median()) for e in values) / sum(f.mean for f in printed)
            text += f" (medians {middle:.2f})"
            exploded = EXPLODED
        unsettled = sum(_unsettled(*mean_se(errors)) for errors in values)
        counted = str(len(matched)), str(unsettled), str(scms)
        table.rows.append([metric, method, theirs, *counted, text, ratio.within(CLOSE)])
    return replace(table, caption=table.caption + exploded)


def like(frame: pd.DataFrame, number: int, missing: str = "error") -> Table:
    """The layout of one table of the paper: its methods, ours, and the differences of namesakes.

    Raises:
        ValueError: the paper has no such table, or the run has none of its problems.
    """
    printed = [figure for figure in figures() if figure.table == number]
    if not printed:
        raise ValueError(f"the paper has no table {number} of figures; they are 1 to 30")
    first = printed[0]
    columns = list(dict.fromkeys(f.scenario or f.metric for f in printed))
    apart = "" if all(f.comparable for f in printed) else " Not comparable: see results/README.md."
    caption = f"Layout of table {number} ({first.experiment}, {first.metric}). {CAPTION}{apart}"
    table = Table(f"table-{number}", caption, ["d", "alpha", "method", *columns])
    for d, alpha in dict.fromkeys((f.d, f.alpha) for f in printed):
        here = [f for f in printed if (f.d, f.alpha) == (d, alpha)]
        label = [str(d), f"{alpha:g}"]
        table.rows.extend([*label, *row] for row in _beside_each_other(frame, here, missing))
    if not any(isinstance(cell, Entry) for row in table.rows for cell in row):
        raise ValueError(f"the run has no problems of table {number}: {_described(printed)}")
    return table


def _beside_each_other(frame: pd.DataFrame, here: list[Figure], missing: str) -> Iterable[list]:
    rows = _problems(frame, here[0])
    free = [axis for axis in blocks(rows) if axis not in ("d", SPREAD)]
    ours: dict[tuple[str, str], dict[str, Entry]] = {}
    for values, part in split(rows, free) if len(rows) else ():
        mark = f" ({', '.join(map(short, values))})" if values else ""
        ours |= {(m, f"{m}{mark}"): row for m, row in _ours(part, here, missing).items()}
    return _side_by_side(here, ours)


def _problems(frame: pd.DataFrame, figure: Figure) -> pd.DataFrame:
    """The rows of a run whose problems are those of a figure."""
    inferred = figure.experiment == "no_graph"
    shift = SHIFTED.get(figure.experiment, "") if figure.alpha != 1 else ""
    wanted: dict[str, Any] = {"d": figure.d, "n_context": figure.n_context, "alpha": figure.alpha}
    wanted |= {"shift": shift, "noise": "", "given": "inferred" if inferred else "true"}
    family = "sachs" if figure.experiment == "sachs" else "lorch"
    kept = frame["scm"].str.split("/").str[0] == family
    for axis, value in wanted.items():
        if axis in frame:
            kept &= frame[axis] == value
        elif axis == "given" and inferred:
            kept &= False
    return frame[kept]


def _ours(rows: pd.DataFrame, here: list[Figure], missing: str) -> dict[str, dict[str, Entry]]:
    """{method: {column: entry}}; a column is a scenario, or a metric where there are several."""
    found: dict[str, dict[str, Entry]] = {}
    for figure in {(f.metric, f.scenario): f for f in here}.values():
        part = rows[rows[SPREAD] == figure.scenario] if figure.scenario else rows
        metrics = [figure.metric] + (["noise_published"] if figure.metric == "noise" else [])
        for metric in set(metrics) & set(metrics_of(part)):
            mark = "" if metric == figure.metric else f" {metric}"
            for method, entry in entries(part, metric, missing).items():
                found.setdefault(method + mark, {})[figure.scenario or metric] = entry
    return found


def _side_by_side(
    here: list[Figure], ours: dict[tuple[str, str], dict[str, Entry]]
) -> Iterable[list]:
    columns = list(dict.fromkeys(f.scenario or f.metric for f in here))
    printed: dict[str, dict[str, Figure]] = {}
    for figure in here:
        printed.setdefault(figure.method, {})[figure.scenario or figure.metric] = figure
    for theirs, line in printed.items():
        yield [f"{theirs} (paper)", *(_printed(line.get(c)) for c in columns)]
    for (method, label), row in ours.items():
        yield [label, *(row.get(c, "-") for c in columns)]
        name, _, smoothed = method.partition(" ")
        line = printed.get(namesakes().get(name, ""), {})
        residual = here[0].metric == "noise" and namesakes().get(name) == "Cond-FiP"
        if line and not (residual and not smoothed):
            gaps = [_gap(row[c], line[c]) if c in row and c in line else "-" for c in columns]
            yield [f"{label}: difference / SE", *gaps]


def _printed(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    return f"{figure.mean:g}" if figure.se != figure.se else f"{figure.mean:.2f} ({figure.se:.2f})"


def steps(entry: Entry, figure: Figure) -> float:
    """Ours less the published figure, in combined standard errors; NaN where none is printed."""
    return (entry.mean - figure.mean) / combined_se(entry.se, figure.se)


def _gap(entry: Entry, figure: Figure) -> str:
    gap = steps(entry, figure)
    if gap != gap:
        return "-"  # table 24 prints no standard errors
    return f"{gap:+.1f}{', unsettled' if _unsettled(entry.mean, entry.se) else ''}"


def _unsettled(mean: float, error: float) -> bool:
    """Whether so few SCMs make a mean that it is no evidence; of one SCM it never is."""
    return not error <= UNSETTLED * abs(mean)


def _described(printed: list[Figure]) -> str:
    sizes = ", ".join(str(d) for d in sorted({f.d for f in printed}))
    return f"{printed[0].experiment}, d = {sizes}, {printed[0].n_context} context rows"
