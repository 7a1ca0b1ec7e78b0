"""What the preset `smoke` of several suites has in common, as small as can be.

Axes and values of a block: one SCM a cell and few rows; where problems are many also few nodes, and
one cell inside the distribution of training and one outside.
"""

SMALLEST = {"scms": (1,), "n_context": (50,), "n_query": (50,)}
FIVE_NODES = {**SMALLEST, "d": (5,)}
TWO_CELLS = {**FIVE_NODES, "scenario": ("RFF_IN", "LIN_OUT"), "graph_kind": ("er", "ws")}
