"""A method as users and the runner meet it, whatever its class leaves out."""

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.method import EXTRAS, member
from bench.mixed.fit import fit_mixed, why_not
from bench.scm.base import SCM, to_array
from bench.scm.do import Do, Settled, settle
from bench.task import Dataset, Problem, Task

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd


@dataclass(frozen=True, repr=False)
class LoadedMethod:
    """A method as the runner and users meet it: checked input, five verbs out.

    Attributes:
        name: of the method, as it was asked for.
        inner: the method itself.
        settings: what it was built with, but for the device and the checkpoint, which has a sha of
            its own.
        module: where its class is written.
    """

    name: str
    inner: Any
    settings: tuple[tuple[str, Any], ...] = ()
    module: str = ""

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value!r}" for name, value in self.settings)
        version = f"version {self.version or 'unknown'}"
        return f"Method {self.name} ({type(self.inner).__name__}, {version}, {self.role}{settings})"

    @property
    def version(self) -> str:
        """The version that the method gives itself, "" where it gives none."""
        return str(member(self.inner, "version"))

    @property
    def role(self) -> str:
        """Whether the method is `truth`, a `reference` or a `baseline`."""
        return member(self.inner, "role")

    @property
    def noise_space(self) -> str:
        """`additive`, or `base` for a model whose noise is in a space of its own."""
        return member(self.inner, "noise_space")

    @cached_property
    def checkpoint_sha(self) -> str:
        """The sha of a pretrained method's weights, "" where there are none."""
        return member(self.inner, "checkpoint_sha")

    @property
    def pretrain_s(self) -> float | None:
        """Seconds of training behind the weights, None where there was none."""
        return member(self.inner, "pretrain_s")

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the source that computes; see `bench.run.fingerprint`."""
        from bench.run.fingerprint import fingerprint_of

        home = Path.cwd() if ":" in self.name else None
        return fingerprint_of(self.module, home)

    @property
    def sees_problem(self) -> bool:
        """Whether it is a control that is shown the whole problem, not only its data."""
        return self.role != "baseline" and member(self.inner, "fit_problem") is not None

    def seen_in_training(self, task: Task) -> bool | str | None:
        """Whether training met SCMs like the task's; "partly"; None where nothing was trained."""
        return member(self.inner, "seen_in_training")(task)

    def skip(self, dataset: Dataset) -> str | None:
        """Why the method cannot fit this dataset, None where it can."""
        if dataset.columns:
            return why_not(self.inner, dataset)
        return member(self.inner, "skip")(dataset)

    def skip_problem(self, problem: Problem) -> str | None:
        """Why the method cannot fit what it is shown of a problem, None where it can."""
        if self.sees_problem:
            return member(self.inner, "skip_problem")(problem)
        return self.skip(problem.data)

    def fit(self, df: "pd.DataFrame | Any", graph: "nx.DiGraph", *, seed: int = 0) -> SCM:
        """Learns an SCM; counts, yes and no, and categories are told by the columns' dtypes.

        Args:
            df: context rows, [N, D].
            graph: over their columns; u -> v reads "u causes v".
            seed: of the method's own randomness.

        Returns:
            The estimate, which answers the five verbs; both arguments stay as they are.

        Raises:
            ValueError: NaN, text, unknown columns, a cycle; columns that the method cannot take; or
                it is a control that needs the truth.
        """
        if self.sees_problem:
            raise ValueError(f"{self.name} needs the true SCM; it runs on a suite's problems only")
        return self._fit(Dataset.typed(df, graph), seed)

    def fit_problem(self, problem: Problem, seed: int) -> SCM:
        """Fits what a problem shows; controls are shown all of it."""
        if self.sees_problem:
            return self.inner.fit_problem(problem, seed)
        return self._fit(problem.data, seed)

    def _fit(self, data: Dataset, seed: int) -> SCM:
        if data.columns:
            return self._fit_mixed(data, seed)
        fitted = self.inner.fit(data.frame(), data.graph(), seed=seed)
        return self._named(complete(fitted, data, self.noise_space))

    def _named(self, scm: SCM) -> SCM:
        scm.method = self.name
        return scm

    def _fit_mixed(self, data: Dataset, seed: int) -> SCM:
        if reason := why_not(self.inner, data):
            raise ValueError(f"{self.name}: {reason}")
        return self._named(fit_mixed(self.inner, data, seed, lambda d: self._fit(d, seed)))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """What it is made of, under the names that scikit-learn's `clone` passes on."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def complete(fitted: Any, data: Dataset, noise_space: str = "additive") -> SCM:
    """The five verbs of whatever a method's `fit` returned."""
    return fitted if isinstance(fitted, SCM) else Completed(fitted, data, noise_space)


class Completed(SCM):
    """`noise` and `generate` of a stranger's model, with the other verbs made from them.

    Args:
        fitted: what the method's `fit` returned: an `Estimate`, whose optional members may lack.
        data: the context rows and the graph that it was fitted to.
        noise_space: see `bench.method.Method`.
    """

    def __init__(self, fitted: Any, data: Dataset, noise_space: str) -> None:
        super().__init__(data.names)
        self.fitted, self.data, self.noise_space = fitted, data, noise_space
        for name in EXTRAS:
            setattr(self, name, member(fitted, name))

    def _described(self) -> tuple[np.ndarray | None, dict[str, list[str]]]:
        return self.data.adjacency, {}

    def mechanism(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """See `SCM`; for additive noise only."""
        if self.noise_space != "additive":
            raise ValueError("a model without additive noise has no F")
        return df[list(self.names)] - self.noise(df)

    def noise(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """See `SCM`."""
        to_array(df, self.names)
        return self._named(self.fitted.noise(df))

    def generate(self, u: "pd.DataFrame", do: Do | None = None) -> "pd.DataFrame":
        """See `SCM`; what was fitted is asked for numbers only."""
        if settle(do, self.names, len(u)).constant:
            return self._named(self.fitted.generate(u, do=do))
        return super().generate(u, do)

    def counterfactual(self, df: "pd.DataFrame", do: Do) -> "pd.DataFrame":
        """See `SCM`."""
        if settle(do, self.names, len(df)).constant:
            return self._named(member(self.fitted, "counterfactual")(df, do))
        return super().counterfactual(df, do)

    def sample(
        self, n: int, do: Do | None = None, seed: int = 0, noise: str = "empirical"
    ) -> "pd.DataFrame":
        """See `SCM`."""
        draw = member(self.fitted, "sample")
        if draw and settle(do, self.names, n).constant:
            return self._named(draw(n, do=do, seed=seed, noise=noise))
        return super().sample(n, do, seed, noise)

    def _named(self, answer: "pd.DataFrame") -> "pd.DataFrame":
        """A stranger's answer with its columns in order, matched by their names."""
        known = hasattr(answer, "columns") and set(answer.columns) == set(self.names)
        return answer[list(self.names)] if known else answer  # whoever asked says what is wrong

    def _draw_noise(self, n: int, seed: int, kind: str) -> np.ndarray:
        rng = np.random.default_rng(seed)
        residuals = np.asarray(self.noise(self.data.frame()), dtype=np.float64)
        if self.noise_space == "additive":
            residuals = residuals - residuals.mean(0)
        if kind == "gaussian":
            deviation = residuals.std(0, ddof=1)
            return residuals.mean(0) + deviation * rng.standard_normal((n, len(self.names)))
        rows = rng.integers(len(residuals), size=(n, len(self.names)))
        return np.take_along_axis(residuals, rows, 0)

    def _generate(self, u: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        """Rows of equal clamps together."""
        x = np.empty_like(u)
        for values, rows in Settled(clamps, {}).groups(len(u)):
            do = {self.names[j]: value for j, value in values.items()}
            answer = self.fitted.generate(self._answer(u[rows], None), do=do or None)
            x[rows] = np.asarray(self._named(answer), dtype=np.float64)
        return x
