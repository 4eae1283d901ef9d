"""Fixtures of labels and scores."""

from tests.helpers.scored import cohort_like  # noqa: F401 - a fixture
