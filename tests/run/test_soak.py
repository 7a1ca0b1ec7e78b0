"""Whatever is done to a run, its records are in the end those of a run that nobody touched.

The soak takes hours; one disturbance of each kind is among the slow tests.
"""

import os
import platform
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest

from bench.analysis.outputs import write_tables
from bench.analysis.results import read_results
from bench.run.isolation.processes import PREFIX
from bench.run.records import FILE, read_records
from bench.run.shape import canonical, cell_of, parse
from tests.run.running import main

GRID = ["--suite", "lorch", "--preset", "smoke", "--quiet", "--methods"]
QUICK = "linear,marginal"
# a run of quick methods would end before it is disturbed
SLOW = "linear,tests.fake_methods.patient:Patient"
# a clock that steps by an hour, forth and back, whenever it is read; another machine's name
ODD = """
import itertools, platform, sys, time
import tests.run.running as running
steps, clock = itertools.cycle([0, 3600, -3600]), time.time
if {clock}:
    time.time = lambda: clock() + next(steps)
    time.time_ns = lambda: int(1e9 * time.time())
platform.node = lambda: {host!r}
sys.exit(running.main(sys.argv[1:]))
"""


def results(folder):
    found = read_records(folder)
    assert not found.spoilt
    return {cell_of(r["key"]): canonical(r["result"]) for r in found.current}


def lines(folder):
    path = folder / FILE
    return path.read_bytes().count(b"\n") if path.exists() else 0


def start(folder, grid, temporary, clock=False, host="", limit=None):
    """A run in a session of its own, with an odd clock, a host's name, or a small disk."""
    code = ODD.format(clock=clock, host=host or platform.node())
    preexec = limit and (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    return subprocess.Popen(
        [sys.executable, "-c", code, *grid, "--out", str(folder)],
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=preexec,
    )


def family(process):
    try:
        return [psutil.Process(process.pid)] + psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []


def kills_any(process, rng, folder, grid, temporary):
    """SIGKILL to a few processes of the run, whichever they are."""
    for _ in range(rng.randrange(1, 4)):
        if victims := family(process):
            rng.choice(victims).kill()
        time.sleep(rng.random())


def hangs_up(process, rng, folder, grid, temporary):
    process.send_signal(signal.SIGHUP)


def rivals(process, rng, folder, grid, temporary):
    """A second run on the same folder, on what says that it is another machine, refuses."""
    rival = start(folder, grid, temporary, host="elsewhere")
    code = rival.wait(120)
    assert process.poll() is not None or code == 1


def waits(process, rng, folder, grid, temporary):
    """Nothing but what the start of the run was given."""


DISTURBANCES = {
    "kill": (kills_any, {}),
    "hangup": (hangs_up, {}),
    "full": (waits, {"limit": True}),
    "clock": (waits, {"clock": True}),
    "rival": (rivals, {}),
}


def soaked(tmp_path, grid, kinds, seed):
    """Disturbs a run by each kind in turn, then lets it end; how often each came, and records.

    A disturbed run goes on for a few cells and is killed, so that some are left for the next.
    """
    whole, odd, temporary = tmp_path / "whole", tmp_path / "odd", tmp_path / "temporary"
    temporary.mkdir(parents=True)
    assert main([*grid, "--out", str(whole)]) == 0
    rng, seen, came = random.Random(seed), {}, []
    for kind in kinds:
        disturb, given = DISTURBANCES[kind]
        size = (odd / FILE).stat().st_size if (odd / FILE).exists() else 0
        if given.get("limit"):
            given = {"limit": size + rng.randrange(1000, 8000)}
        process = start(odd, grid, temporary, **given)
        target = lines(odd) + rng.randrange(1, 6)
        while process.poll() is None and lines(odd) < target:
            time.sleep(0.05)
        if process.poll() is None:
            disturb(process, rng, odd, grid, temporary)
            came.append(kind)
        elif kind == "full" and process.returncode == 1:
            came.append(kind)
        end, more = time.monotonic() + rng.uniform(1, 20), lines(odd) + rng.randrange(4)
        while process.poll() is None and time.monotonic() < end and lines(odd) < more:
            time.sleep(0.05)
        if process.poll() is None:
            process.kill()
            process.wait()
        for cell, result in results(odd).items():
            if '"status":"ok"' in result:
                assert seen.setdefault(cell, result) == result, "a record differs"
        assert set(seen) <= set(results(odd)), "a record is lost"
    assert main([*grid, "--out", str(odd)]) == 0
    left = [p for p in temporary.glob(f"{PREFIX}*")]
    end = time.monotonic() + 30
    while left and time.monotonic() < end:
        time.sleep(0.5)
        left = [p for p in temporary.glob(f"{PREFIX}*")]
    assert results(odd) == results(whole) and not left
    assert max(whole_lines(odd).values()) == 1, "a record is doubled"
    assert tables(odd) == tables(whole)
    return came, len(results(whole))


def whole_lines(folder):
    """How many lines of each cell say that it went well."""
    parsed = map(parse, (folder / FILE).read_bytes().splitlines())
    return Counter(cell_of(r["key"]) for r in parsed if r["result"]["status"] == "ok")


def tables(folder):
    """The bytes of every table of what can be the same twice: not of seconds."""
    made = write_tables(read_results(folder), folder / "tables")
    return {path.name: path.read_bytes() for path in made if "seconds" not in path.name}


@pytest.mark.slow
def test_one_disturbance_of_each_kind_changes_no_record(tmp_path):
    grid = [*GRID, QUICK, "--jobs", "2"]
    came, cells = soaked(tmp_path, grid, DISTURBANCES, seed=0)
    assert cells == 20 and "kill" in came


PARTS = [(s, k) for s in ("LIN_IN", "RFF_IN") for k in ("er", "sf_in", "sf_out")]
PARTS += [(s, k) for s in ("LIN_OUT", "RFF_OUT") for k in ("ws", "sbm")]


@pytest.mark.soak
@pytest.mark.parametrize("part", range(len(PARTS)))
def test_a_thousand_cells_and_a_hundred_disturbances(part, tmp_path):
    """In ten parts of a hundred cells and ten disturbances, two of each kind in any order."""
    scenario, kind = PARTS[part]
    where = ["--where", f"scenario={scenario}", f"graph_kind={kind}"]
    rng = random.Random(part)
    kinds = [kind for _ in range(2) for kind in rng.sample(list(DISTURBANCES), 5)]
    grid = [*GRID, SLOW, *where, "--set", "scms=50", "--jobs", "2"]
    came, cells = soaked(tmp_path, grid, kinds, seed=part)
    print(f"{cells} cells, {len(came)} disturbances:", {k: came.count(k) for k in DISTURBANCES})
    assert cells == 100 and set(came) == set(DISTURBANCES)
