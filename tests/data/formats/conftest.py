"""Fixtures of this folder."""

from tests.helpers.dicom_pixels import codes  # noqa: F401 - fixtures
