"""One self-contained HTML page of a run: what was run, tables, plots, failures, every number."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from bench.analysis.compare import compare_runs
from bench.analysis.outputs import Bar, plainly
from bench.analysis.paper import compare_paper, pooled
from bench.analysis.plots import PLOTS, kinds_for
from bench.analysis.results import (
    EVERYTHING,
    Shown,
    as_asked,
    axes_of,
    counts,
    errors_of,
    metrics_of,
    read_results,
)
from bench.analysis.runs import Run, locate
from bench.analysis.summary import summary, wins
from bench.analysis.table import Table, blocks, metric_table, short
from bench.run.records import read_launches, write_text
from bench.run.shape import FAILED, STATUSES, cell_of

TEMPLATES = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
TIMES = ("fit_s", "query_s", "peak_rss_mb")
CELL = ["suite", "task", "method"]
TITLES = {
    "compare-runs": "With a second run",
    "pooled-paper": "With the published figures, pooled",
    "compare-paper": "With the published figures",
}
SMALLER = (
    (r' id="[A-Za-z0-9.]+_\d+"', ""),  # matplotlib's own numbering, which figures would share
    (r"\n\s*", "\n"),
    (r"<g>\n<g>\n(<use [^>]*/>\n)</g>\n</g>\n", r"\1"),
    ("'DejaVu Sans'[^;]*sans-serif", "sans-serif"),
    ("#000000", "currentColor"),
)


def write_report(
    runs: Sequence[Run],
    beside: Run | None = None,
    shown: Shown = EVERYTHING,
    refits: bool = True,
    bar: Bar = plainly,
) -> Path:
    """Writes a page, report.html in the folder of the first run.

    Args:
        runs: folders or names of published runs, joined on settings.
        beside: a second run to compare with. shown: which rows.
        refits: whether to draw plots that fit methods again (about two minutes for a quick run).
        bar: (kinds of plots, about) -> the same, while someone is told how far they are.

    Raises:
        ValueError: no results in a folder, or the runs share no problem.
    """
    path = locate(runs[0]) / "report.html"
    write_text(path, page(runs, beside, shown, refits, bar))
    return path


def page(
    runs: Sequence[Run],
    beside: Run | None = None,
    shown: Shown = EVERYTHING,
    refits: bool = True,
    bar: Bar = plainly,
) -> str:
    """The page as text; see `write_report`."""
    frame = read_results(runs, shown)
    other = read_results(beside, shown) if beside else None
    metrics = metrics_of(frame)
    folders = [locate(run) for run in runs]
    return template("report.html").render(
        title=" and ".join(folder.resolve().name for folder in folders),
        facts=_facts(folders, frame),
        tables=[_linked(metric_table(frame, m, "show"), frame) for m in metrics],
        summaries=[table for m in errors_of(frame) for table in _pooled(frame, m)],
        comparisons=_comparisons(frame, other),
        titles=TITLES,
        plots=list(_plots(frame, refits, bar)),
        failures=_failures(folders, frame),
        skipped=_skipped(frame),
        cells=_cells(frame),
    )


def _facts(folders: Sequence[Path], frame: pd.DataFrame) -> list[tuple[str, str]]:
    """(label, value): counts, what was left out, commands, and what they ran on."""
    launches = [launch for folder in folders for launch in read_launches(folder)]
    counted = counts(frame)
    cells = as_asked(frame).drop_duplicates(CELL)
    told = [
        ("cells", ", ".join(f"{counted[s]} {s}" for s in STATUSES if s in counted)),
        ("problems and methods", f"{cells['task'].nunique()} x {cells['method'].nunique()}"),
        *[("left out", line) for line in frame.attrs["notes"]],
    ]
    if "seed" in axes_of(frame):
        told.append(("seed", ", ".join(map(short, sorted(set(cells["seed"]))))))
    for launch in launches:
        told.append(("command", str(launch.get("command", "unknown"))))
        told.append(("started", f"{launch.get('started', '?')}, took {launch.get('seconds')} s"))
    return told + _distinct(launches)


def _distinct(launches: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What the launches ran on, each thing once."""
    told = {
        "hardware": {str(launch.get("cpu", "")) for launch in launches},
        "versions": {_versions(launch.get("versions", "")) for launch in launches},
        "commit": {_commit(launch) for launch in launches},
    }
    return [(label, "; ".join(sorted(filter(None, said)))) for label, said in told.items()]


def _commit(launch: Mapping[str, Any]) -> str:
    dirty = " with uncommitted changes" if launch.get("dirty") else ""
    return f"{str(launch.get('commit', ''))[:12]}{dirty}"


def _versions(versions: object) -> str:
    if not isinstance(versions, Mapping):
        return str(versions or "")
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _pooled(frame: pd.DataFrame, metric: str) -> list[Table]:
    try:
        return [summary(frame, metric), wins(frame, metric)]
    except ValueError:  # methods without an SCM in common have nothing to pool
        return []


def _comparisons(frame: pd.DataFrame, other: pd.DataFrame | None) -> list[Table]:
    tables = [] if other is None else [compare_runs(frame, other)]
    try:
        return [*tables, pooled(frame), compare_paper(frame)]
    except ValueError:  # the paper has no such problems
        return tables


def _linked(table: Table, frame: pd.DataFrame) -> dict[str, Any]:
    """A table, and for each of its numbers the filter that finds the cells behind it."""
    axes, asked = blocks(frame), dict(zip(frame["method"], frame["asked"], strict=True))
    across = "method" if set(table.header) & set(asked) else "scenario"
    links = []
    for row in table.rows:
        there = dict(zip(table.header, row, strict=True))
        fixed = [f"{axis}={there[axis]}" for axis in axes if axis in there]
        fixed += [f"method={asked[there['method']]}"] if there.get("method") in asked else []
        ends = [f"{across}={asked.get(h, h)}" if h != table.name else "" for h in table.header]
        links.append([" ".join([*fixed, end]).strip() for end in ends])
    return {"table": table, "links": links}


def _plots(frame: pd.DataFrame, refits: bool, bar: Bar) -> Iterable[dict[str, str]]:
    if not metrics_of(frame):
        return
    for name in bar(kinds_for(frame, refits), "drawing the page's plots"):
        drawing = PLOTS[name](frame)
        numbers = drawing.numbers.to_csv(index=False, float_format="%.4g")
        small = len(numbers) < 20_000
        yield {
            "name": name,
            "about": PLOTS[name].about,
            "svg": svg(drawing.figure),
            "numbers": numbers if small else "",
        }


def template(name: str) -> jinja2.Template:
    """The template of a page, which escapes what it is given."""
    environment = jinja2.Environment(
        loader=TEMPLATES, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name)


def svg(figure: Figure) -> str:
    """A figure as SVG that takes the page's text colour and has no background."""
    text = StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "bench"}):
        figure.savefig(text, format="svg", transparent=True, dpi=110, metadata={"Date": None})
    drawn = text.getvalue()
    drawn = re.sub(r"<[^>]*>", _coarser, drawn[drawn.index("<svg") :])
    for pattern, replacement in SMALLER:
        drawn = re.sub(pattern, replacement, drawn)
    return drawn


def _coarser(tag: re.Match) -> str:
    """Two decimals of a point for what is drawn; the text between tags stays as it is."""
    return re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0])


def _failures(folders: Sequence[Path], frame: pd.DataFrame) -> list[dict[str, str]]:
    cells = frame[frame["status"].isin(FAILED)].drop_duplicates(CELL)
    place = ("method", "task", "status", "reason")
    return [
        {**{name: row[name] for name in place}, "traceback": _traceback(folders, row)}
        for _, row in cells.iterrows()
    ]


def _traceback(folders: Sequence[Path], row: pd.Series) -> str:
    key = {"suite": row["suite"], "method": row["method"], "settings": json.loads(row["settings"])}
    tag = hashlib.sha256(cell_of(key).encode()).hexdigest()[:8]  # ends the name of the cell's log
    for folder in folders:
        for file in (folder / "logs").glob(f"*-{tag}.txt"):
            if file.is_symlink():
                return f"{file.name} is a link, which is not followed"
            return file.read_text(encoding="utf-8", errors="replace")
    return "no traceback was written"


def _skipped(frame: pd.DataFrame) -> list[dict[str, Any]]:
    cells = frame[frame["status"] == "skipped"].drop_duplicates(CELL)
    groups = cells.groupby(["method", "reason"], sort=False)["task"].nunique()
    return [{"method": m, "reason": r, "count": n} for (m, r), n in groups.items()]


def _cells(frame: pd.DataFrame) -> dict[str, Any]:
    """A header and one row a cell: place, status, metrics, times, beginning of its record's sha."""
    shown = blocks(frame)
    axes = [a for a in axes_of(frame) if a in shown or frame[a].nunique(dropna=False) > 1]
    place, metrics = ["task", *axes, "method", "status"], metrics_of(frame)
    frame = as_asked(frame)
    values = frame[frame["metric"] != ""].pivot(index=CELL, columns="metric", values="value")
    values = values.reindex(columns=metrics)
    rows = []
    for first in frame.drop_duplicates(CELL).sort_values("task", kind="stable").to_dict("records"):
        key = tuple(first[name] for name in CELL)
        numbers = values.loc[key] if key in values.index else [float("nan")] * len(metrics)
        numbers = _filled([*numbers, *(first[name] for name in TIMES)])
        text = [short(first[name]) for name in place]
        rows.append({"text": text, "numbers": numbers, "record": first["record"]})
    return {"text": place, "numbers": [*metrics, *TIMES], "rows": rows}


def _filled(numbers: Sequence[float]) -> list[float | None]:
    return [None if pd.isna(number) else float(number) for number in numbers]
