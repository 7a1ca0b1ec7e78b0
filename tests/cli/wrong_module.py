"""A stranger's module that fails when it is imported, and colours what it says."""

raise RuntimeError("no\nway \x1b[31m")
