"""Methods that misbehave in twelve ways, one that notices, and the status that each must end in."""

import ctypes
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from baselines.linear import Linear

LEFT = "left by a culprit"


class Raises:
    def fit(self, df, graph, *, seed=0):
        raise RuntimeError("out of ideas")


class Spoils(Linear):
    """Least squares whose answers `spoil` ruins."""

    def fit(self, df, graph, *, seed=0):
        return Spoilt(super().fit(df, graph, seed=seed), self.spoil)


class Spoilt:
    def __init__(self, scm, spoil):
        self.scm, self.spoil = scm, spoil

    def noise(self, df):
        return self.spoil(self.scm.noise(df))

    def generate(self, u, do=None):
        return self.spoil(self.scm.generate(u, do))


class ReturnsNaN(Spoils):
    def spoil(self, df):
        return df * float("nan")


class WrongShape(Spoils):
    def spoil(self, df):
        return df.iloc[1:, 1:]


class Prints(Linear):
    def fit(self, df, graph, *, seed=0):
        for _ in range(50):
            print("spam and eggs " * 10_000)
        sys.stderr.write("e" * 1_000_000)
        return super().fit(df, graph, seed=seed)


class Loops:
    def fit(self, df, graph, *, seed=0):
        while True:
            pass


class SleepsInC:
    """Holds the interpreter's lock in a call that no Python signal handler can end."""

    def fit(self, df, graph, *, seed=0):
        ctypes.PyDLL(None).sleep(3600)


class Allocates:
    def fit(self, df, graph, *, seed=0):
        hoard = []
        while True:
            hoard.append(np.ones(2**20))


class Exits:
    def fit(self, df, graph, *, seed=0):
        os._exit(3)


class Segfaults:
    def fit(self, df, graph, *, seed=0):
        ctypes.string_at(0)


class Spawns(Linear):
    """Leaves one process in its own session and one orphan behind."""

    def fit(self, df, graph, *, seed=0):
        sleep = [sys.executable, "-c", f"import time; time.sleep(3600)  # {LEFT}"]
        subprocess.Popen(sleep, start_new_session=True)
        orphan = f"import subprocess; subprocess.Popen({sleep})"
        subprocess.run([sys.executable, "-c", orphan], check=True)
        return super().fit(df, graph, seed=seed)


class ChangesState(Linear):
    def fit(self, df, graph, *, seed=0):
        fitted = super().fit(df, graph, seed=seed)
        random.seed(1)
        np.random.seed(1)
        np.seterr(all="raise")
        torch.manual_seed(1)
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(2)
        os.environ["PYTHONPATH"] = "nowhere"
        sys.path.clear()
        sys.stdout = None
        return fitted


class DeletesFolder(Linear):
    def fit(self, df, graph, *, seed=0):
        fitted = super().fit(df, graph, seed=seed)
        assert not list(Path.cwd().iterdir()), "a cell starts in an empty folder"
        shutil.rmtree(Path.cwd())
        return fitted


class Notices(Spoils):
    """Reads all the global state that another may have changed."""

    def spoil(self, df):
        state = (torch.get_default_dtype(), torch.get_num_threads(), np.geterr(), len(sys.path))
        noise = random.random() + np.random.random() + torch.rand(()).item() + hash(str(state))
        return df + noise % 1


class Hogs:
    """Killed as the kernel kills when memory is short."""

    def fit(self, df, graph, *, seed=0):
        os.kill(os.getpid(), 9)


class Poisons(Linear):
    """Leaves a thread behind that takes a later cell down."""

    def fit(self, df, graph, *, seed=0):
        import threading

        threading.Timer(1.0, os._exit, (7,)).start()
        return super().fit(df, graph, seed=seed)


class Patient(Linear):
    def fit(self, df, graph, *, seed=0):
        time.sleep(1.5)
        return super().fit(df, graph, seed=seed)


ENDS = {
    Raises: "error",
    ReturnsNaN: "error",
    WrongShape: "error",
    Prints: "ok",
    Loops: "timeout",
    SleepsInC: "timeout",
    Allocates: "oom",
    Exits: "error",
    Segfaults: "error",
    Spawns: "ok",
    ChangesState: "ok",
    DeletesFolder: "ok",
}
