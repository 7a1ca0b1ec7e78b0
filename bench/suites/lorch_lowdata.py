"""The SCMs of `lorch` with 50 to 400 context rows (Mahajan et al. 2025, tables 10-15)."""

from dataclasses import replace
from functools import partial

from bench.suites.lorch import LORCH, make

ROWS = (50, 100, 200, 400)

LORCH_LOWDATA = replace(
    LORCH,
    name="lorch-lowdata",
    about="The lorch SCMs with few context rows; each context begins the next larger one",
    source="Mahajan et al. 2025, tables 10-15",
    axes={**LORCH.axes, "n_context": ROWS},
    presets={
        "smoke": [{"d": (10,), "scms": (1,), "n_context": (50, 100), "n_query": (50,)}],
        "quick": [{"d": (20,), "scms": (1,)}],
        "paper": [{"d": (10, 20, 50, 100), "scms": (3,)}],
    },
    make=partial(make, "lorch-lowdata"),
)
