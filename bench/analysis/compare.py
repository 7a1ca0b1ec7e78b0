"""A run beside the published figures, or beside a second run."""

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from bench.analysis.published import NAMES, SHIFTED, SOURCE, Figure, figures
from bench.analysis.stats import combined_se, mean_se, paired_difference
from bench.analysis.table import (
    Entry,
    Table,
    blocks,
    entries,
    in_order,
    metrics_of,
    published_figures,
    scenarios_of,
    short,
)
from bench.metrics import METRICS

CAPTION = (
    f"Published ({SOURCE}) and ours, mean (standard error); the combined standard error is "
    "sqrt(ours^2 + published^2 + 2 x 0.003^2), for figures printed to two digits."
)
COMPARE_CAPTION = (
    f"{CAPTION} Rows of a paper method without a counterpart in this run show our best method "
    "that is no control. The published Cond-FiP noise column stands beside noise_smoothed too: "
    "its code smooths."
)

Beside = tuple[str, pd.Series, dict[str, Figure], dict[str, Entry]]


def compare_paper(frame: pd.DataFrame, missing: str = "show") -> Table:
    """Every published figure beside ours.

    A method of the paper gets its difference in combined standard errors; where the run has no
    such method, the best published figure stands beside our best.
    """
    header = ["metric", "d", "scenario", "paper", "published", "ours", "value", "difference / SE"]
    table = Table("compare-paper", COMPARE_CAPTION, header)
    for metric, place, printed, cells in beside_paper(frame, missing):
        table.rows.extend(_compared(metric, place, printed, cells))
    return table


def beside_paper(frame: pd.DataFrame, missing: str = "show") -> list[Beside]:
    """Every place where the paper has figures: metric, place, {method: figure}, {ours: entry}.

    Raises:
        ValueError: there is none.
    """
    found = []
    for metric in metrics_of(frame):
        for _, block in frame.groupby([*blocks(frame), "scenario"], sort=True):
            place = block.iloc[0]
            printed = {
                method: by_scenario[place["scenario"]]
                for method, by_scenario in published_figures(block, metric).items()
                if place["scenario"] in by_scenario
            }
            if printed:
                found.append((metric, place, printed, entries(block, metric, missing)))
    if not found:
        raise ValueError("the paper has no figures for these problems")
    return found


def _compared(
    metric: str, place: pd.Series, printed: dict[str, Figure], cells: dict[str, Entry]
) -> Iterable[list]:
    best = [m for m, e in cells.items() if e.best]
    where = [metric, str(place["d"]), place["scenario"]]
    for name, figure in sorted(printed.items()):
        for ours in [m for m in cells if NAMES.get(m) == name] or best[:1]:
            entry = replace(cells[ours], best=False)
            yield [*where, name, _printed(figure), ours, entry, _gap(entry, figure)]


def like(frame: pd.DataFrame, number: int, missing: str = "error") -> Table:
    """The layout of one table of the paper: its methods, ours, and the differences of namesakes.

    Raises:
        ValueError: the paper has no such table, or the run has none of its problems.
    """
    printed = [figure for figure in figures() if figure.table == number]
    if not printed:
        raise ValueError(f"the paper has no table {number} of figures; they are 1 to 30")
    place = printed[0]
    columns = scenarios_of(pd.DataFrame({"scenario": [f.scenario for f in printed]}))
    columns = columns if columns != [""] else list(dict.fromkeys(f.metric for f in printed))
    caption = f"Layout of table {number} ({place.experiment}, {place.metric}). {CAPTION}"
    table = Table(f"table-{number}", caption, ["d", "alpha", "method", *columns])
    for d, alpha in dict.fromkeys((f.d, f.alpha) for f in printed):
        here = [f for f in printed if (f.d, f.alpha) == (d, alpha)]
        rows = _problems(frame, here[0])
        ours = {}
        for variant, part in rows.groupby("variant"):
            mark = f" ({variant})" if rows["variant"].nunique() > 1 else ""
            found = _ours(part, here, missing)
            ours |= {f"{method}{mark}": row for method, row in found.items()}
        table.rows.extend(
            [str(d), f"{alpha:g}", *row] for row in _side_by_side(here, ours, columns)
        )
    if not any(isinstance(cell, Entry) for row in table.rows for cell in row):
        raise ValueError(f"the run has no problems of table {number}: {_described(printed)}")
    return table


def _problems(frame: pd.DataFrame, figure: Figure) -> pd.DataFrame:
    """The rows of a run whose problems are those of a figure."""
    shift = SHIFTED.get(figure.experiment, "") if figure.alpha != 1 else ""
    inferred = figure.experiment == "no_graph"
    wanted = (
        (frame["d"] == figure.d)
        & (frame["n_context"] == figure.n_context)
        & (frame["alpha"] == figure.alpha)
        & (frame["shift"] == shift)
        & (frame["noise"] == "")
        & (frame["given_graph"].str.startswith("inferred") == inferred)
    )
    return frame[wanted]


def _ours(rows: pd.DataFrame, here: list[Figure], missing: str) -> dict[str, dict[str, Entry]]:
    """{method: {column: entry}}; a column is a scenario, or a metric where there are several."""
    found: dict[str, dict[str, Entry]] = {}
    for figure in {(f.metric, f.scenario): f for f in here}.values():
        part = rows[rows["scenario"] == figure.scenario] if figure.scenario else rows
        metric = figure.metric if figure.metric in set(part["metric"]) else ""
        for method, entry in (entries(part, metric, missing) if metric else {}).items():
            found.setdefault(method, {})[figure.scenario or metric] = entry
    return found


def _side_by_side(
    here: list[Figure], ours: dict[str, dict[str, Entry]], columns: list[str]
) -> Iterable[list]:
    printed: dict[str, dict[str, Figure]] = {}
    for figure in here:
        printed.setdefault(figure.method, {})[figure.scenario or figure.metric] = figure
    for method, row in printed.items():
        yield [f"{method} (paper)", *(_printed(row.get(c)) for c in columns)]
    for method, row in ours.items():
        yield [method, *(row.get(c, "-") for c in columns)]
        if theirs := printed.get(NAMES.get(method.split(" ")[0], ""), {}):
            gaps = [_gap(row[c], theirs[c]) if c in row and c in theirs else "-" for c in columns]
            yield [f"{method}: difference / SE", *gaps]


def _printed(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    return f"{figure.mean:g}" if figure.se != figure.se else f"{figure.mean:.2f} ({figure.se:.2f})"


def steps(entry: Entry, figure: Figure) -> float:
    """Ours less the published figure, in combined standard errors; NaN where none is printed."""
    return (entry.mean - figure.mean) / combined_se(entry.se, figure.se)


def _gap(entry: Entry, figure: Figure) -> str:
    gap = steps(entry, figure)
    return "-" if gap != gap else f"{gap:+.1f}"  # table 24 prints no standard errors


def _described(printed: list[Figure]) -> str:
    sizes = ", ".join(str(d) for d in sorted({f.d for f in printed}))
    return f"{printed[0].experiment}, d = {sizes}, {printed[0].n_context} context rows"


RUNS_CAPTION = (
    "Means (standard errors) of two runs over the problems whose data both have, and "
    "the mean paired difference, second less first, also in its own standard errors."
)


def compare_runs(first: pd.DataFrame, second: pd.DataFrame) -> Table:
    """Two runs beside each other, method by method, over the problems they share.

    Raises:
        ValueError: no method has a value on the same data in both.
    """
    cell = ["data_sha", "method", "metric"]
    both = first.merge(second[[*cell, "value"]], on=cell, suffixes=("", "_second"))
    both = both.dropna(subset=["value", "value_second"])
    if both.empty:
        raise ValueError("the runs share no method on the same data")
    axes = [*blocks(both), "scenario"]
    header = ["metric", *axes, "method", "first", "second", "difference", "difference / SE"]
    table = Table("compare-runs", RUNS_CAPTION, header)
    for metric in metrics_of(both):
        for values, block in both[both["metric"] == metric].groupby(axes):
            for method in in_order(block["method"]):
                pair = block[block["method"] == method]
                cells = _pair(pair["value"], pair["value_second"], METRICS[metric].digits)
                table.rows.append([metric, *map(short, values), method, *cells])
    return table


def _pair(first: pd.Series, second: pd.Series, digits: int) -> list[str | Entry]:
    mean, error = paired_difference(second, first)
    n = len(first)
    entries = [Entry(*mean_se(v), n, n, digits=digits) for v in (first, second)]
    steps = f"{mean / error:+.1f}" if error > 0 else "-"
    return [*entries, f"{mean:+.{digits}f}", steps]
