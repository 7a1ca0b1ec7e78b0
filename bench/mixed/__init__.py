"""Tables whose columns are not all numbers: any additive method beside a classifier."""
