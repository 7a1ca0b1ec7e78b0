"""Cond-FiP as a method of the benchmark: zero-shot, from a checkpoint."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

from bench.scm.base import AdditiveSCM, to_array
from bench.scm.do import Do
from bench.standardised import StandardisedMechanisms, spread
from bench.task import Dataset, Task
from condfip.checkpoint import Checkpoint, load

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

WEIGHTS = Path(__file__).parents[1] / "weights"
SHIPPED = WEIGHTS / "condfip.safetensors"
MOST_ROWS = 10_000  # of a context
TOKENS = 2**15  # nodes times rows held at once: larger chunks leave the processor's cache


class CondFiPSCM(AdditiveSCM):
    """The estimate: the decoder abducts and generates; the encoder smooths."""

    noise_space = "additive"
    mechanisms: "Mechanisms"

    def noise_smoothed(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """The encoder's noise of the rows themselves, which sees each value it explains."""
        x = to_array(df, self.names)
        return self._answer(x - self.mechanisms.smoothed(x), df)

    def noise_published(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """The encoder's noise as published code logs it.

        `df` is the context's rows, then others: all scale the columns, each part is read alone.
        """
        x, n = to_array(df, self.names), len(self.context)
        mean, scale = x.mean(0), spread(x)
        inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
        own, z = self.mechanisms, (x - mean) * inverse
        if own.predict is None:
            return self._answer(x - mean, df)
        parts = (part[:, own.order] for part in (z[:n], z[n:]) if len(part))
        answer = np.vstack([own.predict.smoothed(part) for part in parts])
        return self._answer(x - mean - scale * answer[:, own.place], df)


class PublishedSCM(CondFiPSCM):
    """The estimate as published: the encoder abducts, the decoder generates."""

    noise_metric = False

    @cached_property
    def centred(self) -> np.ndarray:
        """What the encoder leaves of the context."""
        residuals = self.context - self.mechanisms.smoothed(self.context)
        return residuals - residuals.mean(0)

    def noise(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """See `noise_smoothed`."""
        return self.noise_smoothed(df)

    def counterfactual(self, df: "pd.DataFrame", do: Do) -> "pd.DataFrame":
        """Generates from the encoder's noise."""
        return self.generate(self.noise_smoothed(df), do)


class CondFiP:
    """Cond-FiP (Mahajan et al., TMLR 2025) with one mechanism to abduct and to generate.

    The prior is the same in a mirror, the networks are not: they read the context as it is and with
    every sign changed, and F is the mean of both answers, (F(x) - F'(-x)) / 2.

    Args:
        checkpoint: a file of `condfip.checkpoint`; by default the shipped one.
        device: where the networks run.
    """

    version = "2"
    default = True
    noise_space = "additive"
    estimate: type[AdditiveSCM] = CondFiPSCM
    signs: tuple[int, ...] = (1, -1)

    def __init__(self, checkpoint: str | Path = SHIPPED, device: str = "cpu") -> None:
        self.path, self.device = Path(checkpoint), device

    @classmethod
    def from_pretrained(cls, checkpoint: str | Path = SHIPPED, device: str = "cpu") -> Self:
        """A method ready for use; reads the checkpoint at once.

        Raises:
            ValueError: see `condfip.checkpoint.load`.
        """
        method = cls(checkpoint, device)
        method.loaded  # noqa: B018
        return method

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Self:
        """A method with networks at hand, as training validates them."""
        method = cls(device=str(next(checkpoint.model.parameters()).device))
        method.loaded = checkpoint
        return method

    @cached_property
    def loaded(self) -> Checkpoint:
        """The networks of the checkpoint."""
        return load(self.path, self.device)

    @property
    def checkpoint_sha(self) -> str:
        """Names the weights in records."""
        return self.loaded.sha

    @property
    def pretrain_s(self) -> float:
        """Seconds of training behind the weights."""
        return float(sum(stage["seconds"] for stage in self.loaded.stages.values()))

    def seen_in_training(self, task: Task) -> bool:
        """Whether every stage met SCMs like the task's."""
        config, stages = self.loaded.config, self.loaded.stages
        priors = [getattr(config, stage).prior for stage in stages]
        drawn = [[f"{mechanism}_IN" for mechanism in prior.mechanisms] for prior in priors]
        settings = task.settings
        plain = settings.get("alpha") == 1 and not settings.get("noise")
        known = all(settings.get("scenario") in scenarios for scenarios in drawn)
        return task.suite.startswith("lorch") and plain and known

    def skip(self, dataset: Dataset) -> str | None:
        """Time grows with the square of the rows, which attend to each other."""
        if len(dataset.rows) > MOST_ROWS:
            return f"more than {MOST_ROWS:,} rows: every row attends to every row"
        return None

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> AdditiveSCM:
        """Embeds the context once.

        Raises:
            ValueError: see `bench.task.Dataset.of`.
        """
        return self.fit_arrays(Dataset.of(df, graph), seed=seed)

    def fit_arrays(self, data: Dataset, *, seed: int = 0) -> AdditiveSCM:
        """Fits a dataset, as `fit` does a table and a graph."""
        mechanisms = self.mechanisms(data, seed)
        return self.estimate(
            data.names, data.adjacency, mechanisms, data.rows, mechanisms.noise_scale
        )

    @property
    def reading(self) -> "type[Embedded]":
        """What the networks make of a context."""
        return Embedded

    def mechanisms(self, data: Dataset, seed: int = 0) -> "Mechanisms":
        """The networks after they have read a context."""
        return Mechanisms(data, self.loaded, self.signs, seed, self.reading)


class CondFiPPublished(CondFiP):
    """Cond-FiP with the published abduction and one reading of the context, for comparison."""

    version = "1"
    estimate = PublishedSCM
    signs = (1,)


class Mechanisms(StandardisedMechanisms):
    """The networks in the data's units."""

    predict: "Embedded | None"

    def __init__(
        self,
        data: Dataset,
        checkpoint: Checkpoint,
        signs: Sequence[int],
        seed: int,
        kind: "type[Embedded]",
    ) -> None:
        super().__init__(data, lambda z, parents, _: kind(checkpoint, z, parents, signs), seed)

    def smoothed(self, x: np.ndarray) -> np.ndarray:
        """The encoder's F of rows [N, D], from the rows themselves; see `Embedded`."""
        if self.predict is None:
            return np.broadcast_to(self.mean[self.place], x.shape)
        answer = self.predict.smoothed(self.standardise(x))
        return (self.mean + self.scale * answer)[:, self.place]


class Embedded:
    """A context that the networks have read, once with each sign; all in standardised units."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        z: np.ndarray,
        parents: Sequence[np.ndarray],
        signs: Sequence[int],
    ) -> None:
        self.model, self.leaves_roots_out = checkpoint.model, checkpoint.leaves_roots_out
        self.device = next(self.model.parameters()).device
        self.signs = torch.tensor(signs, dtype=torch.float32, device=self.device)[:, None, None]
        adjacency = torch.zeros(len(signs), z.shape[1], z.shape[1], dtype=torch.bool)
        for child, its_parents in enumerate(parents):
            adjacency[:, its_parents.tolist(), child] = True
        self.adjacency = adjacency.to(self.device)
        with torch.inference_mode():
            self.embedding = self.model.embedding(self.signs * self._tensor(z), self.adjacency)

    def __call__(self, z: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of `nodes` at rows [M, D]: [M, len(nodes)]."""
        asked = torch.tensor(list(nodes), device=self.device)
        rows = max(TOKENS // (len(self.signs) * len(asked)), 1)
        parts = (self.signs * self._tensor(z)).split(rows, 1)
        with torch.inference_mode():
            answers = [self.model.decoder(p, self.embedding, self.adjacency, asked) for p in parts]
            mean = (self.signs * torch.cat(answers, 1)).mean(0)
        return mean.double().cpu().numpy()

    def smoothed(self, z: np.ndarray) -> np.ndarray:
        """The encoder's F of rows [M, D] that are its own context; of roots, whose F is a constant,
        their mean where training left them out.
        """
        with torch.inference_mode():
            answer = self.model.encoder(self._tensor(z), self.adjacency[:1])
        if self.leaves_roots_out:
            answer = answer * self.adjacency[:1].any(1)[:, None]
        return answer[0].double().cpu().numpy()

    def _tensor(self, z: np.ndarray) -> Tensor:
        return torch.as_tensor(z, dtype=torch.float32, device=self.device)[None]
