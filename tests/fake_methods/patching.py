"""Rogues that change modules, state and folders of their process, or look for the truth."""

import atexit
import builtins
import gc
import json
import os
import random
import shutil
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch

import bench.metrics
from bench.task import Problem
from tests.fake_methods.registered import ends


@ends("ok")
def PatchesNumpy():
    np.square = np.abs
    np.sqrt = np.mean = lambda *x, **y: 0.0


@ends("ok")
def PatchesMetrics():
    zero = bench.metrics.Metric(lambda problem, estimate: 0.0, "none", lambda *x: True)
    for name in list(bench.metrics.METRICS):
        bench.metrics.METRICS[name] = zero


@ends("ok")
def PatchesOs():
    os.fork = os.waitpid = os._exit = os.kill = None
    shutil.rmtree = None


@ends("error")
def PatchesJson():
    json.dumps = lambda *x, **y: "null"


@ends("error")
def PatchesBuiltins():
    builtins.isinstance = builtins.len = None


@ends("error")
def EmptiesModules():
    sys.meta_path.clear()
    sys.path.clear()
    sys.modules.clear()


@ends("ok")
def ChangesState():
    random.seed(1)
    np.random.seed(1)
    np.seterr(all="ignore")
    torch.manual_seed(1)
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(2)
    os.environ.clear()
    sys.path.clear()
    sys.stdout = None
    os.umask(0o777)


@ends("ok")
def ResetsTheDefaultTypeForEver():
    def reset():
        while True:
            torch.set_default_dtype(torch.float64)
            time.sleep(0.001)

    threading.Thread(target=reset, daemon=True).start()


@ends("ok")
def Poisons():
    """Leaves a thread behind that takes its process down."""
    threading.Timer(1.0, os._exit, (7,)).start()


@ends("ok")
def LeavesThreads():
    for _ in range(20):
        threading.Thread(target=time.sleep, args=(3600,)).start()


@ends("ok")
def RegistersExits():
    atexit.register(time.sleep, 3600)


@ends("ok")
def ChangesFolder():
    os.chdir("/")


@ends("ok")
def DeletesFolder():
    assert not list(Path.cwd().iterdir()), "a cell starts in an empty folder"
    shutil.rmtree(Path.cwd())


@ends("ok")
def DeletesAllFolders():
    shutil.rmtree(Path.cwd().parent)


@ends("ok")
def LinksToElsewhere():
    Path("link").symlink_to("/")
    Path("home").symlink_to(Path(__file__).parent)


@ends("ok")
def Snoops():
    """Looks for the truth among all that its process holds."""
    problems = [x for x in gc.get_objects() if type(x) is Problem]
    assert not [p for p in problems if p.truth or p.query_noise_rows is not None], "the truth!"
    assert not [p for p in problems if len(p.query_rows)], "query rows before they are asked for"
