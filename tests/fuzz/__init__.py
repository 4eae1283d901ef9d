"""Damaged and hostile input of every kind: a few hundred cases in the tests, thousands by `python -m tests.fuzz`."""
