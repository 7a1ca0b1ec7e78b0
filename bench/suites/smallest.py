"""What the preset `smoke` of several suites has in common, as small as can be.

Axes and values of a block: one SCM a cell, few rows, and where cells are many one inside the
distribution of training and one outside.
"""

SMALLEST = {"scms": (1,), "n_context": (50,), "n_query": (50,)}
TWO_CELLS = {**SMALLEST, "scenario": ("RFF_IN", "LIN_OUT"), "graph_kind": ("er", "ws")}
