"""How values of options are spelt."""

from collections.abc import Sequence


def split(text: str) -> list[str]:
    """The parts of a,b,c."""
    return [part for part in text.split(",") if part]


def axes(settings: Sequence[str]) -> dict[str, str]:
    """AXIS=VALUES, one after the other, as a dict."""
    found = {}
    for setting in settings:
        axis, equals, values = setting.partition("=")
        if not equals or not values:
            raise ValueError(f"{setting} is not of the form AXIS=VALUES")
        found[axis.lower()] = values
    return found
