"""Rogues whose answers, or whose words about themselves, are wrong."""

import os
import sys

import numpy as np

from baselines.linear import Linear
from tests.fake_methods.registered import fails, spoils


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
