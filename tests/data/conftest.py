"""Fixtures of this folder."""

from tests.helpers.nih_tables import newer  # noqa: F401 - fixtures
