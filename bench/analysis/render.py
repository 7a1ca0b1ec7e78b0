"""Tables as Markdown, LaTeX and CSV."""

import io
import re

import pandas as pd

from bench.analysis.table import Entry, Table

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
    header = " & ".join(_escape(h) for h in table.header)
    body, last = [], None
    for row in table.rows:
        if last is not None and row[0] != last:
            body.append(r"\midrule")
        last = row[0]
        marked = (_marked(cell, r"\textbf{{{}}}", r"\underline{{{}}}") for cell in row)
        cells = [
            m if isinstance(c, Entry) else _escape(c) for m, c in zip(marked, row, strict=True)
        ]
        body.append(" & ".join(cells) + r" \\")
    columns = "l" * len(table.header)
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_escape(table.caption)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
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


def _escape(text: str) -> str:
    return text.translate(LATEX)
