"""Tables as Markdown, LaTeX and CSV."""

import io
import re
from collections.abc import Sequence

import pandas as pd

from bench.analysis.table import Entry, Table

NUMBER = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?( |$)")
MINUS = re.compile(r"(?<![\w.)\]-])-(?=\.?\d)|(?<=\de)-(?=\d)")
FORMATS = ("md", "tex", "csv")


def render(table: Table, form: str = "md") -> str:
    """A table as Markdown, LaTeX (booktabs) or CSV; names cannot break out of their cell."""
    return {"md": _markdown, "tex": _latex, "csv": _csv}[form](_printable(table))


def _printable(table: Table) -> Table:
    """Line breaks and escape sequences, which names of files and columns may hold, as spaces."""
    rows = [[_plain(cell) if isinstance(cell, str) else cell for cell in row] for row in table.rows]
    return Table(_plain(table.name), _plain(table.caption), [*map(_plain, table.header)], rows)


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _markdown(table: Table) -> str:
    header = [_quoted(head) for head in table.header]
    rows = [
        [_quoted(_marked(cell, "**{}**", "<u>{}</u>"), cell) for cell in row] for row in table.rows
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * w for w in widths], *rows]
    body = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    return "\n".join([f"### {table.name}", "", *body, "", table.caption, ""])


def _quoted(text: str, cell: str | Entry = "") -> str:
    """Text that ends no cell of Markdown and, where it is a name, is shown letter by letter."""
    if not isinstance(cell, str):
        return text.replace("|", "\\|")
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;")
    return re.sub(r"[\\|`*]|(?<=\])\(|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)


def _latex(table: Table) -> str:
    """A float that fits a page where its rows do: no column of one value, which the caption has."""
    table = _without_constants(table)
    header = " & ".join(_escape(h) for h in table.header)
    body, last = [], None
    grouped = len({str(row[0]) for row in table.rows}) < len(table.rows)
    for row in table.rows:
        if grouped and last is not None and row[0] != last:
            body.append(r"\midrule")
        last = row[0]
        marked = (_marked(cell, r"\textbf{{{}}}", r"\underline{{{}}}") for cell in row)
        body.append(" & ".join(_minus(_escape(m, c)) for m, c in zip(marked, row, strict=True)))
        body[-1] += r" \\"
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\small\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{_escape(table.caption)}}}",
            rf"\label{{tab:{_label(table.name)}}}",
            rf"\begin{{tabular}}{{{_alignment(table)}}}",
            r"\toprule",
            header + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _without_constants(table: Table) -> Table:
    """The same without columns of words that are alike in all rows; the caption ends with them."""
    if len(table.rows) < 2:
        return table
    columns = list(zip(*table.rows, strict=True))
    kept = [k for k, c in enumerate(columns) if isinstance(c[0], Entry) or len(set(c)) > 1]
    alike = [f"{table.header[k]} {c[0]}" for k, c in enumerate(columns) if k not in kept]
    caption = f"{table.caption} In all rows: {', '.join(alike)}." if alike else table.caption
    return only_columns(Table(table.name, caption, table.header, table.rows), kept)


def only_columns(table: Table, kept: Sequence[int]) -> Table:
    """A table with these columns alone, by their places."""
    rows = [[row[k] for k in kept] for row in table.rows]
    return Table(table.name, table.caption, [table.header[k] for k in kept], rows)


def with_columns(table: Table, asked: Sequence[str]) -> Table:
    """A table with the columns of these names alone, in their order here; none asked: all.

    Raises:
        ValueError: it has no such column.
    """
    if unknown := [name for name in asked if name not in table.header]:
        there = ", ".join(table.header)
        raise ValueError(f"no column {unknown[0]} in the table {table.name}; there are {there}")
    return only_columns(table, [table.header.index(name) for name in asked]) if asked else table


def _alignment(table: Table) -> str:
    """Numbers to the right, words to the left."""
    columns = zip(*table.rows, strict=True) if table.rows else [[""]] * len(table.header)
    return "".join("r" if any(map(_is_number, column)) else "l" for column in columns)


def _is_number(cell: str | Entry) -> bool:
    return isinstance(cell, Entry) or bool(NUMBER.match(cell))


def _minus(text: str) -> str:
    """A hyphen before a number as a minus sign."""
    return MINUS.sub("$-$", text)


def _label(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _csv(table: Table) -> str:
    rows = [[c.text() if isinstance(c, Entry) else c for c in row] for row in table.rows]
    text = io.StringIO()
    pd.DataFrame(rows, columns=table.header).to_csv(text, index=False)
    return text.getvalue()


def _marked(cell: str | Entry, best: str, near: str) -> str:
    if not isinstance(cell, Entry):
        return cell
    pattern = best if cell.best else near if cell.near else "{}"
    return pattern.format(cell.text())


LATEX = str.maketrans(
    {special: "\\" + special for special in "&%_#${}"}
    | {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}"}
)


def _escape(text: str, cell: str | Entry = "") -> str:
    """Text as LaTeX; what is written for an entry is LaTeX already."""
    return text if isinstance(cell, Entry) else text.translate(LATEX)
