"""The shape of a record (see `bench.run.records`), checked whenever one is written or read."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

FINISHED = ("ok", "skipped")
FAILED = ("error", "timeout", "oom")
STATUSES = (*FINISHED, *FAILED)
SEEN = (None, True, "partly", False)  # in training
TEXT_MOST, LINE_MOST = 2000, 4 * 2**20
NUMBER_MOST = 1e12  # of seconds, MiB and counts; more is no measurement

KEY = {"suite": str, "settings": dict, "generator": str, "method": str, "method_settings": dict}
KEY |= {"version": str, "source": str, "checkpoint": str}
RESULT: dict[str, type] = {
    "task": str,
    "scm": str,
    "status": str,
    "reason": str,
    "role": str,
    "noise_space": str,
}
RESULT |= {"metrics": dict, "nodes": dict, "columns": dict}

Record = dict[str, Any]


class Spoilt(ValueError):
    """A line that is no record; the message says why."""


def canonical(part: Any) -> str:
    """JSON of one form: sorted, without spaces, ASCII.

    Raises:
        ValueError: a number is not finite, or something is no JSON.
    """
    try:
        return json.dumps(part, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def sha_of(key: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """The sha256 of a record's key and result, by which a change is seen."""
    return hashlib.sha256(canonical([key, result]).encode()).hexdigest()


def cell_of(key: Mapping[str, Any]) -> str:
    """Names the cell of a key: suite, settings and method, whatever they were computed with."""
    return canonical([key["suite"], key["settings"], key["method"]])


def name_metrics(metrics: Mapping[str, object]) -> str:
    """Names a set of metrics with their versions."""
    text = canonical({name: str(version) for name, version in metrics.items()})
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def clean(text: str, most: int = TEXT_MOST) -> str:
    """Text from anywhere as one printable line of at most `most` characters."""
    encodable = str(text)[: 4 * most].encode("utf-8", "replace").decode("utf-8")
    line = " ".join("".join(c if c.isprintable() else " " for c in encodable).split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


def seal(key: Mapping[str, Any], result: Mapping[str, Any], run: Mapping[str, Any]) -> Record:
    """Makes a record of its parts, with the sha by which a change is seen.

    Raises:
        Spoilt: a part has not the shape of a record's.
    """
    return check({"key": key, "result": result, "run": run, "sha": sha_of(key, result)})


def check(record: Any) -> Record:
    """Checks that what was read is a record, and returns it.

    Raises:
        Spoilt: it has another shape, or does not match its sha.
    """
    if not isinstance(record, dict) or set(record) != {"key", "result", "run", "sha"}:
        raise Spoilt("it is not an object of key, result, run and sha")
    _shape(record["key"], KEY, "key")
    _shape(record["result"], RESULT, "result")
    _settings(record["key"]["settings"], "key.settings")
    _settings(record["key"]["method_settings"], "key.method_settings")
    _result(record["result"])
    _run(record["run"])
    try:
        sealed = sha_of(record["key"], record["result"]) == record["sha"]
    except ValueError as error:
        raise Spoilt(clean(str(error), 200)) from error
    if not sealed:
        raise Spoilt("its sha does not match: it was changed after it was written")
    return record


def _shape(part: Any, kinds: Mapping[str, type], name: str) -> None:
    if not isinstance(part, dict):
        raise Spoilt(f"its {name} is no object")
    for field_name, kind in kinds.items():
        value = part.get(field_name)
        if not isinstance(value, kind):
            raise Spoilt(f"its {name}.{field_name} is {_kind(value)}, not {kind.__name__}")
        if kind is str:
            _text(str(value), f"{name}.{field_name}")


def _kind(value: Any) -> str:
    return "missing" if value is None else f"a {type(value).__name__}"


def _text(value: str, name: str) -> None:
    if len(value) > 2 * TEXT_MOST:
        raise Spoilt(f"its {name} has {len(value)} characters")
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise Spoilt(f"its {name} holds half a character")


def _settings(settings: Mapping[str, Any], name: str) -> None:
    for axis, value in settings.items():
        _text(axis, name)
        if isinstance(value, str):
            _text(value, f"{name}.{axis}")
        elif value is not None and not _is_number(value):
            raise Spoilt(f"its {name}.{axis} is neither text nor a finite number")


def _result(result: Mapping[str, Any]) -> None:
    if result["status"] not in STATUSES:
        raise Spoilt(f"its status is {clean(result['status'], 40)!r}")
    if result.get("seen_in_training") not in SEEN:
        raise Spoilt("its seen_in_training is neither true, partly nor false")
    for name, metric in result["metrics"].items():
        _text(name, "metrics")
        if not _is_metric(metric):
            raise Spoilt(f"its metric {clean(name, 40)} has neither a finite value nor a reason")
        _text(metric.get("missing", ""), f"metrics.{name}")
    bounds = result.get("bounds", [])
    if not isinstance(bounds, list) or not all(isinstance(name, str) for name in bounds):
        raise Spoilt("its bounds are no list of names")
    for name, value in result["nodes"].items():
        _text(name, "nodes")
        if not _is_number(value):
            raise Spoilt(f"its nodes.{clean(name, 40)} is no finite number")
    for name, pair in result["columns"].items():
        _text(name, "columns")
        if not isinstance(pair, list) or len(pair) != 2 or not all(map(_is_number, pair)):
            raise Spoilt(f"its columns.{clean(name, 40)} is not a mean and a deviation")


def _is_metric(metric: Any) -> bool:
    versioned = isinstance(metric, dict) and isinstance(metric.get("version"), str)
    return versioned and (_is_number(metric.get("value")) or isinstance(metric.get("missing"), str))


def _run(run: Any) -> None:
    if not isinstance(run, dict):
        raise Spoilt("its run is no object")
    for name, value in run.items():
        if isinstance(value, str):
            _text(value, f"run.{clean(name, 40)}")
        elif value is not None and not (_is_number(value) and 0 <= value < NUMBER_MOST):
            raise Spoilt(f"its run.{clean(name, 40)} is no measurement")
    if not isinstance(run.get("launch"), int):
        raise Spoilt("its run.launch is no number of a launch")


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        return number and math.isfinite(value)
    except OverflowError:
        return False


def parse(line: bytes) -> Record:
    """Reads one line of records.jsonl.

    Raises:
        Spoilt: it is none.
    """
    if len(line) > LINE_MOST:
        raise Spoilt(f"it has {len(line)} bytes")
    try:
        return check(json.loads(line.decode("utf-8")))
    except UnicodeDecodeError:
        raise Spoilt("it is not UTF-8") from None
    except RecursionError:
        raise Spoilt("it is nested too deeply") from None
    except Spoilt:
        raise
    except ValueError as error:
        raise Spoilt(f"it is no JSON: {clean(str(error), 100)}") from None
