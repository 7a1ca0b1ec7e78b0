"""What a column of an edge list says of the arrow of each edge, beside its two ends."""

import re
from collections.abc import Sequence

from bench.reading.dot import UNDIRECTED

COLUMN = re.compile(
    r"(edge|link|arrow)?[\s_-]*(type|mark|kind|arrow|edge|direction|orientation)s?", re.IGNORECASE
)
ONE = "give it one direction"
MARKS = {
    **{mark: f"{said}; {ONE}" for mark, said in UNDIRECTED.items()},
    **dict.fromkeys(("-", "---", "—", "o-o", "undirected"), f"is undirected; {ONE}"),
    **dict.fromkeys(("o->", "<-o", "o--", "--o"), f"is half directed; {ONE}"),
    **dict.fromkeys(("<-->", "bidirected"), f"is a hidden common cause; {ONE}"),
    **dict.fromkeys(("<-", "<--"), "points back; exchange its ends and write ->"),
}


def refuse_open(
    header: Sequence[str], lines: Sequence[tuple[int, Sequence[str]]], ends: tuple[int, int]
) -> None:
    """Refuses an edge that a column named type, mark, arrow, ... does not call an arrow forward.

    Args:
        lines: each with its number. ends: places of cause and effect.

    Raises:
        ValueError: there is one; it is named with its line.
    """
    told = [k for k, name in enumerate(header) if k not in ends and COLUMN.fullmatch(name)]
    for number, row in lines:
        for k in told:
            mark = row[k].lower() if k < len(row) else ""
            if mark in MARKS:
                edge = f"{row[ends[0]]} {mark} {row[ends[1]]}"
                raise ValueError(f"line {number}: {edge} {MARKS[mark]} (column {header[k]})")
