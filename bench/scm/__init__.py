"""Structural causal models with additive noise: graphs, mechanisms, noise, and the five verbs.

Letters used in every docstring of the project:
B SCMs, N rows, D nodes, E edges, G nodes of one group, P parents (padded), M random features.

`adjacency[b, i, j]` is True when node i is a parent of node j.
"""
