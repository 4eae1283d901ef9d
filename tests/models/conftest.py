"""Fixtures of weights in other people's formats."""

from tests.helpers.foreign_weights import layers, load, model, shell, write_keras2, write_torch  # noqa: F401 - fixtures
from tests.helpers.releases import file  # noqa: F401 - fixtures
