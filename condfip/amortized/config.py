"""Sizes and training settings of the in-context model, written once; `PRESETS` names them."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

LOSSES = ("nll", "crps")


@dataclass(frozen=True)
class ModelConfig:
    """The sizes of the network, as its checkpoint holds them.

    Attributes:
        width: of its layers.
        rounds: answers in turn, each of which sees how the one before fits.
        ridge: whether the first features are of the ridge residual (or of the child itself).
        scales: squared exponentials in the kernel, each with half the lengths of the one before.
        sites: whether rows get noise of their own (non-Gaussian noise).
        few: where there are more rows, all rounds but the last read so many.
        most: where there are more rows, the last round reads so many; the others get their noise.
        own: whether the kernel has components of one parent.
        gate: whether F goes on as a line beyond the context, as far as the network says.
    """

    width: int = 64
    rounds: int = 3
    ridge: bool = True
    scales: int = 3
    sites: bool = True
    few: int = 192
    most: int = 1000
    own: bool = False
    gate: bool = False


@dataclass(frozen=True)
class PriorConfig:
    """Which regression tasks it is trained on.

    Attributes:
        benchmark: share of tasks that are nodes of Lorch SCMs; the others are of the broad prior.
        noises: share of the benchmark's groups of nodes whose own noise may not be Gaussian.
        rows: least and most context rows, log-uniform.
        queries: rows of each task that are scored.
        nodes: of the benchmark's SCMs.
        parents: at most.
        beyond: share of the queries that are moved beyond the range of the context.
    """

    benchmark: float = 0.6
    noises: float = 0.2
    rows: tuple[int, int] = (20, 700)
    queries: int = 48
    nodes: tuple[int, ...] = (5, 10, 20, 50, 100)
    parents: int = 48
    beyond: float = 0.0


@dataclass(frozen=True)
class Config:
    """A preset of sizes, data and training.

    Attributes:
        rate: peak learning rate.
        warmup: steps.
        plateau: share of the run that the peak is held for.
        cosine: 0, see `condfip.run.Settings`.
        clip: largest norm of a gradient.
        numbers: kernel entries of a step (tasks times squared rows), so that steps cost alike.
        tasks: at most in a step.
        ema: of the weights that are used.
        loss: of `LOSSES`.
        steps: after which the cosine ends, unless minutes are given.
    """

    name: str = "broad"
    model: ModelConfig = ModelConfig()
    prior: PriorConfig = PriorConfig()
    rate: float = 2e-3
    warmup: int = 50
    plateau: float = 0.0
    cosine: int = 0
    clip: float = 1.0
    numbers: int = 2**18
    tasks: int = 32
    ema: float = 0.998
    loss: str = "nll"
    steps: int = 20_000

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint's header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `as_dict`; unknown fields are a TypeError."""
        prior: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values["prior"].items()
        }
        parts = {"model": ModelConfig(**values["model"]), "prior": PriorConfig(**prior)}
        return cls(**(values | parts))


BROAD = Config(
    model=ModelConfig(own=True, gate=True),
    prior=PriorConfig(noises=0.4, beyond=1 / 3),
    warmup=200,
    plateau=0.5,
)
BENCHMARK = replace(BROAD, name="benchmark", prior=PriorConfig(benchmark=1.0, noises=0.0))
SMOKE = replace(
    BROAD,
    name="smoke",
    model=ModelConfig(width=16, rounds=2, own=True, gate=True),
    prior=PriorConfig(rows=(20, 40), queries=16, nodes=(5,), parents=8, beyond=1 / 4),
    numbers=2**14,
    steps=3,
)
PRESETS = {preset.name: preset for preset in (BROAD, BENCHMARK, SMOKE)}
