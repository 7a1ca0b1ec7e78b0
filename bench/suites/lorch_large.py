"""The SCMs of `lorch` with 1000 and 2000 context rows (Mahajan et al. 2025, tables 27-29)."""

from dataclasses import replace
from functools import partial

from bench.suites.lorch import LORCH, make

LORCH_LARGE = replace(
    LORCH,
    name="lorch-large",
    about="The lorch SCMs with many context rows",
    source="Mahajan et al. 2025, tables 27-29 (1000 rows); 2000 rows are ours",
    axes={**LORCH.axes, "n_context": (1000, 2000)},
    presets={
        "smoke": [{"d": (10,), "scms": (1,), "n_context": (600,), "n_query": (50,)}],
        "quick": [{"d": (10,), "scms": (1,)}],
        "paper": [{"d": (10, 20), "scms": (3,)}],
    },
    make=partial(make, "lorch-large"),
)
