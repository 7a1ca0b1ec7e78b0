"""The faults of `faults.toml`, one line each, and the tests that should notice them."""

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """What goes wrong, where, the line before and after, and the tests that should notice."""

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def words(self) -> str:
        """All that a person may look for."""
        return " ".join((self.what, self.file, *self.tests))


LISTED = tomllib.loads(Path(__file__).with_name("faults.toml").read_text(encoding="utf-8"))
FAULTS = tuple(Fault(**{**told, "tests": tuple(told["tests"])}) for told in LISTED["fault"])
