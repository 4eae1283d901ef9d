"""Files of Keras 2, written by its successor tf-keras, against tf-keras' own answers."""

import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf_keras = pytest.importorskip("tf_keras", reason="tf-keras is not installed: make test-interop brings it")

from tests.interop.conftest import RULES, SIZE, ours
from util.errors import CourseError
from util.findings import FINDINGS

pytestmark = pytest.mark.filterwarnings("ignore")  # tf-keras' own, on its formats


def network(outputs=14, final_relu=True, seed=0):
    """A DenseNet-121 of Keras 2 with one sigmoid for each output, in a state such as training leaves."""
    base = tf_keras.applications.DenseNet121(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3))
    features = base.output if final_relu else base.get_layer("bn").output
    pooled = tf_keras.layers.GlobalAveragePooling2D()(features)
    model = tf_keras.Model(base.input, tf_keras.layers.Dense(outputs, activation="sigmoid")(pooled))
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            n = layer.gamma.shape[0]
            spread = [
                rng.uniform(0.6, 1.2, n),
                rng.normal(0, 0.1, n),
                rng.normal(0, 0.1, n),
                np.exp(rng.normal(size=n)),
            ]
            layer.set_weights(spread)
    return model


def theirs(model, films):
    return np.asarray(model(films, training=False), np.float64)


@pytest.mark.parametrize(("whole", "final_relu"), [(True, True), (False, False)], ids=["model", "weights, no ReLU"])
def test_hdf5(films, tmp_path, whole, final_relu, load):
    model, path = network(final_relu=final_relu), tmp_path / "w.h5"
    if whole:
        model.compile("adam", "binary_crossentropy")
        model.save(path)
    else:
        model.save_weights(path)
    renamed = path.rename(tmp_path / "weights of somebody")
    loaded = load(path=renamed, findings=FINDINGS, preprocessing=RULES)
    assert ("relu" in [layer.name for layer in loaded.model.layers]) == final_relu
    assert np.abs(ours(loaded, films) - theirs(model, films)).max() <= 1e-6


def test_other_classes_are_refused_before_anything_is_put_in(tmp_path, load):
    network(outputs=13).save_weights(tmp_path / "w.h5")
    with pytest.raises(CourseError, match="has 13 outputs, and 14 labels are known of it"):
        load(path=tmp_path / "w.h5", findings=FINDINGS, preprocessing=RULES)


def test_checkpoint(films, tmp_path, load):
    model = network(seed=2)
    model.save_weights(tmp_path / "cp.ckpt", save_format="tf")
    labels = FINDINGS[::-1]
    loaded = load(path=tmp_path / "cp.ckpt.index", findings=labels, preprocessing=RULES)
    assert np.abs(ours(loaded, films) - theirs(model, films)[:, ::-1]).max() <= 1e-6
    data = tmp_path / "cp.ckpt.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    with pytest.raises(CourseError, match="get both of its files again"):
        load(path=tmp_path / "cp.ckpt", findings=labels, preprocessing=RULES)
