"""`bench pages`: the numbers of pages, made again from published runs by the commands they name.

Four kinds of places in a Markdown file are filled:

- a block of code that begins with `$ python -m bench ...`: what that command prints;
- `<!-- $ COMMAND -->` to `<!-- end -->`: the same as Markdown, without the table's name;
- `<!-- COMMAND :: ROW :: COLUMN -->` to `<!-- / -->`: one cell of a table that the command prints,
  of the row that has all words of ROW among its cells; no COMMAND: the last one above; a COLUMN
  that ends in ! gives the cell's first number alone; never at the beginning of a line, where
  Markdown would end the sentence before it;
- `<!-- draw: plot ... --out DIR -->`: a figure, whose numbers stand beside it as CSV.
"""

import argparse
import re
import shlex
import tempfile
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from bench.run.execute import OK, SOME_FAILED
from bench.run.records import write_text

Main = Callable[[Sequence[str]], int]
PAGES = (
    "README.md",
    "results/README.md",
    "results/beside-the-paper.md",
    "baselines/README.md",
    "condfip/weights/MODEL_CARD.md",
    *(
        f"bench/docs/{name}.md"
        for name in ("effects", "no-graph", "out-of-reach", "scale", "violations")
    ),
)
PLACES = re.compile(
    r"```\n\$ python -m bench (?P<block>[^\n]+)\n.*?```"
    r"|<!-- \$ (?P<table>[^\n]+?) -->\n.*?<!-- end -->"
    r"|<!-- (?P<command>[^>\n]*?) ?:: (?P<row>[^>\n]+?) :: (?P<column>[^>\n]+?) -->.*?<!-- / -->",
    re.DOTALL,
)
DRAWN = re.compile(r"<!-- draw: (.+?) --out (\S+) -->")


def add_pages_options(parser: argparse.ArgumentParser) -> None:
    """Options of `pages`."""
    about = f"Markdown files; default: {' '.join(PAGES)}"
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help=about)
    about = "write nothing; exit code 2 where a page does not say what its commands print"
    parser.add_argument("--check", action="store_true", help=about)


def pages(options: argparse.Namespace, main: Main) -> int:
    """Fills pages, or says which lines of them differ.

    Raises:
        ValueError: a command fails, or no row or several answer to a number.
    """
    ended = OK
    for path in options.files or map(Path, PAGES):
        text = path.read_text(encoding="utf-8")
        filled = Filler(main).fill(text)
        if not options.check:
            write_text(path, filled)
            for command, folder in DRAWN.findall(text):
                _call(main, f"{command} --out {folder}")
            print(f"{path}: filled")
            continue
        old, new = text.splitlines(), filled.splitlines()
        lines = [n for n, pair in enumerate(zip(old, new, strict=False), 1) if pair[0] != pair[1]]
        wrong = [f"{path}:{n}" for n in lines] or ([str(path)] if text != filled else [])
        wrong += [f"{path}: {name}" for name in redrawn(text, main)]
        print("\n".join(wrong) or f"{path}: as its commands print")
        ended = SOME_FAILED if wrong else ended
    return ended


class Filler:
    """Fills the places of one page; each command runs once."""

    def __init__(self, main: Main) -> None:
        self.main = main
        self.last = ""
        self.printed: dict[str, str] = {}

    def fill(self, text: str) -> str:
        """The page with what its commands print now.

        Raises:
            ValueError: a command fails, or no row or several answer to a number.
        """
        return PLACES.sub(self._place, text)

    def _place(self, found: re.Match[str]) -> str:
        if command := found["block"]:
            return f"```\n$ python -m bench {command}\n{self._of(command)}\n```"
        if command := found["table"]:
            shown = command.removeprefix("python -m bench ")
            printed = re.sub(r"\A### [^\n]*\n+", "", self._of(shown))
            return f"<!-- $ {command} -->\n{printed}\n<!-- end -->"
        head = found[0][: found[0].index("-->") + 3]
        cell = cell_of(self._of(found["command"] or self.last), found["row"], found["column"])
        return f"{head}{cell}<!-- / -->"

    def _of(self, command: str) -> str:
        if command not in self.printed:
            self.printed[command] = _call(self.main, command)
        self.last = command
        return self.printed[command]


def _call(main: Main, command: str) -> str:
    """What a command prints, without notes."""
    out, aside = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(aside):
        code = main(shlex.split(command))
    if code != OK:
        raise ValueError(f"python -m bench {command}: {aside.getvalue().strip()}")
    return out.getvalue().strip()


def cell_of(printed: str, row: str, column: str) -> str:
    """The cell of the one row of printed tables that has all these words and that column.

    Args:
        printed: Markdown. row: words, each a whole cell. column: a header; with ! at its end the
            first number of the cell.

    Raises:
        ValueError: no row has them, or several do.
    """
    name, words = column.removesuffix("!"), set(row.split())
    header: list[str] = []
    found: list[str] = []
    for line in printed.splitlines():
        if not line.startswith("| "):
            header = []
            continue
        cells = [re.sub(r"\*\*|</?u>", "", cell.strip()) for cell in line.strip("|").split("|")]
        header = header or cells
        if name in header and words <= set(cells):
            found.append(cells[header.index(name)])
    if len(found) != 1:
        raise ValueError(f"{len(found)} rows have {row} and a column {name}")
    return found[0].split(" ")[0] if column.endswith("!") else found[0]


def redrawn(text: str, main: Main) -> list[str]:
    """The committed figures of a page whose numbers are no longer those of its commands."""
    wrong = []
    for command, folder in DRAWN.findall(text):
        with tempfile.TemporaryDirectory() as there:
            _call(main, f"{command} --out {there}")
            for made in Path(there).glob("*.csv"):
                old = Path(folder) / made.name
                if not old.is_file() or old.read_text() != made.read_text():
                    wrong.append(str(old))
    return wrong
