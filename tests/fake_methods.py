"""Fake methods for the tests of runs: some fail, some do all they can to spoil a run.

`ROGUES` says in which status each of the last kind ends; `AT_IMPORT` are sources of modules that
misbehave when they are imported, or whose class cannot be built.
"""

import atexit
import builtins
import ctypes
import gc
import json
import os
import random
import resource
import shutil
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch

import bench.metrics
from baselines.linear import Linear
from bench.task import Problem

LEFT = "left by a fake method"
SLEEP = [sys.executable, "-c", f"import time; time.sleep(3600)  # {LEFT}"]

# methods that fail


class Sometimes(Linear):
    """Fits graphs with an odd number of edges only."""

    def fit(self, df, graph, *, seed=0):
        if graph.number_of_edges() % 2 == 0:
            raise RuntimeError("an even number of edges")
        return super().fit(df, graph, seed=seed)


class Patient(Linear):
    """Takes its time."""

    def fit(self, df, graph, *, seed=0):
        time.sleep(1.5)
        return super().fit(df, graph, seed=seed)


class Notices(Linear):
    """Reads all the global state that another method may have changed."""

    def fit(self, df, graph, *, seed=0):
        return Spoilt(super().fit(df, graph, seed=seed), self.spoil)

    def spoil(self, df):
        state = (torch.get_default_dtype(), torch.get_num_threads(), np.geterr(), len(sys.path))
        state += (sorted(os.environ), threading.active_count(), os.listdir("."))
        state += (np.square(3), np.sqrt(4.0), len(sys.meta_path) > 2, signal.getsignal(14))
        drawn = random.random() + np.random.random() + torch.rand(()).item()
        return df + (drawn + int.from_bytes(repr(state).encode()) % 97 / 97) % 1


class Spoilt:
    """An estimate whose answers `spoil` ruins."""

    def __init__(self, scm, spoil):
        self.scm, self.spoil = scm, spoil

    def noise(self, df):
        return self.spoil(self.scm.noise(df))

    def generate(self, u, do=None):
        return self.spoil(self.scm.generate(u, do))


# methods that spoil a run: each does what it does when it is fitted, then fits as `Linear` does

ROGUES = {}


def ends(status):
    """Registers what a rogue does in `do`, and the status in which its cell must end."""

    def register(do):
        def fit(self, df, graph, *, seed=0):
            do()
            return Linear.fit(self, df, graph, seed=seed)

        kind = type(do.__name__, (Linear,), {"fit": fit, "__module__": __name__})
        ROGUES[kind] = status
        return kind

    return register


def spoils(status):
    """Registers a rogue whose every answer goes through a function."""

    def register(spoil):
        def fit(self, df, graph, *, seed=0):
            return Spoilt(Linear.fit(self, df, graph, seed=seed), spoil)

        kind = type(spoil.__name__, (Linear,), {"fit": fit, "__module__": __name__})
        ROGUES[kind] = status
        return kind

    return register


def fails(status):
    """Registers a rogue that is a class of its own."""

    def register(kind):
        ROGUES[kind] = status
        return kind

    return register


def connections():
    """The sockets that this process has open."""
    for handle in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(handle).st_mode):
                yield handle
        except OSError:
            continue


def write_everywhere(data):
    for handle in connections():
        os.write(handle, data)


@ends("error")
def Raises():
    raise RuntimeError("out of ideas")


@ends("error")
def RaisesLong():
    raise ValueError("x" * 200_000)


@ends("error")
def RaisesSurrogate():
    raise ValueError("half a \ud800 character")


@ends("error")
def RaisesEscapes():
    raise ValueError("\x1b[2J\x1b[31m\n| red | \0 \u202e")


@ends("error")
def RaisesUnprintable():
    class Unprintable(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    raise Unprintable


@ends("error")
def RaisesKeyboardInterrupt():
    raise KeyboardInterrupt


@ends("error")
def LeavesZero():
    sys.exit(0)


@ends("error")
def Exits():
    os._exit(3)


@ends("error")
def ExitsZero():
    os._exit(0)


@ends("error")
def Aborts():
    os.abort()


@ends("error")
def Segfaults():
    ctypes.string_at(0)


@ends("error")
def DiesOfRealTimeSignal():
    os.kill(os.getpid(), signal.SIGRTMIN + 3)


@ends("error")
def DiesOfAlarm():
    signal.alarm(1)
    time.sleep(5)


@ends("oom")
def Killed():
    os.kill(os.getpid(), signal.SIGKILL)


@ends("error")
def KillsItsParent():
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(5)


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
def Prints():
    for _ in range(50):
        print("spam and eggs " * 10_000)
    sys.stderr.write("e" * 1_000_000)


@ends("ok")
def ClosesOutput():
    for handle in (0, 1, 2):
        os.close(handle)
    sys.stdout.close()
    sys.stderr = None


@ends("error")
def ClosesEverything():
    os.closerange(3, 4096)


@ends("error")
def WritesRubbish():
    write_everywhere(b"rubbish" * 1000)


@ends("error")
def WritesAFrameOfItsOwn():
    header = json.dumps({"kind": "fitted", "key": "x", "nonce": "y", "can": [], "seconds": 0})
    write_everywhere(struct.pack("!4sIQ", b"SCM\x01", len(header), 0) + header.encode())


@ends("error")
def WritesAHugeFrame():
    write_everywhere(struct.pack("!4sIQ", b"SCM\x01", 2**31, 2**62))


@ends("timeout")
def WritesHalfAFrame():
    write_everywhere(struct.pack("!4sIQ", b"SCM\x01", 100, 100) + b"{")
    time.sleep(3600)


@ends("error")
def WritesAListAsHeader():
    write_everywhere(struct.pack("!4sIQ", b"SCM\x01", 2, 0) + b"[]")


@ends("ok")
def ForksAndReturns():
    os.fork()


@ends("error")
def ForksAndAnswers():
    if not os.fork():
        WritesAFrameOfItsOwn.fit(Linear(), None, None)
    time.sleep(0.2)


@ends("error")
def AnswersUnderAnotherName():
    from bench.run.fitting import Fitting

    real = Fitting._answer

    def renamed(self, header, arrays):
        header["nonce"] = "of the cell before"
        return real(self, header, arrays)

    Fitting._answer = renamed


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
def LimitsFiles():
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))


@ends("error")
def IsOverItsSeconds():
    os.kill(os.getpid(), signal.SIGXCPU)


@ends("ok")
def IgnoresDeadChildren():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


@ends("ok")
def Snoops():
    """Looks for the truth among all that its process holds."""
    problems = [x for x in gc.get_objects() if type(x) is Problem]
    assert not [p for p in problems if p.truth or p.query_noise_rows is not None], "the truth!"
    assert not [p for p in problems if len(p.query_rows)], "query rows before they are asked for"


@spoils("error")
def ReturnsNaN(df):
    return df * float("nan")


@spoils("error")
def ReturnsInfinity(df):
    return df + float("inf")


@spoils("error")
def ReturnsTooFewRows(df):
    return df.iloc[1:, 1:]


@spoils("error")
def ReturnsText(df):
    return df.astype(str) + "x"


@spoils("error")
def ReturnsNothing(df):
    return None


@spoils("error")
def ReturnsObjects(df):
    return [object()]


@spoils("error")
def ReturnsTooMuch(df):
    return np.zeros((1, 40_000_000))


@spoils("ok")
def OverwritesWhatItIsGiven(df):
    answer = df.copy()
    df.iloc[:, :] = 0.0
    return answer


@fails("ok")
class OnlyNoiseIsNaN(Linear):
    """One metric is missing, the others count."""

    def fit(self, df, graph, *, seed=0):
        scm = super().fit(df, graph, seed=seed)
        scm.noise = lambda df: df * float("nan")
        return scm


@fails("error")
class FitsNothing:
    def fit(self, df, graph, *, seed=0):
        return None


@fails("error")
class CannotBeBuilt(Linear):
    def __init__(self):
        raise RuntimeError("no such thing")


@fails("error")
class ExitsWhenBuilt(Linear):
    def __init__(self):
        os._exit(0)


@fails("error")
class LeavesWhenBuilt(Linear):
    def __init__(self):
        sys.exit(0)


@fails("skipped")
class SkipsAtLength(Linear):
    def skip(self, dataset):
        return "too \ud800 little \x1b[31m " + "x" * 200_000


@fails("skipped")
class SkipsWithoutWords(Linear):
    def skip(self, dataset):
        return 3


@fails("ok")
class HasAnOddVersion(Linear):
    version = "\udfff\n" + "v" * 200_000
    role = "king"


@fails("error")
class SaysNoNoiseSpace(Linear):
    noise_space = None


AT_IMPORT = {
    "leaves_zero": ("error", "import sys; sys.exit(0)"),
    "exits_zero": ("error", "import os; os._exit(0)"),
    "sleeps": ("timeout", "import time; time.sleep(3600)"),
    "changes_folder": ("ok", "import os; os.chdir('/')"),
    "closes_output": ("ok", "import os; os.close(1); os.close(2)"),
    "closes_everything": ("error", "import os; os.closerange(3, 4096)"),
    "raises": ("error", "raise RuntimeError('not today')"),
    "is_no_python": ("error", "def (:"),
    "lacks_a_module": ("error", "import module_that_is_not_there"),
    "forks": ("ok", "import os; os.fork()"),
    "patches": ("ok", "import numpy as np; np.square = np.abs; np.sqrt = np.mean"),
    "patches_os": ("ok", "import os; os.fork = os.waitpid = None"),
    "empties_environment": ("ok", "import os; os.environ.clear()"),
    "starts_threads": (
        "ok",
        "import threading, time; threading.Thread(target=time.sleep, args=(3600,)).start()",
    ),
    "spawns": (
        "ok",
        f"import subprocess; subprocess.Popen({SLEEP!r}, env={{}}, start_new_session=True)",
    ),
    "kills_its_parent": ("error", "import os; os.kill(os.getppid(), 9)"),
    "recurses": ("error", "f = lambda: f()\nf()"),
    "writes_rubbish": (
        "error",
        "from tests.fake_methods import write_everywhere\nwrite_everywhere(b'rubbish' * 1000)",
    ),
}
MODULE = """{line}
from baselines.linear import Linear


class Method(Linear):
    pass
"""


def write_modules(folder):
    """Writes a module for each of `AT_IMPORT`; returns {method: status}."""
    for name, (_, line) in AT_IMPORT.items():
        (folder / f"rogue_{name}.py").write_text(MODULE.format(line=line))
    return {f"rogue_{name}:Method": status for name, (status, _) in AT_IMPORT.items()}
