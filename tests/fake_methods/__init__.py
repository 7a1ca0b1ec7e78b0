"""Fake methods for the tests of runs: some fail, some do all they can to spoil a run.

`ROGUES` says in which status each of the last kind ends, by the name that a run knows it by.
"""

from tests.fake_methods import answering, dying, frames, greedy, patching, registered

KINDS = (answering, dying, frames, greedy, patching)
ROGUES = {f"{kind.__module__}:{kind.__name__}": end for kind, end in registered.ROGUES.items()}
