"""Rogues that take memory, time and processes."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from tests.fake_methods.registered import LEFT, SLEEP, ends


@ends("oom")
def Allocates():
    hoard = []
    while True:
        hoard.append(np.ones(2**20))


@ends("oom")
def AllocatesInAChild():
    """Its own children's memory counts."""
    code = "x = bytearray(900_000_000); import time; time.sleep(3600)  # " + LEFT
    subprocess.run([sys.executable, "-c", code])


@ends("ok")
def SharesMemoryWithChildren():
    """Pages that several processes share count once."""
    shared = np.ones(40 * 2**20)
    children = []
    for _ in range(4):
        pid = os.fork()
        if not pid:
            float(shared[:10].sum())
            time.sleep(3)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


@ends("error")
def RunsOutOfStack():
    Path("x").write_text("x")
    RunsOutOfStack.deeper = lambda: RunsOutOfStack.deeper()
    RunsOutOfStack.deeper()


@ends("timeout")
def Loops():
    while True:
        pass


@ends("timeout")
def SleepsInC():
    """Holds the interpreter's lock in a call that no Python signal handler can end."""
    ctypes.PyDLL(None).sleep(3600)


@ends("timeout")
def IgnoresSignals():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(3600)


@ends("timeout")
def StopsItself():
    os.kill(os.getpid(), signal.SIGSTOP)


@ends("timeout")
def SpawnsUnnamedAndWaits():
    """Its child has no environment by which it could be found."""
    subprocess.Popen(SLEEP, env={}, start_new_session=True).wait()


@ends("ok")
def Spawns():
    """Leaves one process in its own session and one orphan behind."""
    subprocess.Popen(SLEEP, start_new_session=True)
    orphan = f"import subprocess; subprocess.Popen({SLEEP}, start_new_session=True, env={{}})"
    subprocess.run([sys.executable, "-c", orphan], check=True)


@ends("ok")
def SpawnsMany():
    for _ in range(12):
        subprocess.Popen(SLEEP, start_new_session=True, env={})


@ends("ok")
def ForksAndReturns():
    os.fork()


@ends("ok")
def LimitsFiles():
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))


@ends("ok")
def IgnoresDeadChildren():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


@ends("ok")
def NestsFolders():
    for _ in range(1500):
        os.mkdir("d")
        os.chdir("d")
