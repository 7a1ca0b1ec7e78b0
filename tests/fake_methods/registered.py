"""What the fake methods share: how one is registered with the status in which it must end.

Each rogue does what it does when it is fitted, then fits as `Linear` does.
"""

import sys

import psutil

from baselines.linear import Linear

LEFT = "left by a fake method"
SLEEP = [sys.executable, "-c", f"import time; time.sleep(3600)  # {LEFT}"]
ROGUES = {}


class Spoilt:
    """An estimate whose answers `spoil` ruins."""

    def __init__(self, scm, spoil):
        self.scm, self.spoil = scm, spoil

    def noise(self, df):
        return self.spoil(self.scm.noise(df))

    def generate(self, u, do=None):
        return self.spoil(self.scm.generate(u, do))


def ancestors():
    """This process and those above it up to the base, of which all are forks."""
    found = [psutil.Process()]
    while found[-1].parent().cmdline() == found[0].cmdline():
        found.append(found[-1].parent())
    return found


def is_a_cell():
    """Not a warm-up, which has no method's process above it."""
    return len(ancestors()) > 2


def ends(status):
    """Registers what a rogue does in `do`, and the status in which its cell must end."""

    def register(do):
        def fit(self, df, graph, *, seed=0):
            do()
            return Linear.fit(self, df, graph, seed=seed)

        return fits(status, do, fit)

    return register


def spoils(status):
    """Registers a rogue whose every answer goes through a function."""

    def register(spoil):
        def fit(self, df, graph, *, seed=0):
            return Spoilt(Linear.fit(self, df, graph, seed=seed), spoil)

        return fits(status, spoil, fit)

    return register


def fits(status, named, fit):
    """Registers a rogue with this `fit` under the name of a function, in that one's module."""
    kind = type(named.__name__, (Linear,), {"fit": fit, "__module__": named.__module__})
    return fails(status)(kind)


def fails(status):
    """Registers a rogue that is a class of its own."""

    def register(kind):
        ROGUES[kind] = status
        return kind

    return register
