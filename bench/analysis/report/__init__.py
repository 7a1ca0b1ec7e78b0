"""One self-contained HTML page of a run: what was run, tables, plots, failures, every number."""

import json
import re
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from bench.analysis.compare import compare_paper, compare_runs
from bench.analysis.plots import PLOTS, kinds_for
from bench.analysis.summary import summary, wins
from bench.analysis.table import (
    Table,
    blocks,
    in_order,
    metrics_of,
    paper_table,
    read_results,
    short,
)
from bench.run.records import FAILED, FINISHED, record_path, write_text

TEMPLATES = Path(__file__).parent / "templates"
TIMES = ("fit_s", "query_s", "peak_rss_mb")
SMALLER = (
    (r' id="[A-Za-z0-9.]+_\d+"', ""),  # matplotlib's own numbering, which figures would share
    (r"\n\s*", "\n"),
    (r"<g>\n<g>\n(<use [^>]*/>\n)</g>\n</g>\n", r"\1"),
    ("'DejaVu Sans'[^;]*sans-serif", "sans-serif"),
    ("#000000", "currentColor"),
)


def write_report(folder: Path, beside: Path | None = None, refits: bool = True) -> Path:
    """Writes report.html into the folder of a run.

    Args:
        folder: of the run. beside: folder of a second run to compare with.
        refits: whether to draw plots that fit methods again (about two minutes for a quick run).

    Raises:
        ValueError: no results in a folder, or the runs share no problem.
    """
    path = folder / "report.html"
    write_text(path, page(folder, beside, refits))
    return path


def page(folder: Path, beside: Path | None = None, refits: bool = True) -> str:
    """The page as text; see `write_report`."""
    frame = read_results(folder)
    metrics = metrics_of(frame)
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html").render(
        title=folder.resolve().name,
        facts=_facts(folder, frame),
        tables=[_linked(paper_table(frame, m, "show"), frame) for m in metrics],
        summaries=[table for m in metrics for table in _pooled(frame, m)],
        comparisons=_comparisons(frame, beside),
        plots=list(_plots(frame, refits)),
        failures=_failures(folder, frame),
        skipped=_skipped(frame),
        cells=_cells(folder, frame),
    )


def _facts(folder: Path, frame: pd.DataFrame) -> list[tuple[str, str]]:
    """(label, value): command, versions, hardware, seed, counts."""
    file = folder / "run.json"
    run = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    cells = frame.drop_duplicates(["problem", "method"])
    counts = cells["status"].value_counts()
    cores = sorted(set(cells["cpu"].astype(str)))
    dirty = " with uncommitted changes" if cells["git_dirty"].astype(str).eq("True").any() else ""
    commits = sorted({str(c)[:12] for c in cells["git_commit"]})
    return [
        ("command", run.get("command", "unknown")),
        ("cells", ", ".join(f"{counts[s]} {s}" for s in (*FINISHED, *FAILED) if s in counts)),
        ("problems and methods", f"{cells['problem'].nunique()} x {cells['method'].nunique()}"),
        ("started", f"{run.get('started', 'unknown')}, took {run.get('seconds', '?')} s"),
        ("hardware", f"{', '.join(cores)}; {run.get('jobs', '?')} at a time, one thread each"),
        ("versions", "; ".join(sorted(set(cells["versions"].astype(str))))),
        ("seed", ", ".join(map(str, sorted(set(cells["seed"]))))),
        ("commit", ", ".join(commits) + dirty),
    ]


def _pooled(frame: pd.DataFrame, metric: str) -> list[Table]:
    try:
        return [summary(frame, metric), wins(frame, metric)]
    except ValueError:  # methods without an SCM in common have nothing to pool
        return []


def _comparisons(frame: pd.DataFrame, beside: Path | None) -> list[Table]:
    tables = [compare_runs(frame, read_results(beside))] if beside else []
    try:
        return [*tables, compare_paper(frame)]
    except ValueError:  # the paper has no such problems
        return tables


def _linked(table: Table, frame: pd.DataFrame) -> dict[str, Any]:
    """A table, and for each of its numbers the filter that finds the cells behind it."""
    axes = [*blocks(frame), "scenario", "method"]
    across = "scenario" if "method" in table.header else "method"
    links = []
    for row in table.rows:
        fixed = [f"{h}={v}" for h, v in zip(table.header, row, strict=True) if h in axes]
        links.append([" ".join([*fixed, f"{across}={h}"]) for h in table.header])
    return {"table": table, "links": links}


def _plots(frame: pd.DataFrame, refits: bool) -> Iterable[dict[str, str]]:
    if not metrics_of(frame):
        return
    for name in kinds_for(frame, refits):
        drawing = PLOTS[name](frame)
        numbers = drawing.numbers.to_csv(index=False, float_format="%.4g")
        small = len(numbers) < 20_000
        yield {
            "name": name,
            "about": PLOTS[name].about,
            "svg": svg(drawing.figure),
            "numbers": numbers if small else "",
        }


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


def _failures(folder: Path, frame: pd.DataFrame) -> list[dict[str, str]]:
    cells = frame[frame["status"].isin(FAILED)].drop_duplicates(["problem", "method"])
    return [{**_place(row), "traceback": _traceback(folder, row)} for _, row in cells.iterrows()]


def _place(row: pd.Series) -> dict[str, str]:
    return {name: row[name] for name in ("method", "problem", "status", "reason")}


def _traceback(folder: Path, row: pd.Series) -> str:
    name = record_path(folder, row["problem"], row["method"]).stem
    file = folder / "logs" / f"{name}.txt"
    return file.read_text(encoding="utf-8") if file.exists() else "no traceback was written"


def _skipped(frame: pd.DataFrame) -> list[dict[str, Any]]:
    cells = frame[frame["status"] == "skipped"].drop_duplicates(["problem", "method"])
    groups = cells.groupby(["method", "reason"])["problem"].nunique()
    return [{"method": m, "reason": r, "count": n} for (m, r), n in groups.items()]


def _cells(folder: Path, frame: pd.DataFrame) -> dict[str, Any]:
    """A header and one row a cell: place, status, metrics, times, and the file of its record."""
    axes = [axis for axis in blocks(frame) if axis != "d"]
    place = ["problem", "scenario", "d", *axes, "method", "status"]
    firsts = frame.drop_duplicates(["problem", "method"]).set_index(
        ["problem", "method"], drop=False
    )
    metrics = metrics_of(frame)
    values = frame[frame["metric"] != ""].pivot(
        index=["problem", "method"], columns="metric", values="value"
    )
    order = {method: k for k, method in enumerate(in_order(firsts["method"]))}
    rows = []
    for key in sorted(firsts.index, key=lambda k: (k[0], order[k[1]])):
        first = firsts.loc[key]
        numbers = [values.loc[key, m] if key in values.index else float("nan") for m in metrics]
        times = [pd.to_numeric(first[t], errors="coerce") for t in TIMES]
        record = record_path(folder, *key).relative_to(folder).as_posix()
        text = [short(first[name]) for name in place]
        rows.append({"text": text, "numbers": _filled([*numbers, *times]), "record": record})
    return {"text": place, "numbers": [*metrics, *TIMES], "rows": rows}


def _filled(numbers: Sequence[float]) -> list[float | None]:
    return [None if pd.isna(number) else float(number) for number in numbers]
