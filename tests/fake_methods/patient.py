"""Methods that are slow, fail now and then, or look around."""

import os
import random
import signal
import sys
import threading
import time

import numpy as np
import torch

from baselines.linear import Linear
from tests.fake_methods.registered import Spoilt


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
