"""A record as rows of a table of results."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

BEFORE = ("run", "suite", "task", "scm")
KEY = ("version", "source", "checkpoint", "generator")
TIMES = ("import_s", "fit_s", "query_s", "wall_s", "pretrain_s", "peak_rss_mb", "peak_device_mb")
RAN = ("threads", "device", "finished", "launch")
ANSWER = ("method", "method_settings", "role", "noise_space", "metric", "metric_version", "value")
STATE = ("status", "reason", "seen_in_training")
AFTER = (*ANSWER, *STATE, *TIMES, *RAN, *KEY, "record")
HIDDEN = ("settings", "asked")  # as JSON, to give a row its task back; the method as it was asked


def rows_of(record: Mapping[str, Any], run: str) -> Iterable[dict[str, Any]]:
    """Makes the rows of a record: one a metric, or one with metric "" where there is none.

    A control that is a floor of some metrics only is called by its role in the others.
    """
    key, result, ran = record["key"], record["result"], record["run"]
    settings = {_column(axis): value for axis, value in key["settings"].items()}
    shared = {
        "run": run,
        "suite": key["suite"],
        "task": result["task"],
        "scm": result["scm"],
        **settings,
        "method": key["method"],
        "method_settings": _text(key["method_settings"]) if key["method_settings"] else "",
        **{name: result[name] for name in ("role", "noise_space", "status", "reason")},
        "seen_in_training": result.get("seen_in_training"),
        **{name: ran.get(name, np.nan) for name in TIMES},
        **{name: ran.get(name, "") for name in RAN},
        **{name: key[name] for name in KEY},
        "record": record["sha"][:12],
        "settings": _text(key["settings"]),
        "asked": key["method"],
    }
    for name, measured in sorted(result["metrics"].items()) or [("", {})]:
        bounded = name in ("", *result.get("bounds", [name]))
        yield {
            **shared,
            "method": key["method"] if bounded else result["role"],
            "metric": name,
            "metric_version": str(measured.get("version", "")),
            "value": measured.get("value", np.nan),
            "reason": measured.get("missing", result["reason"]),
        }


def _column(axis: str) -> str:
    """An axis with the name of a column of every run gets a name of its own."""
    return f"{axis}_" if axis in (*BEFORE, *AFTER, *HIDDEN) else axis


def _text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
