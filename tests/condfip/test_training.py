"""Training: the published losses, schedules, memory, and a bare environment."""

import csv
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from bench.task import seed_of
from condfip.__main__ import main
from condfip.checkpoint import load
from condfip.paper import stage as stage_module
from condfip.paper.config import PAPER, SMOKE
from condfip.paper.model import CondFiPModel
from condfip.paper.stage import LOSSES, decoder_loss, encoder_loss
from condfip.paper.train import run_plan
from condfip.prior import Batch, draw_batch
from condfip.run import Diverged, rate_factor
from condfip.training import train
from tests.condfip.smoke_runs import CPU, plan, seeded, start, weights


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


def test_effects_join_the_loss_late():
    run = start("joint", effect=5.0, effect_from=3, mask_roots=True)
    prior = replace(run.trainee.settings.prior, interventions=0.5)
    batch = seeded(prior)
    before, after = (run.trainee.loss(run.trainee.model, batch, CPU, step) for step in (2, 3))
    assert after > before


def test_training_tells_from_the_first_step_on_and_ends_with_the_next_command(tmp_path, capsys):
    assert run_plan(plan(tmp_path, stages=("joint",))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("step 1: loss") and "datasets/s" in line for line in lines)
    path = tmp_path / "model.safetensors"
    assert lines[-2].startswith(f"{path}: LIN_IN 0.")
    assert lines[-1] == f"next: python -m bench run --suite lorch --methods condfip={path}"
    assert main(["plot", str(tmp_path)]) == 0


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


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["both", "joint", "amortized"])
def test_training_needs_torch_numpy_and_safetensors_only(tmp_path, stage):
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", BARE, str(tmp_path), stage]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "step 1: loss" in done.stdout and (tmp_path / "model.safetensors").exists()


def test_contexts_may_have_all_lengths_at_once_in_a_run_that_goes_on(tmp_path):
    command, out = ["train", "joint", "--preset", "smoke"], str(tmp_path)
    assert main([*command, "--steps", "1", "--grow", "7", "--out", out]) == 0
    assert main([*command, "--steps", "2", "--grow", "0", "--resume", out]) == 0
    assert load(tmp_path / "model.safetensors").config.joint.prior.grow == 0


@pytest.mark.parametrize("stage", LOSSES)
def test_workers_together_give_the_gradients_of_one(stage):
    found = []
    for workers in (1, 3, 3):
        trainee = start(stage, chunk=1).trainee
        trainee.workers = workers
        loss, size = trainee.gradients(0, CPU)
        moved = [p for p in trainee.trained(trainee.model).parameters() if p.grad is not None]
        assert size == 4 and moved
        found.append((loss, torch.cat([p.grad.flatten() for p in moved])))
    (one, gradient), (other, summed), again = found
    assert one == pytest.approx(other, rel=1e-6) and other == again[0]
    torch.testing.assert_close(gradient, summed, rtol=1e-4, atol=1e-6)
    assert torch.equal(summed, again[1])


def test_workers_go_on_with_the_weights_that_were_stepped():
    run = start("joint", chunk=1)
    run.trainee.workers = 2
    run.advance(CPU)
    model, other = run.trainee.replicas.models
    assert torch.equal(weights(model), weights(other))
    assert all(p.grad is None for p in other.parameters())


def test_speed_prints_what_workers_and_plain_code_take(monkeypatch, capsys):
    from condfip.paper import speed

    for name, size in {"DATASETS": 2, "NODES": 4, "CONTEXT": 16, "QUERIES": 16}.items():
        monkeypatch.setattr(speed, name, size)
    monkeypatch.setattr(speed, "workers_speed", partial(speed.workers_speed, rounds=1))
    monkeypatch.setattr(speed, "training_speed", lambda: {"encoder": (4.0, 2.0)})
    monkeypatch.setattr(speed, "matrix_rate", lambda kind: 1.0)
    speed.report(paper=False, workers=2)
    told = capsys.readouterr().out
    assert "encoder    1.00 datasets/s,   0.50 written plainly: 2.00 times as many" in told
    for stage in ("encoder", "decoder", "joint"):
        assert re.search(rf"^{stage} +\d+\.\d\d times as many with 2 workers$", told, re.M)


def test_a_line_of_training_has_the_whole_step(capsys):
    from condfip.training import told

    assert told({"step": 1_234_567, "datasets": 3, "loss": 0.123456}) == "step 1234567 loss 0.1235"
