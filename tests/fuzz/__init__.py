"""Seeded mutators of the files that people load, each with an independent oracle: python -m tests.fuzz NAME."""
