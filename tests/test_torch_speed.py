"""The faster layers of training give the values and the updates of Keras' own."""

import importlib.util
import os
import subprocess
import sys

import keras
import pytest

from tests.conftest import tiny_network
from util.cohort import HOME
from util.torch_speed import sped_up

COMPARE = """
import keras, numpy as np
from util.torch_speed import sped_up
films = keras.Input((8, 8, 3))
x = keras.layers.Conv2D(6, 1, use_bias=False, name="pointwise")(films)
x = keras.layers.BatchNormalization(name="bn", momentum=0.9)(x)
x = keras.layers.Conv2D(5, 3, padding="same", use_bias=False, name="conv")(keras.layers.ReLU(name="relu")(x))
plain = keras.Model(films, keras.layers.Dense(2, name="logits")(keras.layers.GlobalAveragePooling2D(name="pool")(x)))
fast = sped_up(plain)
kinds = [type(fast.get_layer(name)).__name__ for name in ("pointwise", "bn", "conv")]
assert kinds == ["Pointwise", "BatchNorm", "Conv2D"], kinds
rng = np.random.default_rng(0)
batch, y = rng.normal(2, 3, (4, 8, 8, 3)).astype("float32"), rng.normal(size=(4, 2)).astype("float32")
np.testing.assert_allclose(fast.predict(batch, verbose=0), plain.predict(batch, verbose=0), atol=1e-6)
for model in (fast, plain):
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")
    for _ in range(3):
        model.train_on_batch(batch, y)
before = sum(abs(v).sum() for v in plain.get_weights())
for ours, theirs in zip(fast.weights, plain.weights, strict=True):
    # The running variance of PyTorch is over n - 1 values, that of Keras over n.
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=5e-3, atol=1e-5, err_msg=ours.path)
print("same", before > 0)
"""


def test_another_backend_keeps_its_own_layers():
    if keras.config.backend() == "torch":
        pytest.skip("Keras runs on torch here")
    model = tiny_network()
    assert sped_up(model) is model


def test_same_values_and_updates_on_torch():
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed: no package of the course needs it")
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    done = subprocess.run(
        [sys.executable, "-c", COMPARE], cwd=HOME, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.strip() == "same True", done.stderr
