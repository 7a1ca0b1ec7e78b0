"""The OUT SCMs of `lorch` with stretched ranges (Mahajan et al. 2025, tables 4-9).

alpha multiplies the ranges of the mechanisms' parameters or of the noise's scale; the draws within
the ranges stay the same.
"""

from dataclasses import replace
from functools import partial

from bench.scm.prior import SHIFTS
from bench.suites.lorch import LORCH, make

ALPHAS = (1.0, 2.0, 5.0, 10.0)

LORCH_SHIFT = replace(
    LORCH,
    name="lorch-shift",
    about="The lorch OUT SCMs with mechanisms' or noise's ranges multiplied by alpha",
    source="Mahajan et al. 2025, tables 4-9",
    axes={**LORCH.axes, "scenario": ("LIN_OUT", "RFF_OUT"), "shift": SHIFTS, "alpha": ALPHAS},
    presets={
        "smoke": [
            {"d": (10,), "scms": (1,), "n_context": (50,), "n_query": (50,), "alpha": (1.0, 5.0)}
        ],
        "quick": [{"d": (20,), "scms": (1,)}],
        "paper": [{"d": (10, 20, 50, 100), "scms": (3,)}],
    },
    make=partial(make, "lorch-shift"),
)
