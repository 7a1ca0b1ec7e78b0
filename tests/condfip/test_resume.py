"""Runs of training that stop and go on: exact resumption, what is kept, former files."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from condfip.__main__ import main
from condfip.checkpoint import Checkpoint, describe, load, read
from condfip.lock import only_training_in
from condfip.paper import train as train_module
from condfip.paper.config import SMALL, SMOKE
from condfip.paper.model import CondFiPModel
from condfip.paper.stage import Stage
from condfip.paper.train import run_plan
from condfip.run import Run
from condfip.stops import SIGNALS, Stops
from condfip.training import Folder, keep
from tests.condfip.smoke_runs import CPU, plan, same, seeded, start, weights


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


SLOWER = [pytest.param(s, marks=pytest.mark.slow) for s in ("encoder", "decoder")]


@pytest.mark.parametrize("stage", [*SLOWER, "joint"])
def test_a_resumed_run_equals_one_without_a_stop(tmp_path, stage):
    assert same(*halves(tmp_path, stage, 3))


def test_what_is_asked_of_a_resumed_run_replaces_what_it_had(tmp_path):
    run_plan(plan(tmp_path, stages=("joint",)))
    settings, prior = {"effect_from": 7, "rate": 1e-4}, {"grow": 9}
    asked = plan(tmp_path, resume=tmp_path, settings=settings, prior=prior)
    old = SMOKE.with_stage("joint", {"steps": 4}, {}).joint
    new = train_module.prepare("joint", asked, CPU).trainee.settings
    assert new == replace(old, effect_from=7, rate=1e-4, prior=replace(old.prior, grow=9))


def test_a_run_that_goes_on_wider_begins_where_it_was(tmp_path):
    run_plan(plan(tmp_path, stages=("joint",)))
    narrow, wide = (
        train_module.prepare("joint", plan(tmp_path, resume=tmp_path, pooling=pooling), CPU)
        for pooling in ("", "wide")
    )
    batch = seeded(narrow.trainee.settings.prior, 3)
    before, after = (run.trainee.loss(run.trainee.model, batch, CPU, 4) for run in (narrow, wide))
    assert torch.equal(before, after)
    for one, other in zip(narrow.optimisers, wide.optimisers, strict=True):
        kept = other.state_dict()["state"]
        for number, state in one.state_dict()["state"].items():
            assert all(torch.equal(value, kept[number][name]) for name, value in state.items())
    wide.trainee.loss(wide.trainee.model, batch, CPU, 4).backward()
    moments = wide.trainee.model.decoder.moments
    assert moments is not None
    assert all(m.weight.grad is not None and m.weight.grad.any() for m in moments.maps.values())
    assert wide.advance(CPU) and (wide.step, narrow.step) == (5, 4)
    Folder(tmp_path, "joint").save(wide)
    with pytest.raises(ValueError, match="cannot go on with max"):
        train_module.prepare("joint", plan(tmp_path, resume=tmp_path, pooling="max"), CPU)


@pytest.mark.slow
def test_two_hundred_steps_equal_one_hundred_and_one_hundred_more(tmp_path):
    assert same(*halves(tmp_path, "decoder", 100))


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
        list(keep(tmp_path, tmp_path / "kept"))
    with pytest.raises(ValueError, match="holds the run itself"):
        list(keep(tmp_path, tmp_path))
    Folder(tmp_path, "joint").save(start("joint"))
    monkeypatch.setattr("condfip.training.KEPT_BYTES", 1000)
    with pytest.raises(ValueError, match="has weights of more than"):
        list(keep(tmp_path, tmp_path / "kept"))


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


def test_a_decoder_goes_on_from_networks_that_were_trained_together(tmp_path):
    linear = SMOKE.with_stage("joint", {}, {"mechanisms": ("LIN",)})
    run_plan(plan(tmp_path, linear, stages=("joint",)))
    joint = tmp_path / "model.safetensors"
    both = plan(tmp_path / "on", stages=("decoder",), begin=joint, encoder=joint)
    assert run_plan(both) == 0
    stages = load(tmp_path / "on" / "model.safetensors").stages
    assert {k: v["steps"] for k, v in stages.items()} == {"joint": 4, "decoder": 4}
    told = describe(tmp_path / "on" / "model.safetensors")
    assert "training of both:" in told and "('LIN',)" in told and "training of decoder:" in told


def test_a_decoder_wants_a_trained_encoder(tmp_path):
    write_untrained = Checkpoint(SMOKE, CondFiPModel(SMOKE.model)).save
    write_untrained(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="model.safetensors is untrained"):
        run_plan(plan(tmp_path, stages=("decoder",)))


SMALLEST = ["--preset", "smoke", "--steps", "1"]


@pytest.mark.parametrize("stage", ["joint", "both", "decoder", "amortized"])
def test_a_training_does_not_replace_the_run_of_its_folder(tmp_path, capsys, stage):
    name = "decoder" if stage == "both" else stage  # found before the encoder is trained
    state = tmp_path / f"{name}.run.safetensors"
    state.write_bytes(b"hours of work")
    assert main(["train", stage, *SMALLEST, "--out", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert f"{state} is a run that" in told and f"--resume {tmp_path} goes on" in told
    assert told.count("\n") == 1 and {p.name for p in tmp_path.glob("*.*")} <= {state.name, ".lock"}
    assert state.read_bytes() == b"hours of work"


@pytest.mark.parametrize("stage", ["joint", "amortized"])
def test_a_second_training_in_a_folder_is_refused_until_the_first_ends(tmp_path, capsys, stage):
    command = ["train", stage, *SMALLEST, "--out", str(tmp_path)]
    with only_training_in(tmp_path):
        assert main(command) == 1
        told = capsys.readouterr().err
        assert f"another training is writing to {tmp_path}" in told and told.count("\n") == 1
        with only_training_in(tmp_path / "other"):
            pass
    assert main(command) == 0


def test_a_lock_that_is_a_link_is_not_followed(tmp_path, capsys):
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")
    assert main(["train", "joint", *SMALLEST, "--out", str(tmp_path)]) == 1
    assert ".lock" in capsys.readouterr().err and not (tmp_path / "elsewhere").exists()


def test_going_on_from_elsewhere_replaces_no_longer_run(tmp_path):
    short, long = tmp_path / "short", tmp_path / "long"
    run_plan(plan(short, stages=("joint",)))
    run_plan(plan(long, stages=("joint",), resume=short, settings={"steps": 5}))
    run_plan(plan(long, stages=("joint",), resume=long, settings={"steps": 6}))
    with pytest.raises(ValueError, match="goes on with it; or name another --out"):
        run_plan(plan(long, stages=("joint",), resume=short))
    assert Folder(long, "joint").steps == 6
    assert run_plan(plan(short, stages=("joint",), resume=long)) == 0


def test_an_ablation_begins_anew_where_it_was_interrupted(tmp_path):
    run_plan(plan(tmp_path, stages=("encoder",)))
    (tmp_path / "encoder.csv").write_text("of the former run\n")
    assert run_plan(plan(tmp_path, stages=("encoder",), anew=True)) == 0
    assert load(tmp_path / "model.safetensors").stages["encoder"]["steps"] == 4
    assert "former" not in (tmp_path / "encoder.csv").read_text()


@pytest.fixture
def hearing():
    """No signal is ignored, as those of a shell's background jobs are."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_lets_the_step_end_and_leaves_a_checkpoint(number, hearing, tmp_path, monkeypatch):
    advance, stops = Run.advance, [1]

    def stop(run: Run, device: torch.device) -> float:
        if run.step in stops:
            stops.remove(run.step)
            signal.raise_signal(number)
        return advance(run, device)

    monkeypatch.setattr(Run, "advance", stop)
    encoder, before = plan(tmp_path, stages=("encoder",)), signal.getsignal(number)
    assert run_plan(encoder) == 130 and signal.getsignal(number) == before
    assert load(tmp_path / "model.safetensors").stages["encoder"]["steps"] == 2
    assert run_plan(replace(encoder, resume=tmp_path)) == 0
    assert load(tmp_path / "model.safetensors").stages["encoder"]["steps"] == 4


def test_what_was_ignored_stays_ignored_and_a_second_signal_kills(hearing):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with Stops() as stops:
        signal.raise_signal(signal.SIGTERM)
        assert not stops.asked
        signal.raise_signal(signal.SIGINT)
        assert stops.asked and signal.getsignal(signal.SIGINT) == signal.SIG_DFL
