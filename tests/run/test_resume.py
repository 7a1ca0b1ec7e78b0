"""Kills, signals, locks and failed writes: what was recorded stays, what was not is run again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.cli.parser import main
from bench.run.records import read_record, write_record

GRID = ["run", "--suite", "lorch", "--preset", "smoke", "--quiet"]
FEW = [*GRID, "--where", "scenario=LIN_IN", "graph_kind=er", "--jobs", "1"]
HUNDRED = [*GRID, "--set", "scms=5", "--methods", "linear,marginal", "--jobs", "2"]
SLOW_METHOD = "tests.culprits:Patient"


def start(folder, *more, grid=GRID):
    """A run in a session of its own, told nothing but its folder."""
    command = [sys.executable, "-m", "bench", *grid, *more, "--out", str(folder)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, start_new_session=True, **streams)


def records(folder):
    return sorted((folder / "records").glob("*.json"))


def results(folder):
    found = {path.name: read_record(path) for path in records(folder)}
    return {n: json.dumps(r["result"], sort_keys=True) for n, r in found.items() if r}


def wait_for(folder, count, process):
    while process.poll() is None and len(records(folder)) < count:
        time.sleep(0.02)


def started(folder):
    logs = (folder / "logs").glob("run-*.log")
    return [line.split(" ", 2)[2] for log in logs for line in log.open() if " start " in line]


def test_ctrl_c_finishes_what_runs_and_says_how_to_go_on(tmp_path):
    process = start(tmp_path, "--methods", SLOW_METHOD, "--jobs", "1")
    wait_for(tmp_path, 1, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "finishing the running cells" in err and "Traceback" not in err
    done = len(records(tmp_path))
    assert 1 <= done < 10 and done == len(started(tmp_path))
    assert f"interrupted: {done} ok, of 10 cells" in out
    assert f"resume with: python -m bench {' '.join(GRID)}" in out


@pytest.mark.slow
@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT]])
def test_sigterm_and_a_second_ctrl_c_kill_what_runs(tmp_path, signals):
    process = start(tmp_path, "--methods", "tests.culprits:Loops", "--jobs", "2")
    while len(started(tmp_path)) < 2:
        time.sleep(0.05)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.5)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "resume with:" in out and "Traceback" not in err
    assert not records(tmp_path)


def test_two_runs_on_one_folder_the_second_refuses(tmp_path, capsys):
    from bench.run.locking import only_run_of

    with only_run_of(tmp_path):
        assert main([*FEW, "--methods", "linear", "--out", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"another run (process {os.getpid()} on" in line and "--out" in line
    assert main([*FEW, "--methods", "linear", "--out", str(tmp_path)]) == 0


def test_a_write_that_fails_half_way_loses_nothing_recorded(tmp_path, capsys, monkeypatch):
    assert main([*FEW, "--methods", "linear", "--out", str(tmp_path)]) == 0
    before = results(tmp_path)
    real = os.fsync

    def full(descriptor):
        if "/records/" in os.readlink(f"/proc/self/fd/{descriptor}"):
            os.ftruncate(descriptor, 40)
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    capsys.readouterr()
    assert main([*FEW, "--methods", "linear,marginal", "--out", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line
    assert results(tmp_path) == before
    assert not list((tmp_path / "records").glob(".*"))
    monkeypatch.undo()
    assert main([*FEW, "--methods", "linear,marginal", "--out", str(tmp_path)]) == 0
    assert len(results(tmp_path)) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_read_only_folder_is_one_line(tmp_path, capsys):
    assert main([*FEW, "--methods", "linear", "--out", str(tmp_path)]) == 0
    before = results(tmp_path)
    capsys.readouterr()
    os.seteuid(65534)
    try:
        code = main([*FEW, "--methods", "marginal", "--out", str(tmp_path)])
    finally:
        os.seteuid(0)
    (line,) = capsys.readouterr().err.splitlines()
    assert code == 1 and line.startswith(f"error: cannot write to {tmp_path}")
    assert results(tmp_path) == before


def test_a_changed_result_is_no_record(tmp_path):
    main([*FEW, "--methods", "linear", "--out", str(tmp_path)])
    (path,) = records(tmp_path)
    record = json.loads(path.read_text())
    record["result"]["metrics"]["noise"][1] = 0.0
    write_record(path, record)
    assert read_record(path) is None
    assert read_record(Path("results/lorch-quick/records").resolve()) is None


@pytest.mark.slow
def test_twenty_kills_at_random_moments_lose_nothing(tmp_path):
    """Each cell is started again only while it has no record; kills are real, of the whole run."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main([*HUNDRED, "--out", str(whole)]) == 0
    rng = random.Random(0)
    recorded: dict[str, int] = {}
    kills = 0
    while kills < 20:
        process = start(killed, grid=HUNDRED)
        wait_for(killed, len(recorded) + rng.randrange(5), process)
        time.sleep(rng.random() * 0.3)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
        for path in records(killed):
            assert read_record(path), "a record is whole as soon as it is there"
            assert (
                recorded.setdefault(path.name, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
            )
    assert main([*HUNDRED, "--out", str(killed)]) == 0
    assert results(killed) == results(whole) and len(results(whole)) == 100
    for path in records(killed):
        assert recorded.get(path.name, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
    assert not list((killed / "records").glob(".*"))
