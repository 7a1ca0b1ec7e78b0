"""A benchmark of structural causal models learnt from a table and a causal graph."""

__version__ = "0.1.0"
