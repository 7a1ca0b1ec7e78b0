"""The SCMs of `lorch` on many nodes, with few and with many rows: what a method costs there.

Graphs are sparse: as many edges a node as everywhere in the prior, one to three. What is read from
a run are the columns of `results.csv`, seconds of the fit and of all queries and the peak of
memory, beside the errors; `bench/docs/scale.md` has one row a method.
"""

from dataclasses import replace

from bench.suites.lorch import LORCH
from bench.suites.smallest import SMALLEST

SCALE = replace(
    LORCH,
    name="scale",
    about="The lorch SCMs on 200 to 1000 nodes, 50 to 20,000 rows: seconds, memory, errors",
    source="ours; SCMs of Lorch et al. 2022, table 3",
    axes={
        **LORCH.axes,
        "scenario": ("LIN_IN", "RFF_IN"),
        "graph_kind": ("er",),
        "d": (200, 500, 1000),
        "scms": (1,),
        "n_context": (50, 400, 2000, 20000),
        "n_query": (100,),
    },
    presets={
        "smoke": [{**SMALLEST, "scenario": ("LIN_IN",), "d": (50,)}],
        "quick": [{"d": (200, 1000), "n_context": (400,)}, {"d": (200,), "n_context": (20000,)}],
        "paper": [{"scms": (3,)}],
    },
)
