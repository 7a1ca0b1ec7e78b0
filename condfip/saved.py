"""The file of a run, checked before anything of it is used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from torch import Tensor

from condfip.checkpoint import read
from condfip.layout import check_settings, is_count

WHOLE = ("step", "datasets", "begun")
KEPT = ("minutes", "seconds", *WHOLE)  # of a run, in the header of its file

C = TypeVar("C")


@dataclass(frozen=True)
class Saved:
    """What `condfip.run.Run.save` wrote.

    Attributes:
        path: of the file. tensors: by name. header: counts, and what the trainee is made from.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    header: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a run.

        Raises:
            ValueError: see `condfip.checkpoint.read`; or the file holds weights alone.
        """
        tensors, header, _ = read(path)
        if "step" not in header:
            raise ValueError(f"{path} holds weights, not a run to go on with")
        return cls(path, tensors, header)

    def wrong(self, what: str) -> ValueError:
        """The error that says what of the file cannot be."""
        return ValueError(f"{self.path} is no run to go on with: {what}")

    def odd(self, name: str) -> ValueError:
        """The error that shows a field of the header."""
        return self.wrong(f"its {name} is {ascii(self.header.get(name))[:40]}")

    @property
    def counts(self) -> dict[str, Any]:
        """The fields of `KEPT`; those that files from before lack are 0.

        Raises:
            ValueError: one is no such count.
        """
        found = {name: self.header.get(name, 0) for name in KEPT}
        for name, value in found.items():
            if not is_count(value, whole=name in WHOLE):
                raise self.odd(name)
        if found["begun"] > found["step"]:
            raise self.odd("begun")
        return found

    @property
    def seed(self) -> int:
        """Of the data.

        Raises:
            ValueError: it is no whole number.
        """
        seed = self.header.get("seed")
        if type(seed) is not int:
            raise self.odd("seed")
        return seed

    def config(self, make: Callable[[dict[str, Any]], C]) -> C:
        """The configuration.

        Args:
            make: of the header's values.

        Raises:
            ValueError: it cannot be made, or one of its settings cannot be.
        """
        try:
            config = make(self.header["config"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise self.wrong(f"its config is of another kind, {ascii(str(error))[:80]}") from None
        check_settings(config, len(self.tensors), self.path)
        return config

    def below(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin so, without the prefix."""
        found = self.tensors.items()
        return {k.removeprefix(prefix): v for k, v in found if k.startswith(prefix)}
