"""Reading what a person has: tables, graphs, and what do() asks; every refusal is one line."""
