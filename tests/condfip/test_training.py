"""Training: the published losses, exact resumption, stops, memory, and a bare environment."""

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.task import seed_of
from condfip.__main__ import main
from condfip.checkpoint import build, load, read, write
from condfip.paper import stage as stage_module
from condfip.paper import train as train_module
from condfip.paper.config import JOINT, PAPER, SMALL, SMOKE, STAGES, Config, PriorConfig
from condfip.paper.model import CondFiPModel
from condfip.paper.stage import LOSSES, Stage, decoder_loss, encoder_loss
from condfip.paper.train import Plan, run_plan
from condfip.prior import Batch, draw_batch
from condfip.run import Diverged, Run, rate_factor
from condfip.training import Folder, keep, train

CPU = torch.device("cpu")


def start(stage: str = "decoder", steps: int = 20, **settings) -> Run:
    config = SMOKE.with_stage(stage, {"steps": steps, "half": False, **settings}, {})
    torch.manual_seed(0)
    return Run.start(Stage(stage, config, build(config.model), 0, {}))


def seeded(config: PriorConfig, size: int = 6, seed: int = 0) -> Batch:
    return draw_batch(config, size, torch.Generator().manual_seed(seed))


def weights(model: CondFiPModel) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_one_step_of_adam_moves_weights_as_by_hand():
    run = start("encoder", warmup=1, muon=False, clip=1e9)
    seed = seed_of("condfip", "encoder", 0, 0)
    batch = draw_batch(run.trainee.settings.prior, 4, torch.Generator().manual_seed(seed))
    before = weights(run.trainee.model.encoder)
    encoder_loss(run.trainee.model, batch, SMOKE.encoder).mean().backward()
    gradient = torch.cat([p.grad.flatten() for p in run.trainee.model.encoder.parameters()])
    run.trainee.model.zero_grad()
    run.advance(CPU)
    moved = weights(run.trainee.model.encoder) - before
    expected = -run.trainee.settings.rate * gradient / (gradient.abs() + 1e-8)
    clear = gradient.abs() > 1e-4
    torch.testing.assert_close(moved[clear], expected[clear], rtol=1e-2, atol=1e-6)


def test_accumulated_gradients_equal_those_of_the_whole_batch():
    run = start()
    run.trainee.gradients(0, CPU)
    pieces = [p.grad.clone() for p in run.trainee.model.decoder.parameters()]
    run.trainee.model.zero_grad()
    seed = seed_of("condfip", "decoder", 0, 0)
    batch = seeded(run.trainee.settings.prior, run.trainee.settings.batch, seed)
    decoder_loss(run.trainee.model, batch, SMOKE.decoder).mean().backward()
    for piece, p in zip(pieces, run.trainee.model.decoder.parameters(), strict=True):
        torch.testing.assert_close(piece, p.grad)


def test_the_decoder_stage_leaves_the_encoder_alone():
    run = start("decoder")
    before = weights(run.trainee.model.encoder), weights(run.trainee.model.decoder)
    run.advance(CPU)
    assert torch.equal(weights(run.trainee.model.encoder), before[0])
    assert not torch.equal(weights(run.trainee.model.decoder), before[1])


@pytest.mark.parametrize("stage", LOSSES)
def test_bfloat16_gives_nearly_the_same_loss(stage, monkeypatch):
    monkeypatch.setattr(stage_module, "has_bfloat16", lambda _: True)
    plain, rough = start(stage).advance(CPU), start(stage, half=True).advance(CPU)
    assert rough != plain and rough == pytest.approx(plain, rel=0.02)


def test_the_published_schedule_is_shorter_than_the_run_and_rises_again():
    config = PAPER.encoder
    factors = {s: rate_factor(config, s, s / config.steps) for s in (0, 999, 5500, 10_000, 19_000)}
    expected = {0: 0.001, 999: 1.0, 5500: 0.5, 10_000: 0.0, 19_000: 1.0}
    assert factors == pytest.approx(expected, abs=1e-9)
    assert config.steps * config.batch == 4_000_000


def test_the_rate_stays_at_its_peak_until_the_plateau_ends():
    config = replace(SMOKE.joint, warmup=10, plateau=0.6)
    factors = [rate_factor(config, s, s / 100) for s in range(101)]
    assert factors[9:61] == [1.0] * 52 and factors[80] == pytest.approx(0.5) and factors[100] == 0


def test_the_rate_warms_up_then_falls_to_zero_and_stays_there():
    config = replace(SMOKE.encoder, warmup=10)
    factors = [rate_factor(config, s, s / 100) for s in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == pytest.approx(factors[9], abs=0.03)
    assert all(a >= b for a, b in zip(factors[10:], factors[11:], strict=False))
    assert factors[100] == 0 and rate_factor(config, 500, 5.0) == 0


def halves(tmp_path: Path, stage: str, half: int) -> tuple[Run, Run]:
    """A run of 2 * half steps, and one saved and loaded after half of them."""
    straight, first = start(stage, 2 * half), start(stage, 2 * half)
    for _ in range(2 * half):
        straight.advance(CPU)
    for _ in range(half):
        first.advance(CPU)
    first.save(tmp_path / "run.safetensors")
    second = Run.load(tmp_path / "run.safetensors", lambda header: Stage.restored(header, CPU))
    for _ in range(half):
        second.advance(CPU)
    return straight, second


def same(one: Run, other: Run) -> bool:
    pairs = (one.trainee.model, other.trainee.model), (one.average, other.average)
    return all(torch.equal(weights(a), weights(b)) for a, b in pairs)


SLOWER = [pytest.param(s, marks=pytest.mark.slow) for s in ("encoder", "decoder")]


@pytest.mark.parametrize("stage", [*SLOWER, "joint"])
def test_a_resumed_run_equals_one_without_a_stop(tmp_path, stage):
    assert same(*halves(tmp_path, stage, 6))


def test_what_is_asked_of_a_resumed_run_replaces_what_it_had(tmp_path):
    run_plan(plan(tmp_path, stages=("joint",)))
    settings, prior = {"effect_from": 7, "rate": 1e-4}, {"grow": 9}
    asked = plan(tmp_path, resume=tmp_path, settings=settings, prior=prior)
    old = SMOKE.with_stage("joint", {"steps": 4}, {}).joint
    new = train_module.prepare("joint", asked, CPU).trainee.settings
    assert new == replace(old, effect_from=7, rate=1e-4, prior=replace(old.prior, grow=9))


@pytest.mark.slow
def test_two_hundred_steps_equal_one_hundred_and_one_hundred_more(tmp_path):
    assert same(*halves(tmp_path, "decoder", 100))


def test_effects_join_the_loss_late():
    run = start("joint", effect=5.0, effect_from=3, mask_roots=True)
    prior = replace(run.trainee.settings.prior, interventions=0.5)
    batch = seeded(prior)
    before, after = (run.trainee.loss(batch, CPU, step) for step in (2, 3))
    assert after > before


@pytest.mark.parametrize("lacks", ["nothing", "digits of the average", "moments"])
def test_a_run_is_kept_in_one_small_file_and_goes_on_from_it(tmp_path, monkeypatch, lacks):
    run = start("joint", 8)
    for _ in range(4):
        run.advance(CPU)
    Folder(tmp_path, "joint").save(run)
    tensors = read(tmp_path / "joint.run.safetensors")[0].items()
    own, moments = (
        sum(120 + t.numel() * t.element_size() for n, t in tensors if n.startswith(part))
        for part in ("model.", "optimiser.")
    )
    limits = {
        "nothing": 8_000_000,
        "digits of the average": 2 * own + moments // 2,
        "moments": 1.7 * own,
    }
    monkeypatch.setattr("condfip.training.KEPT_BYTES", limits[lacks])
    (path,) = keep(tmp_path, tmp_path / "kept")
    again = Run.load(path, lambda header: Stage.restored(header, CPU))
    assert torch.equal(weights(again.trainee.model), weights(run.trainee.model))
    close = {"rtol": 0.01, "atol": 0.0} if lacks != "nothing" else {"rtol": 0, "atol": 0}
    torch.testing.assert_close(weights(again.average), weights(run.average), **close)
    assert torch.equal(weights(again.average), weights(run.average)) == (lacks == "nothing")
    assert (again.step, again.datasets) == (4, run.datasets)
    assert again.begun == (4 if lacks == "moments" else 0)
    for one in (run, again):
        one.advance(CPU)
    torch.testing.assert_close(
        weights(again.trainee.model), weights(run.trainee.model), rtol=0, atol=0.02
    )


def test_weights_that_are_too_large_to_keep_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="has no run to keep"):
        list(keep(tmp_path, tmp_path))
    Folder(tmp_path, "joint").save(start("joint"))
    monkeypatch.setattr("condfip.training.KEPT_BYTES", 1000)
    with pytest.raises(ValueError, match="has weights of more than"):
        list(keep(tmp_path, tmp_path / "kept"))


def test_a_run_of_the_former_network_goes_on(tmp_path):
    """A file as it was written before the networks changed: its own names, fewer settings."""
    config = replace(SMOKE, model=replace(SMOKE.model, network="former"))
    torch.manual_seed(0)
    straight = Run.start(Stage("encoder", config, build(config.model), 0, {}))
    straight.advance(CPU)
    straight.save(tmp_path / "encoder.run.safetensors")
    tensors, header, _ = read(tmp_path / "encoder.run.safetensors")
    del header["config"]["model"]["network"]
    for stage in STAGES:
        for name in ("cosine", "plateau", "effect_from", "mask_roots", "linear", "dropout"):
            del header["config"][stage][name]
        for name in ("tokens", "grow"):
            del header["config"][stage]["prior"][name]
    del header["config"][JOINT], header["begun"]
    write(
        tmp_path / "encoder.run.safetensors", {old_name(n): t for n, t in tensors.items()}, header
    )
    again = train_module.prepare(
        "encoder", plan(tmp_path, stages=("encoder",), resume=tmp_path), CPU
    )
    for run in (straight, again):
        run.advance(CPU)
    assert same(straight, again) and again.step == 2


def old_name(name: str) -> str:
    """What a tensor of a run was called in the former network."""
    part, _, rest = name.partition(".")
    if part == "optimiser":
        return name
    pieces = [
        (".norm_query.", ".norms.0."),
        (".norm_key.", ".norms.1."),
        (".norm_value.", ".norms.2."),
        (".query.", ".maps.0."),
        (".key.", ".maps.1."),
        (".value.", ".maps.2."),
        (".feed_forward.1.", ".feed_forward.3."),
        (".feed_forward.0.", ".feed_forward.1."),
        (".norm_feed_forward.", ".feed_forward.0."),
        (".head.2.", ".head.4."),
        (".head.1.", ".head.2."),
    ]
    for new, old in pieces:
        if new in name:
            return name.replace(new, old)
    for vector in ("codebook", "position", "condition"):
        name = name.replace(f".norm_{vector}.", f".{vector}.1.")
        if f".{vector}.1." not in name:
            name = name.replace(f".{vector}.", f".{vector}.0.")
    return name


def test_training_tells_from_the_first_step_on_and_ends_with_the_next_command(tmp_path, capsys):
    assert run_plan(plan(tmp_path, stages=("joint",))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("step 1: loss") and "datasets/s" in line for line in lines)
    path = tmp_path / "model.safetensors"
    assert lines[-2].startswith(f"{path}: LIN_IN 0.")
    assert lines[-1] == f"next: python -m bench run --suite lorch --methods condfip={path}"
    assert main(["plot", str(tmp_path)]) == 0


def plan(out: Path, config: Config = SMOKE, **settings) -> Plan:
    for stage in (*STAGES, JOINT):
        config = config.with_stage(stage, {"steps": 4}, {})
    return Plan(**{"stages": ("encoder", "decoder"), "config": config, "out": out} | settings)


def test_both_stages_leave_networks_a_history_and_a_log(tmp_path):
    assert run_plan(plan(tmp_path, every=2)) == 0
    checkpoint = load(tmp_path / "model.safetensors")
    assert {k: v["datasets"] for k, v in checkpoint.stages.items()} == {
        "encoder": 16,
        "decoder": 16,
    }
    with (tmp_path / "decoder.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2", "4"]
    assert all(float(row["RFF_IN"]) > 0 for row in rows)


def test_a_run_may_begin_from_trained_weights_and_counts_both(tmp_path):
    run_plan(plan(tmp_path / "first"))
    begin = tmp_path / "first" / "model.safetensors"
    first, again = load(begin), plan(tmp_path, stages=("encoder",), begin=begin)
    run = train_module.prepare("encoder", again, CPU)
    assert torch.equal(weights(run.trainee.model), weights(first.model))
    run_plan(again)
    stages = load(tmp_path / "model.safetensors").stages
    assert {k: v["steps"] for k, v in stages.items()} == {"encoder": 8, "decoder": 4}
    with pytest.raises(ValueError, match="has other sizes"):
        train_module.prepare("encoder", replace(again, config=SMALL), CPU)


def test_an_interrupt_leaves_a_checkpoint_to_go_on_from(tmp_path, monkeypatch):
    advance, stops = Run.advance, [2]

    def stop(run: Run, device: torch.device) -> float:
        if run.step in stops:
            stops.remove(run.step)
            raise KeyboardInterrupt
        return advance(run, device)

    monkeypatch.setattr(Run, "advance", stop)
    encoder = plan(tmp_path, stages=("encoder",))
    assert run_plan(encoder) == 130
    assert load(tmp_path / "model.safetensors").stages["encoder"]["steps"] == 2
    assert run_plan(replace(encoder, resume=tmp_path)) == 0
    assert load(tmp_path / "model.safetensors").stages["encoder"]["steps"] == 4


def test_a_time_budget_stops_a_run(tmp_path):
    run = start("encoder", 10**9)
    run.minutes = 1e-3
    assert train(run, tmp_path, CPU, 10**9)
    assert 1 <= run.step < 10**4 and load(tmp_path / "model.safetensors").stages


def test_a_loss_that_is_no_number_stops_with_a_message(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(LOSSES, "encoder", lambda *_: torch.full((2,), torch.nan).requires_grad_())
    run = start("encoder")
    before = weights(run.trainee.model)
    with pytest.raises(Diverged, match="loss of step 0 is nan"):
        run.advance(CPU)
    assert torch.equal(weights(run.trainee.model), before)
    command = ["train", "encoder", "--preset", "smoke", "--steps", "2", "--out", str(tmp_path)]
    assert main(command) == 1
    assert "loss of step 0 is nan" in capsys.readouterr().err


def test_a_few_losses_that_are_no_numbers_may_be_borne(monkeypatch):
    run = start("encoder")
    run.trainee.patience, before = 2, weights(run.trainee.model)
    with monkeypatch.context() as patch:
        nan = torch.full((2,), torch.nan)
        patch.setitem(LOSSES, "encoder", lambda *_: nan.clone().requires_grad_())
        assert all(str(run.advance(CPU)) == "nan" for _ in range(2))
    assert torch.equal(weights(run.trainee.model), before) and run.step == 2
    assert run.advance(CPU) > 0 and run.lost == 0


def test_too_little_memory_names_the_chunk_that_fits(tmp_path, monkeypatch, capsys):
    def greedy(model: CondFiPModel, batch: Batch, *rest: object) -> torch.Tensor:
        if len(batch.rows) > 1:
            raise torch.OutOfMemoryError
        return encoder_loss(model, batch, *rest)

    monkeypatch.setitem(LOSSES, "encoder", greedy)
    command = ["train", "encoder", "--preset", "smoke", "--steps", "1", "--out", str(tmp_path)]
    assert main(command) == 1
    assert "too little memory for 2 datasets at once; --chunk 1 fits" in capsys.readouterr().err
    assert main([*command, "--chunk", "1"]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "cuda:7"], "no such CUDA device"),
        (["--device", "abacus"], "is no device"),
        (["--resume", "nowhere"], "has no run to resume"),
        (["--encoder", "nowhere.safetensors"], "no checkpoint at nowhere.safetensors"),
    ],
)
def test_wrong_use_of_train_is_one_line(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "decoder", "--preset", "smoke", "--steps", "1", *options]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


BARE = """
import sys
for name in ("pandas", "networkx", "scipy", "sklearn", "matplotlib", "psutil", "bench.registry"):
    sys.modules[name] = None
from condfip.__main__ import main
sizes = ["--preset", "smoke", "--steps", "2", "--every", "2"]
sys.exit(main(["train", sys.argv[2], *sizes, "--out", sys.argv[1]]))
"""


ALSO = [pytest.param(stage, marks=pytest.mark.slow) for stage in ("both", "joint")]


@pytest.mark.parametrize("stage", [*ALSO, "amortized"])
def test_training_needs_torch_numpy_and_safetensors_only(tmp_path, stage):
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", BARE, str(tmp_path), stage]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "step 1: loss" in done.stdout and (tmp_path / "model.safetensors").exists()
