"""uv reads the lock as pip does: the same packages in the same versions. What make does with it is in test_packaging.py."""

import shutil
import subprocess
import sys

import pytest

from util.data.cohort import HOME


def test_uv_finds_nothing_to_install_where_pip_has_installed_the_lock():
    """Asked offline to install the lock beside what is here, the real uv would change nothing: names and versions agree."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed: pip install uv")
    command = [uv, "pip", "install", "--dry-run", "--offline", "--no-config", "--require-hashes", "--no-cache"]
    done = subprocess.run(
        [*command, "--python", sys.executable, "-r", HOME / "requirements.lock"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "Would make no changes" in done.stderr, done.stderr
