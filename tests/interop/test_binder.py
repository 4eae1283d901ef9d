"""Binder's own reader of the repository: its Python, its layers, its settings. Nothing is built."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("repo2docker", reason="jupyter-repo2docker is not installed here: make test-interop installs it")

from util.course.binder import python_of_binder
from util.data.cohort import HOME


def test_repo2docker_installs_the_packages_before_it_copies_the_course(tmp_path):
    shutil.copytree(HOME / "binder", tmp_path / "binder")
    for name in ("environment.yml", "pyproject.toml", "README.md"):  # beside binder/, these are not for repo2docker
        shutil.copy(HOME / name, tmp_path)
    program = Path(sys.executable).with_name("jupyter-repo2docker")
    command = [str(program), "--no-build", "--debug", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    steps = (done.stdout + done.stderr).splitlines()

    def step(start):
        return next(number for number, line in enumerate(steps) if line.startswith(start))

    listed = step("COPY --chown=0:0 src/binder/requirements.txt")
    installed = step('RUN ${KERNEL_PYTHON_PREFIX}/bin/pip install --no-cache-dir -r "binder/requirements.txt"')
    assert listed < installed < step("COPY --chown=0:0 src/ ") < step("RUN ./binder/postBuild")
    assert f"Building conda environment for python={python_of_binder()}" in "\n".join(steps)
