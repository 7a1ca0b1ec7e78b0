"""A method as users and the runner meet it, whatever its class leaves out."""

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.method import complete, member
from bench.scm.base import SCM
from bench.task import Dataset, Problem, Task

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd


@dataclass(frozen=True)
class LoadedMethod:
    """A method as the runner and users meet it: checked input, five verbs out.

    Attributes:
        name: as asked for. inner: the method itself. settings: what it was built with, but for the
            device and the checkpoint, which has a sha of its own. module: where it is written.
    """

    name: str
    inner: Any
    settings: tuple[tuple[str, Any], ...] = ()
    module: str = ""

    @property
    def version(self) -> str:
        """The method's own, "" where it has none."""
        return str(member(self.inner, "version"))

    @property
    def role(self) -> str:
        """`truth`, `reference` or `baseline`."""
        return member(self.inner, "role")

    @property
    def noise_space(self) -> str:
        """`additive`, or `base` for a model whose noise is in a space of its own."""
        return member(self.inner, "noise_space")

    @cached_property
    def checkpoint_sha(self) -> str:
        """Of a pretrained method's weights, "" where there are none."""
        return member(self.inner, "checkpoint_sha")

    @property
    def pretrain_s(self) -> float | None:
        """Seconds of training behind the weights, None where there was none."""
        return member(self.inner, "pretrain_s")

    @cached_property
    def fingerprint(self) -> str:
        """Of the source that the method computes with; see `bench.run.fingerprint`."""
        from bench.run.fingerprint import fingerprint_of

        home = Path.cwd() if ":" in self.name else None
        return fingerprint_of(self.module, home)

    @property
    def sees_problem(self) -> bool:
        """Whether it is a control that is shown the whole problem, not only its data."""
        return self.role != "baseline" and member(self.inner, "fit_problem") is not None

    def seen_in_training(self, task: Task) -> bool | None:
        """Whether training met SCMs like the task's, None where nothing was trained."""
        return member(self.inner, "seen_in_training")(task)

    def skip(self, dataset: Dataset) -> str | None:
        """Why the method cannot fit this dataset, None where it can."""
        return member(self.inner, "skip")(dataset)

    def skip_problem(self, problem: Problem) -> str | None:
        """Why the method cannot fit what it is shown of a problem, None where it can."""
        if self.sees_problem:
            return member(self.inner, "skip_problem")(problem)
        return self.skip(problem.data)

    def fit(self, df: "pd.DataFrame | Any", graph: "nx.DiGraph", *, seed: int = 0) -> SCM:
        """Learns an SCM.

        Raises:
            ValueError: NaN, text, unknown columns, a cycle; or the method is a control that needs
                the truth.
        """
        if self.sees_problem:
            raise ValueError(f"{self.name} needs the true SCM; it runs on a suite's problems only")
        return self._fit(Dataset.of(df, graph), seed)

    def fit_problem(self, problem: Problem, seed: int) -> SCM:
        """Fits what a problem shows; controls are shown all of it."""
        if self.sees_problem:
            return self.inner.fit_problem(problem, seed)
        return self._fit(problem.data, seed)

    def _fit(self, data: Dataset, seed: int) -> SCM:
        fitted = self.inner.fit(data.frame(), data.graph(), seed=seed)
        return complete(fitted, data, self.noise_space)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """What it is made of, under the names that scikit-learn's `clone` passes on."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
