"""Fixtures of this folder."""

from tests.helpers.run_course import folder, run  # noqa: F401 - fixtures
