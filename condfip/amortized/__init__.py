"""Amortized mechanisms: a network that tells, in one pass, which Gaussian process fits a node."""
