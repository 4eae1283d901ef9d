"""Fixtures of this folder."""

from tests.helpers.simulated_tables import natural  # noqa: F401 - fixtures
