"""What a wrong name was meant to be."""

from collections.abc import Sequence
from difflib import get_close_matches


def hint(name: str, known: Sequence[str]) -> str:
    """ "did you mean ...?", or what there is."""
    folded = [k for k in known if k.casefold() == name.casefold()]
    near = folded or get_close_matches(name, known, 1)
    if near:
        return f"did you mean {near[0]}?"
    more = f" and {len(known) - 8} more" if len(known) > 8 else ""
    return f"known: {', '.join(known[:8])}{more}"
