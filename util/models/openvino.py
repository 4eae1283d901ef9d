"""An alternative engine for the same network: OpenVINO, if it is installed (pip install openvino).

The course does not need it. On a processor with bfloat16, it scores films about twice as fast as TensorFlow. A bfloat16
has 8 significant bits, so logits move a little: `make bench` prints by how much, and the effect on the AUC.
"""

from __future__ import annotations

import importlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from util.errors import CourseError

if TYPE_CHECKING:
    from util.models.weights import Pretrained

PRECISIONS = ("bf16", "f32")


class OpenVinoModel:
    """Films float32 (n, size, size, 3) -> float32 logits (n, 14); `util.models.predict` takes it for a keras.Model."""

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled

    def predict_on_batch(self, films: np.ndarray) -> np.ndarray:
        return self.compiled(np.ascontiguousarray(films, np.float32))[0]


def with_openvino(pretrained: Pretrained, precision: str = "bf16") -> Pretrained:
    """The same weights, labels and preprocessing on OpenVINO, for scoring but not for gradients.

    Parameters
    ----------
    pretrained : util.models.weights.Pretrained
    precision : 'bf16' (fast, rounded) or 'f32'

    Returns
    -------
    util.models.weights.Pretrained for `util.models.predict.predict`

    Raises
    ------
    CourseError : OpenVINO is not installed, or the processor has no bfloat16.
    """
    if precision not in PRECISIONS:
        raise CourseError(f"There is no precision {precision!r} here: use {' or '.join(PRECISIONS)}.")
    try:
        openvino = importlib.import_module("openvino")
    except ImportError:
        raise CourseError("OpenVINO is not installed here: pip install openvino, or go on without it.") from None
    core = openvino.Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise CourseError("This processor has no bfloat16: use precision='f32', or go on without OpenVINO.")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.xml"
        pretrained.model.export(str(file), format="openvino", verbose=False)
        options = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
        compiled = core.compile_model(core.read_model(file), "CPU", options)
    return replace(pretrained, model=OpenVinoModel(compiled))
