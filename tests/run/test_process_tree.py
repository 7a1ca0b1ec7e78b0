"""Memory of a process counts with that of what it started, and shared pages count once."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import psutil
import pytest

from bench.run.isolation.process_tree import descendants, kill, own_memory
from bench.run.isolation.processes import Child, Watch
from bench.run.job import Ended, Limits

MIB = 2**20
HOARD = "x = b'x' * (150 * 2**20); print('held', flush=True); import time; time.sleep(60)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {HOARD!r}])"


@pytest.fixture
def parent():
    """A small process whose own child holds 150 MiB."""
    command = [sys.executable, "-S", "-c", PARENT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process.pid
        for each in [*descendants(process.pid), psutil.Process(process.pid)]:
            each.kill()


HOLDS = """
import sys, time
from multiprocessing.shared_memory import SharedMemory
mine, yours = SharedMemory(create=True, size=100), SharedMemory(sys.argv[1])
print(mine.name, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="wants shared memory that has names")
def test_shared_memory_goes_with_whoever_made_it_and_no_other_does():
    """The child is killed with the process that would clear up after it."""
    ours = SharedMemory(create=True, size=100)
    time.sleep(0.3)  # a child is younger than this by more than its clock's step
    command = [sys.executable, "-c", HOLDS, ours.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        theirs = Path("/dev/shm") / child.stdout.readline().strip()
        assert theirs.name.startswith("psm_") and theirs.exists()
        kill([*descendants(child.pid), psutil.Process(child.pid)])
    assert not theirs.exists() and (Path("/dev/shm") / ours.name).exists()
    ours.close()
    ours.unlink()


def watch(pid, mebibytes):
    found = Watch(Limits(memory=mebibytes * MIB), lambda: None, Child(pid, None, Path("no"), None))
    found.looked = -1e9  # the family is looked for now, not in a second
    return found


def test_a_method_answers_for_the_memory_of_its_own_children(parent):
    assert own_memory([psutil.Process(parent)]) < 50 * MIB
    with pytest.raises(Ended, match="private memory") as ended:
        watch(parent, 100)()
    assert ended.value.status == "oom"
    watch(parent, 400)()


@pytest.mark.skipif(sys.platform != "linux", reason="pages that are shared are told by Linux")
def test_pages_that_processes_share_count_once():
    shared, children, me = np.ones(10 * MIB), [], psutil.Process()
    before = own_memory([me])
    for _ in range(3):
        pid = os.fork()
        if not pid:
            time.sleep(60)
            os._exit(0)
        children.append(pid)
    try:
        together = own_memory([me, *map(psutil.Process, children)])
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    assert before > shared.nbytes and together < before + 1.5 * shared.nbytes
