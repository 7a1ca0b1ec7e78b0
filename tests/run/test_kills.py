"""Kills, signals, locks and failed writes: what was recorded stays, what was not is computed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from bench.run.isolation.processes import OWNER, PREFIX
from bench.run.locking import only_run_of
from bench.run.records import FILE, read_records
from bench.run.shape import canonical, cell_of
from bench.run.sweep import sweep_left
from tests.fake_methods.registered import LEFT
from tests.run.running import main

GRID = ["--suite", "lorch", "--preset", "smoke", "--quiet"]
ONE = [*GRID, "--where", "scenario=LIN_IN", "graph_kind=er", "--jobs", "1"]
PATIENT, LOOPS = "tests.fake_methods.patient:Patient", "tests.fake_methods.greedy:Loops"
SPAWNS = "tests.fake_methods.greedy:SpawnsUnnamedAndWaits"


def start(folder, *more, grid=GRID, temporary=None):
    """A run in a session of its own."""
    command = [sys.executable, "-m", "tests.run.running", *grid, *more, "--out", str(folder)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = {**os.environ, **({"TMPDIR": str(temporary)} if temporary else {})}
    return subprocess.Popen(command, text=True, start_new_session=True, env=environment, **streams)


def lines(folder):
    path = folder / FILE
    return path.read_bytes().count(b"\n") if path.exists() else 0


def results(folder):
    found = read_records(folder)
    assert not found.spoilt
    return {cell_of(r["key"]): canonical(r["result"]) for r in found.current}


def wait_for(condition, process, seconds=60):
    end = time.monotonic() + seconds
    while process.poll() is None and not condition() and time.monotonic() < end:
        time.sleep(0.02)


def told(folder):
    return "".join(path.read_text() for path in (folder / "logs").glob("run-*.log"))


def left():
    found = psutil.process_iter(["cmdline"])
    return [p for p in found if LEFT in " ".join(p.info["cmdline"] or ())]


def gone(folder):
    """Whether no base of a run keeps its folder, a moment later."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if not list(folder.glob(f"{PREFIX}*")) and not left():
            return True
        time.sleep(0.1)
    return False


def killed_and_resumed(tmp_path, grid, kills):
    """Records of a run after so many SIGKILLs at random moments, and of an untouched one."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    assert main([*grid, "--out", str(whole)]) == 0
    rng = random.Random(0)
    seen: dict[str, str] = {}
    done = 0
    while done < kills:
        process = start(killed, grid=grid, temporary=temporary)
        target = lines(killed) + rng.randrange(1, 5)
        wait_for(lambda: lines(killed) >= target, process)  # noqa: B023
        time.sleep(rng.random() * 0.3)
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        done += 1
        assert gone(temporary), "a base sees that its owner is gone, and clears up"
        for cell, result in results(killed).items():
            assert seen.setdefault(cell, result) == result
    assert main([*grid, "--out", str(killed)]) == 0
    assert lines(killed) == len(results(killed)), "no cell was computed twice"
    return results(killed), results(whole)


@pytest.mark.slow
def test_two_kills_at_random_moments_lose_nothing(tmp_path):
    grid = [*GRID, "--methods", "linear,marginal", "--jobs", "2"]
    killed, whole = killed_and_resumed(tmp_path, grid, 2)
    assert killed == whole and len(whole) == 20


@pytest.mark.soak
def test_twenty_kills_at_random_moments_lose_nothing(tmp_path):
    grid = [*GRID, "--set", "scms=5", "--methods", "linear,marginal", "--jobs", "2"]
    killed, whole = killed_and_resumed(tmp_path, grid, 20)
    assert killed == whole and len(whole) == 100


@pytest.mark.slow
def test_ctrl_c_finishes_what_runs_and_says_how_to_go_on(tmp_path):
    process = start(tmp_path, "--methods", PATIENT, "--jobs", "1")
    wait_for(lambda: lines(tmp_path) >= 1, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "finishing the running cells" in err and "Traceback" not in err
    done = lines(tmp_path)
    assert 1 <= done < 10
    assert f"interrupted: {done} ok, of 10 cells" in out
    assert "resume with: python -m bench run --suite lorch" in out


@pytest.mark.slow
@pytest.mark.parametrize(
    "signals", [[signal.SIGTERM], [signal.SIGHUP], [signal.SIGINT, signal.SIGINT]]
)
def test_any_other_signal_kills_what_runs_and_leaves_nothing(tmp_path, signals):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    methods = ["--methods", f"{LOOPS},{SPAWNS}", "--jobs", "2"]
    process = start(tmp_path / "out", *methods, temporary=temporary)
    wait_for(lambda: told(tmp_path / "out").count(" start ") >= 2 and left(), process)
    time.sleep(1)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.5)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "resume with:" in out and "Traceback" not in err
    assert not lines(tmp_path / "out")
    assert gone(temporary)


@pytest.mark.slow
def test_a_killed_run_leaves_no_process_not_even_one_without_a_name(tmp_path):
    process = start(tmp_path / "out", "--methods", SPAWNS, "--jobs", "1", temporary=tmp_path)
    wait_for(left, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert gone(tmp_path)


@pytest.mark.slow
def test_a_killed_base_leaves_nothing_that_its_method_started(tmp_path):
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    temporary.mkdir()
    process = start(out, "--methods", SPAWNS, "--timeout", "15s", grid=ONE, temporary=temporary)
    wait_for(left, process)
    bases = [p for p in psutil.Process(process.pid).children() if PREFIX in " ".join(p.cmdline())]
    for base in bases:
        base.kill()
    process.communicate(timeout=120)
    assert bases and process.returncode == 2 and gone(temporary)


@pytest.mark.slow
def test_the_next_run_sweeps_what_could_not_clear_up_itself(tmp_path, monkeypatch):
    process = start(tmp_path / "out", "--methods", LOOPS, "--jobs", "1", temporary=tmp_path)
    wait_for(lambda: list(tmp_path.glob(f"{PREFIX}*/{OWNER}")), process)
    time.sleep(1)
    (folder,) = tmp_path.glob(f"{PREFIX}*")
    bases = [
        p for p in psutil.process_iter(["cmdline"]) if str(folder) in (p.info["cmdline"] or ())
    ]
    for victim in (psutil.Process(process.pid), *bases):
        victim.suspend()
    for victim in (psutil.Process(process.pid), *bases):
        victim.kill()
    process.communicate()
    assert folder.exists()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sweep_left()
    assert not folder.exists()


def test_two_runs_on_one_folder_the_second_refuses(tmp_path, capsys):
    with only_run_of(tmp_path):
        assert main([*ONE, "--methods", "linear", "--out", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"another run (process {os.getpid()} on" in line and "--out" in line


@pytest.mark.slow
@pytest.mark.parametrize("how", ["moved", "deleted"])
def test_a_folder_that_goes_in_mid_run_is_one_line_and_no_success(how, tmp_path):
    out, away = tmp_path / "out", tmp_path / "away"
    process = start(out, "--methods", PATIENT, "--jobs", "1")
    wait_for(lambda: lines(out) >= 1, process)
    out.rename(away)
    if how == "deleted":
        shutil.rmtree(away)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and not out.exists()
    (line,) = err.splitlines()
    assert "was moved or deleted while the run wrote to it" in line


def test_the_lock_is_no_link_to_another_file(tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("dear")
    for name in (".lock", ".holder"):
        out = tmp_path / name.strip(".")
        out.mkdir()
        (out / name).symlink_to(mine)
    with only_run_of(tmp_path / "holder"):
        assert (tmp_path / "holder" / ".holder").exists()
    with pytest.raises(ValueError, match="is a link; remove it"), only_run_of(tmp_path / "lock"):
        pass
    assert mine.read_text() == "dear"


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_loses_nothing_recorded(tmp_path, capsys, monkeypatch):
    assert main([*ONE, "--methods", "linear", "--out", str(tmp_path)]) == 0
    before = (tmp_path / FILE).read_bytes()
    real = os.fsync

    def full(descriptor):
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(FILE):
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    capsys.readouterr()
    assert main([*ONE, "--methods", "linear,marginal", "--out", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_of_another_user_is_refused(tmp_path):
    os.seteuid(65534)
    try:
        with (
            pytest.raises(ValueError, match=f"cannot write to {tmp_path / 'out'}"),
            only_run_of(tmp_path / "out"),
        ):
            pass
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="wants a folder that nobody can write")
def test_a_read_only_folder_is_one_line(capsys):
    assert main([*ONE, "--methods", "marginal", "--out", "/proc/out"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: cannot write to /proc/out")


def test_a_folder_of_a_living_owner_is_not_swept(tmp_path, monkeypatch):
    folder = tmp_path / f"{PREFIX}mine"
    folder.mkdir()
    me = [os.getpid(), psutil.Process().create_time()]
    (folder / OWNER).write_text(f'{{"owner": {me}, "base": {me}}}')
    (tmp_path / f"{PREFIX}strange").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sweep_left()
    assert folder.exists() and Path(tmp_path / f"{PREFIX}strange").exists()
