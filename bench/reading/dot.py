"""DOT and dagitty text: nodes, `->`, `<-`, groups in braces; attributes are passed over."""

import re
from collections.abc import Iterator

TOKEN = re.compile(
    r'\s+|//[^\n]*|/\*.*?\*/|(?P<open>/\*)|#[^\n]*|(?P<quoted>"(?:[^"\\]|\\.)*")'
    r"|(?P<arrow><->|->|<-|--|@-@|@->|<-@)|(?P<mark>[{}\[\];,=:])|(?P<word>[^\s{}\[\];,=:\"<>@-](?:[^\s{}\[\];,=:\"<>@-]|-(?![->]))*)",
    re.DOTALL,
)
START = re.compile(r"\s*(strict\s+)?(di)?(graph|dag|pdag|mag|pag)\b[^{]*\{", re.IGNORECASE)
SETTINGS = ("graph", "node", "edge", "bb", "pos")
UNDIRECTED = {
    "--": "is undirected",
    "<->": "is a hidden common cause",
    "@-@": "is undirected",
    "@->": "is half directed",
    "<-@": "is half directed",
}
Edge = tuple[str, str]


def read_dot(text: str) -> tuple[list[str], list[Edge]]:
    """Nodes in their order, and edges (cause, effect), of `digraph {...}` or dagitty's `dag {...}`.

    Statements alone, as in "a -> b; b -> c", are read too.

    Raises:
        ValueError: an edge without one direction, or something that is no such text, by its line.
    """
    start = START.match(text)
    tokens = list(_tokens(text, start.end() if start else 0))
    reader = _Reader(tokens)
    reader.statements("}" if start else None)
    return list(reader.nodes), reader.edges


def _tokens(text: str, at: int) -> Iterator[tuple[str, str, int]]:
    line, counted = 1, 0
    while at < len(text):
        found = TOKEN.match(text, at)
        line, counted = line + text.count("\n", counted, at), at
        if not found:
            raise ValueError(f"line {line}: cannot read {text[at : at + 20].splitlines()[0]!r}")
        if found.lastgroup == "open":
            raise ValueError(f"line {line}: a comment is not closed")
        at = found.end()
        if found.lastgroup:
            value = found[0]
            if found.lastgroup == "quoted":
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            yield found.lastgroup, value, line


class _Reader:
    def __init__(self, tokens: list[tuple[str, str, int]]) -> None:
        self.tokens, self.at = tokens, 0
        self.nodes: dict[str, None] = {}
        self.edges: list[Edge] = []

    def _peek(self) -> tuple[str, str, int]:
        last = self.tokens[-1][2] if self.tokens else 1
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "", last)

    def _take(self, *values: str) -> bool:
        kind, value, _ = self._peek()
        if kind in ("mark", "arrow") and value in values:
            self.at += 1
            return True
        return False

    def statements(self, end: str | None) -> list[str]:
        """Reads up to `end`; the nodes that are named."""
        named: list[str] = []
        while not (end and self._take(end)):
            kind, _, line = self._peek()
            if kind == "end":
                if end:
                    raise ValueError(f"line {line}: a brace is not closed")
                break
            if not self._take(";", ","):
                named += self._statement()
        return named

    def _statement(self) -> list[str]:
        before = self._group()
        named = list(before)
        while self._peek()[0] == "arrow":
            _, arrow, line = self._peek()
            self.at += 1
            after = self._group()
            if arrow in UNDIRECTED:
                pair = f"{'/'.join(before)} {arrow} {'/'.join(after)}"
                raise ValueError(f"line {line}: {pair} {UNDIRECTED[arrow]}; give it one direction")
            pairs = [(a, b) for a in before for b in after]
            self.edges += pairs if arrow == "->" else [(b, a) for a, b in pairs]
            named += after
            before = after
        self._attributes()
        return named

    def _group(self) -> list[str]:
        """One node, or those in braces."""
        kind, value, line = self._peek()
        if self._take("{"):
            return self.statements("}")
        if kind not in ("word", "quoted"):
            raise ValueError(f"line {line}: a name is missing before {value or 'the end'!r}")
        self.at += 1
        if kind == "word" and value.lower() == "subgraph":
            if self._peek()[0] != "mark":
                self.at += 1
            return self._group()
        if self._take("="):  # a setting of the picture
            self.at += 1
            return []
        if self._take(":"):  # a port
            self.at += 1
        if kind == "word" and value in SETTINGS and self._peek()[1] == "[":
            return []
        self.nodes[value] = None
        return [value]

    def _attributes(self) -> None:
        while self._take("["):
            while not self._take("]"):
                kind, value, line = self._peek()
                if kind == "end":
                    raise ValueError(f"line {line}: a bracket is not closed")
                self.at += 1
