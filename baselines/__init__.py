"""Methods fitted to each dataset; one file an idea, one entry-point line each."""
