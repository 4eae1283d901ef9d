import os
import platform
import subprocess
import sys

import pytest

from util.data.cohort import HOME
from util.hospital import steady
from util.hospital.steady import _settings, steadily

SEEN = """
import cv2, numpy  # 11 is AVX2
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
print([name for name in __cpu_dispatch__ if __cpu_features__.get(name)], cv2.checkHardwareSupport(11))
"""


@pytest.mark.skipif(platform.machine().lower() not in steady.X86, reason="for processors of the kind x86-64")
def test_a_new_process_takes_no_instructions_of_new_processors():
    with steadily():
        seen = subprocess.run([sys.executable, "-c", SEEN], capture_output=True, text=True, check=True, cwd=HOME)
    assert seen.stdout.strip() == "[] False"
    assert seen.stderr == ""


def test_the_environment_is_as_before_even_after_an_error(monkeypatch):
    monkeypatch.setattr(steady.platform, "machine", lambda: "AMD64")
    monkeypatch.setenv("OPENCV_IPP", "mine")
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    before = dict(os.environ)
    with pytest.raises(KeyError), steadily():
        assert os.environ["OPENCV_IPP"] == "disabled"
        raise KeyError
    assert dict(os.environ) == before


def test_what_is_turned_off_stays_so(monkeypatch):
    monkeypatch.setattr(steady.platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("NPY_DISABLE_CPU_FEATURES", "AVX512_ICL, X86_V4")
    assert {"AVX512_ICL", "X86_V4"} <= set(_settings()["NPY_DISABLE_CPU_FEATURES"].split())


def test_other_processors_are_left_as_they_are(monkeypatch):
    monkeypatch.setattr(steady.platform, "machine", lambda: "arm64")
    assert _settings() == {}
