"""Amounts of time and of memory as people write them."""

import re

SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
BYTES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def seconds(text: str) -> float:
    """Seconds of 90, 90s, 20m or 1.5h.

    Raises:
        ValueError: it is none of these.
    """
    return _amount(text.lower(), SECONDS, 1e9)


def size(text: str) -> int:
    """Bytes of 4G, 500M, 1.5g or 4GiB; 0 is 0, and else it is a MiB or more.

    Raises:
        ValueError: it is none of these.
    """
    amount = _amount(re.sub("I?B$", "", text.upper()), BYTES, 2.0**60)
    if 0 < amount < BYTES["M"]:
        raise ValueError(f"less than anything takes: {text}")
    return int(amount)


def _amount(text: str, units: dict, most: float) -> float:
    """An amount that the system's own calls take: at most `most`."""
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+) ?([A-Za-z]*)", text)
    if not found or found[2] not in units:
        raise ValueError(f"no amount: {text}")
    amount = float(found[1]) * units[found[2]]
    if amount > most:
        raise ValueError(f"more than anyone has: {text}")
    return amount


def duration(seconds: float) -> str:
    """Seconds as people say them: 45 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
