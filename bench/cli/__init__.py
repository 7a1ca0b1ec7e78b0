"""The command line: `parser` reads it, the other modules carry it out."""
