"""One check of a table, a graph and an estimate, and how many checks are judged together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.analysis.stats import holm

LEVEL = 0.05  # chance that any test of a right model fails
SHARES = {"size of noise": 3.0}  # of the level, 1 for any other kind: the weakest test has more
OK, FAILS, UNTESTABLE = "ok", "fails", "not testable"
NOT_TESTABLE = "not testable from this table"


@dataclass(frozen=True)
class Check:
    """What was looked at, and what came out.

    Attributes:
        kind: of check.
        of: node, edge, pair or question.
        says: the finding in words.
        value: the number behind, NaN where there is none.
        p: of a test, corrected once judged, NaN of what is no test.
        result: `OK`, `FAILS` or `UNTESTABLE`.
    """

    kind: str
    of: str
    says: str
    value: float = math.nan
    p: float = math.nan
    result: str = OK


def untestable(kind: str, of: str, why: str) -> Check:
    """A check that this table cannot decide."""
    return Check(kind, of, f"{NOT_TESTABLE}: {why}", result=UNTESTABLE)


def judge(checks: Sequence[Check]) -> list[Check]:
    """The same, tests corrected for their number within a kind (Holm) and for the kinds' `SHARES`.

    With every model right, the chance that any fails is at most `LEVEL`.
    """
    judged = list(checks)
    tests = {k: check for k, check in enumerate(checks) if not math.isnan(check.p)}
    shares = {check.kind: SHARES.get(check.kind, 1.0) for check in tests.values()}
    for kind, share in shares.items():
        places = [k for k, check in tests.items() if check.kind == kind]
        adjusted = holm([checks[k].p for k in places]).tolist()
        for k, p in zip(places, adjusted, strict=True):
            p = min(1.0, p * sum(shares.values()) / share)
            judged[k] = replace(checks[k], p=p, result=FAILS if p < LEVEL else OK)
    return judged
