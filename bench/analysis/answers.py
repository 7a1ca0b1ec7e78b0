"""Answers about a table of one's own: effects as tables and in words, and what to doubt in them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.analysis.table import Entry, Table
from bench.metrics import METRICS
from bench.metrics.distances import FEW_ROWS, MANY_ROWS
from bench.suites.answers import LEVEL, read_answers
from bench.suites.outcomes import observed
from bench.task import Dataset

FEW_BEYOND = 0.5  # deviations by which some rows of a shift may leave the data without a word
NEAR = 0.1  # deviations of a node by which methods may differ and still agree
INTERVAL = f"{LEVEL:.0%} interval".replace("%", " %")


@dataclass
class Told:
    """What one method says of one node.

    Attributes:
        mean: under do.
        effect: its difference from what is compared. low, high: of the effect, NaN where the method
            knows no interval.
    """

    mean: float = math.nan
    effect: float = math.nan
    low: float = math.nan
    high: float = math.nan


@dataclass
class Answered:
    """One question and what each method answers.

    Attributes:
        kind, text: "do" or "effect", and how it was written.
        nodes: {node: {method: what it says}}.
        values: {node that is set: (lowest, highest)}.
        missing: {method: why it has no answer}.
    """

    kind: str
    text: str
    nodes: dict[str, dict[str, Told]] = field(default_factory=dict)
    values: dict[str, tuple[float, float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The question as a heading: do(x=5), or the effect in words."""
        return f"do({self.text})" if self.kind == "do" else f"effect {self.text}"


FIELDS = {"mean under do": "mean", "effect": "effect", "low": "low", "high": "high"}
SET = {"set to at least": 0, "set to at most": 1}


def gather(metrics: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> list[Answered]:
    """The questions with every method's answers.

    Args:
        metrics: {method: the metrics of its record}. names: of the columns, in their order.
    """
    found: dict[tuple[str, str], Answered] = {}
    for method, measured in metrics.items():
        for (kind, *rest), value in read_answers(measured):
            if kind not in ("do", "effect"):
                continue
            question = found.setdefault((kind, rest[0]), Answered(kind, rest[0]))
            if len(rest) == 1 or isinstance(value, str):
                question.missing[method] = str(value)
            elif rest[2] in SET:
                _widen(question.values, rest[1], value)
            else:
                told = question.nodes.setdefault(rest[1], {}).setdefault(method, Told())
                setattr(told, FIELDS[rest[2]], value)
    for question in found.values():
        place = {name: k for k, name in enumerate(names)}
        known = sorted(question.nodes, key=lambda n: place.get(n, place.get(_node(n), len(place))))
        question.nodes = {n: question.nodes[n] for n in known}
    return list(found.values())


def _node(outcome: str) -> str:
    """The node of NODE=LEVEL."""
    return str(outcome).rpartition("=")[0]


def _widen(values: dict[str, tuple[float, float]], node: str, value: float) -> None:
    low, high = values.get(node, (math.inf, -math.inf))
    values[node] = min(low, value), max(high, value)


def distances(results: Mapping[str, Mapping[str, Any]], n_query: int) -> Table:
    """Distances of generated rows from held-out rows, a column a metric, a row a method.

    Args:
        results: {method: result of its record}. n_query: rows held out.
    """
    names = dict.fromkeys(n for r in results.values() for n in r["metrics"] if n != "residual")
    few = f", of about {FEW_ROWS} rows a side" if 2 * n_query > MANY_ROWS else ""
    caption = f"Distances of generated rows from held-out rows{few}; lower is better. " + "; ".join(
        f"{name}: {METRICS[name].about}" for name in names
    )
    rows: list[list[str | Entry]] = [
        [m, *(_measured(r["metrics"].get(n)) for n in names)] for m, r in results.items()
    ]
    return Table("distances", caption, ["method", *names], rows)


def _measured(metric: Mapping[str, Any] | None) -> str:
    if metric is None:
        return "-"
    return f"{metric['value']:.4f}" if "value" in metric else metric["missing"]


def effect_table(question: Answered, data: Dataset, name: str) -> Table:
    """A row a node and method: observed mean, mean under do, effect and interval."""
    second = "mean under do"
    header = ["node", "observed mean", "method", second, "effect", INTERVAL]
    rows: list[list[str | Entry]] = []
    for node, told in question.nodes.items():
        mean = observed(data, node).mean()
        digits = digits_for(told.values(), float(mean))
        for method, said in told.items():
            interval = "-"
            if math.isfinite(said.low):
                interval = f"{said.low:.{digits}f} to {said.high:.{digits}f}"
            numbers = [f"{value:.{digits}f}" for value in (mean, said.mean, said.effect)]
            rows.append([node, numbers[0], method, *numbers[1:], interval])
    return Table(name, _caption(question), header, rows)


def digits_for(told: Iterable[Told], observed: float) -> int:
    """Decimals that show three figures of the smallest interval or effect; at most 12."""
    sizes = [abs(t.high - t.low) for t in told if math.isfinite(t.low) and t.high > t.low]
    sizes = sizes or [abs(t.effect) for t in told if t.effect] or [abs(observed) or 1.0]
    return int(np.clip(2 - math.floor(math.log10(min(sizes))), 0, 12))


def _caption(question: Answered) -> str:
    if question.kind == "effect":
        cause, low, high = _ends(question.text)
        what = (
            f"effect: mean of the node under do({cause}={high}) less that under do({cause}={low})"
        )
    else:
        what = f"do({question.text}); effect: mean under do less observed mean, over all rows"
    return (
        f"{what}. Interval: the estimate's own, or of a bootstrap; -: it knows none, "
        "--bootstrap 200 makes one."
    )


def _ends(text: str) -> tuple[str, str, str]:
    cause, _, values = next(w for w in text.split(" ") if not w.startswith("on=")).rpartition("=")
    low, _, high = values.partition(",")
    return cause, low, high


def agreement(question: Answered, data: Dataset) -> list[str]:
    """A line for each node: whether the methods say the same, in units of the node."""
    lines = []
    for node, told in question.nodes.items():
        effects = {method: said.effect for method, said in told.items()}
        if len(effects) < 2:
            continue
        deviation = float(observed(data, node).std(ddof=1))
        low, high = min(effects, key=effects.__getitem__), max(effects, key=effects.__getitem__)
        gap = effects[high] - effects[low]
        size = f"{effects[low]:.4g} ({low}) to {effects[high]:.4g} ({high})"
        if gap <= NEAR * deviation:
            lines.append(f"{node}: the methods agree, {size}")
        elif _overlap(told.values()):
            lines.append(f"{node}: the methods differ within their intervals, {size}")
        else:
            lines.append(
                f"{node}: the methods DISAGREE by {gap / deviation:.1f} deviations, {size}"
            )
    return lines


def _overlap(told: Iterable[Told]) -> bool:
    """Whether all methods with an interval share a value."""
    ends = [(t.low, t.high) for t in told if math.isfinite(t.low)]
    return len(ends) > 1 and max(low for low, _ in ends) <= min(high for _, high in ends)


def outside(title: str, values: Mapping[str, tuple[float, float]], data: Dataset) -> list[str]:
    """A warning for each node that is set to what was never seen."""
    lines = []
    for node, (low, high) in values.items():
        if data.names.index(node) in data.discrete:
            continue  # levels are known or refused
        column = data.rows[:, data.names.index(node)]
        least, most, deviation = column.min(), column.max(), column.std(ddof=1)
        beyond = max(high - most, least - low, 0.0) / deviation
        if beyond > (0 if low == high else FEW_BEYOND):
            said = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
            lines.append(
                f"warning: {title} sets {node} to {said}, outside the data ({least:.4g} .. "
                f"{most:.4g}), by {beyond:.2g} deviations: answers there are extrapolation"
            )
    return lines


def differences(question: Answered, data: Dataset) -> str:
    """By how much methods differ in a question, for a warning; "" with fewer than two methods."""
    gaps = {}
    for node, told in question.nodes.items():
        effects = [said.effect for said in told.values() if math.isfinite(said.effect)]
        deviation = observed(data, node).std(ddof=1)
        if len(effects) > 1 and deviation > 0:
            gaps[node] = (max(effects) - min(effects)) / deviation
    if not gaps:
        return ""
    node = max(gaps, key=gaps.__getitem__)
    return f"methods differ by up to {gaps[node]:.2g} deviations there (of {node})"


def doubts(questions: Sequence[Answered], data: Dataset, said: Sequence[str]) -> list[str]:
    """Warnings about values outside the data, with how methods differ there; `said` once only."""
    lines = []
    for question in questions:
        found = outside(question.title, question.values, data)
        if found and (told := differences(question, data)):
            lines.append(f"warning: {question.title} lies outside the data: {told}")
        lines += [line for line in found if line not in said]
    return lines
