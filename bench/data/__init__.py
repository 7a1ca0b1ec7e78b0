"""The files of this folder, read only where every byte is as in SHA256SUMS."""

import hashlib
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent
SUMS = "SHA256SUMS"  # as `sha256sum *.csv` writes it


@cache
def checksums(folder: Path = DATA) -> dict[str, str]:
    """{name: sha256} of every file that is shipped."""
    lines = (folder / SUMS).read_text(encoding="ascii").splitlines()
    return {name: sha for sha, name in (line.split("  ", 1) for line in lines)}


def read_shipped(name: str, folder: Path = DATA) -> str:
    """Reads the text of a shipped file, whose sha256 is checked.

    Raises:
        ValueError: it is missing, or a byte of it has changed.
    """
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {folder / name}: {error.strerror}") from error
    found, expected = hashlib.sha256(content).hexdigest(), checksums()[name]
    if found != expected:
        raise ValueError(f"{folder / name} is damaged: its sha256 is {found}, not {expected}")
    return content.decode("utf-8")
