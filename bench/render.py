"""Tables as Markdown, LaTeX and CSV."""

import io

import pandas as pd

from bench.tables import Entry, Table

FORMATS = ("md", "tex", "csv")


def render(table: Table, form: str = "md") -> str:
    """A table as Markdown, LaTeX (booktabs) or CSV."""
    return {"md": _markdown, "tex": _latex, "csv": _csv}[form](table)


def _markdown(table: Table) -> str:
    rows = [[_bold(cell, "**{}**") for cell in row] for row in table.rows]
    widths = [max(map(len, column)) for column in zip(table.header, *rows, strict=True)]
    lines = [table.header, ["-" * w for w in widths], *rows]
    body = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    return "\n".join([f"### {table.name}", "", *body, "", table.caption, ""])


def _latex(table: Table) -> str:
    header = " & ".join(_escape(h) for h in table.header)
    body, last = [], None
    for row in table.rows:
        if last is not None and row[0] != last:
            body.append(r"\midrule")
        last = row[0]
        cells = [_bold(c, r"\textbf{{{}}}") if isinstance(c, Entry) else _escape(c) for c in row]
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


def _bold(cell: str | Entry, pattern: str) -> str:
    if not isinstance(cell, Entry):
        return cell
    return pattern.format(cell.text()) if cell.best else cell.text()


def _escape(text: str) -> str:
    for special in ("&", "%", "_", "#", "$"):
        text = text.replace(special, "\\" + special)
    return text.replace("^", r"\textasciicircum{}").replace("<", r"\textless{}")
