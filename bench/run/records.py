"""One JSON file a cell, written at once or not at all; one CSV row a cell and metric.

A record has the `key` it answers to, the `result` (equal bytes wherever it is computed), the `run`
(commit, times, memory, machine), and `sha`, the hashes of key and result. A file that cannot be
read whole, or that does not match its hashes, is no record.
"""

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.task import Task

AXES = ("suite", "problem", "scenario", "graph_kind", "variant", "d", "index", "n_context", "alpha")
SWEEPS = ("given_graph", "shift", "noise")
ANSWER = ("method", "metric", "metric_version", "value", "status", "reason", "seed")
SOURCE = ("seen_in_training", "data_sha", "checkpoint_sha", "code_sha", "versions")
GIT = ("git_commit", "git_dirty")
RUN = ("fit_s", "query_s", "pretrain_s", "peak_rss_mb", "threads", "device", "cpu")
COLUMNS = (*AXES, *SWEEPS, *ANSWER, *SOURCE, *GIT, *RUN)
FINISHED = ("ok", "skipped")
FAILED = ("error", "timeout", "oom")


def task_columns(task: Task) -> dict[str, Any]:
    """A task's settings under their column names."""
    settings = {**asdict(task), "problem": task.name, "given_graph": task.given_graph}
    return {name: settings[name] for name in (*AXES, *SWEEPS, "seed")}


def record_path(folder: Path, problem: str, method: str) -> Path:
    """Where a cell's record lives; readable, and unlike that of any other cell."""
    cell = f"{problem}--{method}"
    tag = hashlib.sha256(cell.encode()).hexdigest()[:6]
    return folder / "records" / f"{re.sub(r'[^A-Za-z0-9_.=-]+', '_', cell)[:120]}-{tag}.json"


def write_text(path: Path, text: str) -> None:
    """Writes a file so that it is whole or absent, also after a kill or a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def fingerprint(part: Mapping[str, Any]) -> str:
    """sha256 of a part of a record, whatever the order of its entries."""
    return hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()


def seal(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record as JSON will give it back, with the hashes of its key and its result."""
    plain = json.loads(json.dumps(record))
    return {**plain, "sha": {part: fingerprint(plain[part]) for part in ("key", "result")}}


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Writes one record atomically."""
    write_text(path, json.dumps(record, indent=1, sort_keys=True) + "\n")


def read_record(path: Path) -> dict[str, Any] | None:
    """A record, or None where there is none that is whole."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        sha = seal(record)["sha"]
        return record if record["run"] and record.get("sha", sha) == sha else None
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return None


def read_records(folder: Path) -> list[dict[str, Any]]:
    """All whole records of a folder, by name."""
    found = (read_record(path) for path in sorted((folder / "records").glob("*.json")))
    return [record for record in found if record]


def csv_rows(record: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """One row a metric; one row with metric and value empty where there is none."""
    result, run = record["result"], record["run"]
    shared = {name: result.get(name, run.get(name, "")) for name in COLUMNS}
    for metric, (version, value) in sorted(result["metrics"].items()) or [("", ("", ""))]:
        yield {**shared, "metric": metric, "metric_version": version, "value": value}


def write_results(folder: Path) -> None:
    """Writes results.csv from all records of a folder."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for record in read_records(folder):
        writer.writerows(csv_rows(record))
    write_text(folder / "results.csv", text.getvalue())
