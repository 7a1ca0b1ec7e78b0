"""The published network: a dataset encoder and a conditional decoder."""
