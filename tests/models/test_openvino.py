"""The opt-in engine: absent, it says so; present, it gives the same logits."""

import sys

import numpy as np
import pytest

from tests.helpers.networks import tiny_network
from util.errors import CourseError
from util.findings import FINDINGS
from util.models.openvino import with_openvino
from util.models.predict import predict
from util.models.preprocessing import Preprocessing
from util.models.weights import Pretrained


@pytest.fixture
def tiny():
    return Pretrained(tiny_network(), FINDINGS, Preprocessing(32, 120.0, 60.0), {})


def test_without_openvino(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(CourseError, match="OpenVINO is not installed here: pip install openvino, or go on without it"):
        with_openvino(tiny)
    with pytest.raises(CourseError, match="no precision 'int8' here: use bf16 or f32"):
        with_openvino(tiny, "int8")


def test_a_processor_without_bfloat16(tiny, monkeypatch):
    class Core:
        def get_property(self, device, name):
            return ["FP32"]

    monkeypatch.setitem(sys.modules, "openvino", type(sys)("openvino"))
    monkeypatch.setattr(sys.modules["openvino"], "Core", Core, raising=False)
    with pytest.raises(CourseError, match="This processor has no bfloat16: use precision='f32'"):
        with_openvino(tiny)


@pytest.mark.filterwarnings("ignore")  # of the packages that export and convert
def test_same_logits(tiny, nih_files):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    nih_files.labels(*[(f"{i}.png",) for i in range(5)])
    for i in range(5):
        nih_files.film(f"{i}.png", (40, 48))
    cohort = nih_files.load()
    fast = predict(with_openvino(tiny, "f32"), cohort, cohort.films["Image"], batch_size=2)
    np.testing.assert_allclose(fast, predict(tiny, cohort, cohort.films["Image"]), atol=1e-5)
