"""Fixtures of this folder."""

from tests.helpers.heat_maps import films, model  # noqa: F401 - fixtures
