"""One file a suite; each is one line among the entry points of `pyproject.toml`."""
