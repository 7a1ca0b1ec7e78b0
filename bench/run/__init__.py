"""Running a grid: cells, their processes and their records."""
