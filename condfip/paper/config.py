"""Sizes and training settings, written once: `PRESETS` names the instances that are used."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from bench.scm.graphs import GRAPHS
from bench.scm.mechanisms import MECHANISMS
from bench.scm.prior import VARIANTS

POOLINGS = ("max", "mean", "wide")
STAGES = ("encoder", "decoder")  # published: one after the other, the first then frozen
JOINT = "joint"


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the networks; the defaults are the published ones (Mahajan et al. 2025).

    Attributes:
        width: E, of every token.
        hidden: of the feed-forward networks.
        encoder_layers: pairs of attention over samples and over nodes.
        encoder_heads, encoder_head: number and width of the encoder's heads.
        readout: hidden width of the encoder's noise head.
        dataset_layers: further pairs in the decoder, before pooling.
        decoder_layers: adaptive layers.
        decoder_heads, decoder_head: everywhere in the decoder.
        pooling: over samples, of `POOLINGS`; the published model takes the maximum, `wide` has
            mean and deviation too.
    """

    width: int = 256
    hidden: int = 512
    encoder_layers: int = 4
    encoder_heads: int = 8
    encoder_head: int = 32
    readout: int = 1024
    dataset_layers: int = 2
    decoder_layers: int = 4
    decoder_heads: int = 8
    decoder_head: int = 64
    pooling: str = "max"


@dataclass(frozen=True)
class PriorConfig:
    """Which SCMs a stage is trained on.

    Attributes:
        nodes, rows: a step draws one of each. rows counts the context.
        queries: further rows that the decoder is scored on.
        interventions: share of these, at most half, that are drawn under a do() with the noise of
            the others; published: none.
        tokens: nodes times context rows of a step, from which the number of datasets follows; 0
            where the stage's batch decides.
        grow: steps until the longest contexts are drawn.
        mechanisms: LIN, RFF.
        graph_kinds: of `bench.scm.graphs`.
        variant: lorch or causica.

    Raises:
        ValueError: nothing could be drawn from it.
    """

    nodes: tuple[int, ...] = (20,)
    rows: tuple[int, ...] = (400,)
    queries: int = 0
    interventions: float = 0.0
    tokens: int = 0
    grow: int = 0
    mechanisms: tuple[str, ...] = ("LIN", "RFF")
    graph_kinds: tuple[str, ...] = ("er", "sf_in", "sf_out")
    variant: str = "lorch"

    def __post_init__(self) -> None:
        if not self.nodes or not self.rows or min((*self.nodes, *self.rows)) < 2:
            raise ValueError("a prior without nodes or rows")
        for words, known in (
            (self.mechanisms, MECHANISMS),
            (self.graph_kinds, GRAPHS),
            ((self.variant,), VARIANTS),
        ):
            if not words or not set(words) <= set(known):
                raise ValueError(f"a prior of {ascii(words)[:40]}")

    @property
    def intervened(self) -> int:
        """How many queries are drawn under a do()."""
        return int(self.interventions * self.queries)


@dataclass(frozen=True)
class StageConfig:
    """How one stage is trained; the defaults are the published ones.

    Attributes:
        prior: of the data.
        batch: datasets a step.
        chunk: datasets held at once (accumulation).
        rate: peak learning rate.
        warmup: steps.
        plateau: share of the run that the peak is held for.
        steps: of the run, at whose end the cosine ends; published: 4 million datasets.
        cosine: steps after which a published schedule has come down, to rise again; 0: see steps.
        betas, decay: of Adam.
        muon: orthogonalised updates of the matrices instead of Adam's.
        ema: of the weights that are used.
        clip: largest norm of a gradient.
        effect: weight in the decoder's loss of the error of effects, F under a do() minus F without
            it, same noise; published: 0.
        effect_from: step at which it joins.
        mask_roots: whether roots, whose answers nobody uses, are left out of the loss, and nodes of
            many parents weigh more; published: not.
        linear: weight of linear datasets' losses.
        dropout: in the decoder.
        half: bfloat16 where the device is fast at it.
    """

    prior: PriorConfig = PriorConfig()
    batch: int = 8
    chunk: int = 8
    rate: float = 1e-4
    warmup: int = 1000
    plateau: float = 0.0
    steps: int = 500_000
    cosine: int = 10_000
    betas: tuple[float, float] = (0.9, 0.95)
    decay: float = 5e-9
    muon: bool = False
    ema: float = 0.999
    clip: float = 1.0
    effect: float = 0.0
    effect_from: int = 0
    mask_roots: bool = False
    linear: float = 1.0
    dropout: float = 0.0
    half: bool = True


@dataclass(frozen=True)
class Config:
    """A preset: the networks and their training, in two stages or `joint`."""

    name: str
    model: ModelConfig
    encoder: StageConfig
    decoder: StageConfig
    joint: StageConfig

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint's header."""
        return asdict(self)

    def with_stage(self, name: str, settings: dict[str, Any], prior: dict[str, Any]) -> Self:
        """The preset with other settings of one stage."""
        stage = getattr(self, name)
        changed = replace(stage, **settings, prior=replace(stage.prior, **prior))
        return replace(self, **{name: changed})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `as_dict`; unknown fields are a TypeError."""
        stages = {stage: _stage(values[stage]) for stage in (*STAGES, JOINT)}
        model = dict(values["model"])
        if model.pop("network", "published") != "published":  # a field of files from before
            raise TypeError("it is of another network")
        return cls(values["name"], ModelConfig(**model), **stages)


def _stage(values: dict[str, Any]) -> StageConfig:
    prior = PriorConfig(**{key: _frozen(value) for key, value in values["prior"].items()})
    settings = {key: _frozen(value) for key, value in values.items()} | {"prior": prior}
    return StageConfig(**settings)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_PAPER_DECODER = StageConfig(PriorConfig(rows=(200,), queries=200), dropout=0.1)
PAPER = Config("paper", ModelConfig(), StageConfig(), _PAPER_DECODER, _PAPER_DECODER)

_SMALL = StageConfig(
    PriorConfig(nodes=(8, 14, 20), rows=(64, 128)),
    batch=12,
    chunk=2,
    rate=1e-2,
    warmup=100,
    steps=1_000_000,
    cosine=0,
    decay=0.0,
    muon=True,
    ema=0.998,
)
SMALL = Config(
    "small",
    ModelConfig(
        width=64,
        hidden=128,
        encoder_layers=3,
        encoder_heads=2,
        readout=64,
        decoder_heads=2,
        decoder_head=32,
    ),
    encoder=_SMALL,
    decoder=replace(
        _SMALL,
        prior=PriorConfig(
            nodes=(6, 8, 10, 14, 20), rows=(128, 256), queries=128, interventions=0.5
        ),
        batch=8,
        rate=4e-3,
        effect=1.0,
        mask_roots=True,
        linear=2.6,  # their errors are smaller by so much, and relative errors are what counts
        ema=0.999,
    ),
    joint=replace(
        _SMALL,
        prior=PriorConfig(
            nodes=(5, 6, 8, 10, 12, 14, 16, 20, 20, 28, 40),
            rows=(48, 96, 128, 192, 256, 320, 400),
            queries=128,
            interventions=0.5,
            tokens=8_000,
            grow=12_000,
        ),
        rate=5e-3,
        plateau=0.6,
        effect=1.0,
        effect_from=8_000,
        mask_roots=True,
        linear=1.5,
        ema=0.999,
    ),
)

_SMOKE = replace(
    _SMALL, prior=PriorConfig(nodes=(4,), rows=(16,), queries=8), batch=4, chunk=2, warmup=5
)
SMOKE = Config(
    "smoke",
    ModelConfig(
        width=16,
        hidden=32,
        encoder_layers=1,
        encoder_heads=2,
        encoder_head=8,
        readout=16,
        dataset_layers=1,
        decoder_layers=2,
        decoder_heads=2,
        decoder_head=8,
    ),
    encoder=replace(_SMOKE, prior=replace(_SMOKE.prior, queries=0)),
    decoder=_SMOKE,
    joint=replace(_SMOKE, mask_roots=True),
)

PRESETS = {preset.name: preset for preset in (PAPER, SMALL, SMOKE)}
