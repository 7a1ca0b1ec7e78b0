"""Text from files and command lines as it may be printed on a terminal."""

LINE_MOST, NAME_MOST, LINES_MOST = 1000, 60, 100


def plain(text: object, most: int = LINE_MOST) -> str:
    """One printable line of at most `most` characters; what would steer a terminal is escaped."""
    start = str(text)[: most + 1].replace("\n", " ")
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in start)
    return line if len(line) <= most else f"{line[: most - 3]}..."


def block(lines: list[str]) -> str:
    """Lines below each other, each of them plain, and no more than fit a screen or two."""
    return "\n".join(map(plain, lines[:LINES_MOST]))
