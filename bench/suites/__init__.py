"""Suites, those that share their SCMs in one file; each is a line among the entry points."""
