"""Results made by hand, for tests of what is shown of them: rows of a frame, and whole folders."""

import json

import numpy as np
import pandas as pd

from bench.analysis.rows import AFTER, BEFORE
from bench.run.records import FILE, write_launches
from bench.run.shape import canonical, seal

SETTINGS = {"variant": "lorch", "scenario": "LIN_IN", "graph_kind": "er", "d": 10}
SETTINGS |= {"n_context": 400, "n_query": 400, "shift": "", "alpha": 1.0, "noise": ""}
DEFAULTS = ("additive", "boosting", "condfip", "gp", "linear", "mlp")
OTHERS = ("fip", "deci", "causalnf", "dowhy", "condfip-published", "own.code:Name")
CONTROLS = {"truth": "truth", "floor": "reference", "marginal": "reference"}
MANY = (*CONTROLS, *DEFAULTS, *OTHERS)


def record(method="linear", metrics=None, suite="lorch", seconds=0.5, **changes):
    """A sealed record; `changes` are settings, or parts of the key or the result."""
    settings = {**SETTINGS, "index": 0, "seed": 0} if suite == "lorch" else {"index": 0, "seed": 0}
    key = {"suite": suite, "generator": "g", "method": method, "method_settings": {}}
    key |= {"version": "1", "source": "s", "checkpoint": ""}
    result = {"status": "ok", "reason": "", "role": CONTROLS.get(method, "baseline")}
    result |= {"noise_space": "additive", "seen_in_training": None, "nodes": {}, "columns": {}}
    if "bounds" in changes:
        result["bounds"] = changes.pop("bounds")
    for name, value in changes.items():
        part = key if name in key else result if name in result else settings
        part[name] = value
    key["settings"] = settings
    free = ("n_context", "n_query", "alpha", "shift")
    words = [f"{axis}={value}" for axis, value in settings.items()]
    result["task"] = "/".join([suite, *words])
    result["scm"] = "/".join([suite, *(w for w in words if w.partition("=")[0] not in free)])
    result["metrics"] = {
        name: {
            "version": "1",
            **({"missing": value} if isinstance(value, str) else {"value": value}),
        }
        for name, value in ({"noise": 0.5} if metrics is None else metrics).items()
    }
    run = {"launch": 0, "fit_s": seconds, "query_s": 0.1, "wall_s": seconds, "threads": 1}
    return seal(key, result, run)


def write(folder, records, packed=False):
    """A run's folder with these records."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text("".join(f"{canonical(r)}\n" for r in records))
    launch = {"command": "python -m bench run --suite lorch", "started": "2026-01-01T00:00:00"}
    launch |= {"seconds": 1.0, "jobs": 1, "cells": {"ok": len(records)}, "commit": "c0ffee"}
    write_launches(folder, [launch | {"dirty": [], "versions": {"torch": "2"}, "cpu": "any"}])
    return folder


def rows(errors, metric="noise", **settings):
    """Rows of {method: errors}, one SCM an error."""
    shared = {**dict.fromkeys((*BEFORE, *AFTER), ""), **SETTINGS, **settings}
    shared |= {"suite": "lorch", "status": "ok", "metric_version": "1", "fit_s": 0.5}
    shared |= {"query_s": 0.1, "pretrain_s": np.nan, "seed": 0, "settings": json.dumps(settings)}
    place = "/".join(str(shared[axis]) for axis in ("scenario", "d"))
    free = "/".join(str(shared[axis]) for axis in ("n_context", "alpha"))
    return [
        {
            **shared,
            "index": i,
            "task": f"lorch/{place}/{free}/{i}",
            "scm": f"lorch/{place}/{i}",
            "method": method,
            "role": CONTROLS.get(method, "baseline"),
            "metric": metric,
            "value": value,
        }
        for method, values in errors.items()
        for i, value in enumerate(values)
    ]


def made_run(methods=MANY, ds=(10, 20), scms=3):
    """A run of the lorch suite: gamma errors, later methods worse, times that grow."""
    rng = np.random.default_rng(0)
    found = []
    for scenario in ("LIN_IN", "RFF_IN", "LIN_OUT", "RFF_OUT"):
        for d in ds:
            for metric in ("noise", "counterfactual"):
                errors = {m: (k + 1) * rng.gamma(4, 0.01, scms) for k, m in enumerate(methods)}
                found += rows(errors, metric, scenario=scenario, d=d)
    times = {m: 0.05 * 1.6**k for k, m in enumerate(methods)}
    frame = pd.DataFrame(found)
    return frame.assign(fit_s=frame["method"].map(times))
