"""Heat maps of models of other shapes, and of outputs that are no logits."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.helpers.heat_maps import FINDINGS, by_tape, small_densenet
from util.errors import CourseError
from util.explain.heat_maps import METHODS, grad_cam, occlusion, upsample

# ---- Outputs that are no logits, and outputs that are -------------------------------------------------------------


def with_tail(tail, activation="sigmoid"):
    """A network whose dense layer has an activation, with further layers after it."""
    base = small_densenet(activation=activation)
    return keras.Model(base.input, tail(base.output))


@keras.saving.register_keras_serializable("tests")
class OwnHead(keras.layers.Layer):
    """Somebody's own last layer, with weights, and with or without a sigmoid in it."""

    def __init__(self, last=keras.ops.sigmoid, **options):
        super().__init__(**options)
        self.dense, self.last = keras.layers.Dense(FINDINGS), last

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.last(self.dense(x))


L = keras.layers


HIDDEN = {
    "concatenated heads": lambda x: L.Concatenate()([L.Dense(1, activation="sigmoid")(x) for _ in range(3)]),
    "linear activation": L.Activation("linear", dtype="float32"),
    "reshape": L.Reshape((FINDINGS,)),
    "rescaling": L.Rescaling(20.0, -10.0),
    "lambda": L.Lambda(lambda x: x * 1.0),
    "dropout": L.Dropout(0.2),
    "batch norm": L.BatchNormalization(),
    "operation": lambda x: x * 2.0 - 1.0,
}


BOUNDED = {
    "layer": L.Activation("sigmoid"),
    "softmax": L.Softmax(),
    "relu": L.ReLU(),
    "own lambda": L.Lambda(lambda x: keras.ops.sigmoid(x)),
    "operation": lambda x: keras.ops.tanh(x),
    "half of them": lambda x: L.Concatenate()([x[:, :2], keras.ops.sigmoid(x[:, 2:])]),
    "log of the sigmoid": lambda x: keras.ops.log_sigmoid(x),
    "clipped": lambda x: keras.ops.clip(x, -30.0, 30.0),
    "softplus": L.Activation("softplus"),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_sigmoid_that_further_layers_hide(name, films):
    with pytest.raises(CourseError, match=r"Grad-CAM is taken on logits.*with the last Dense layer linear"):
        grad_cam(with_tail(HIDDEN[name]), films)


@pytest.mark.parametrize("name", BOUNDED)
def test_a_bound_after_a_linear_layer(name, films):
    for method in (grad_cam, occlusion):
        with pytest.raises(CourseError, match="Grad-CAM is taken on logits"):
            method(with_tail(BOUNDED[name], None), films)


def test_a_head_of_ones_own_is_tried(films):
    base = small_densenet()
    pooled = base.get_layer("pool").output
    with pytest.raises(CourseError, match="Grad-CAM is taken on logits"):
        grad_cam(keras.Model(base.input, OwnHead()(pooled)), films)
    linear = keras.Model(base.input, OwnHead(lambda x: x)(pooled))
    np.testing.assert_allclose(grad_cam(linear, films)[1], by_tape(linear, films, "relu"), atol=1e-5)


@pytest.mark.parametrize(
    "tail",
    [
        L.Rescaling(0.01, 3.0),
        L.Activation("linear", dtype="float32"),
        L.Lambda(lambda x: x / 2),
        lambda x: L.Concatenate()([x[:, 3:], x[:, :3]]),
        lambda x: L.BatchNormalization()(L.Reshape((FINDINGS,))(x)),
        L.LeakyReLU(),
    ],
)
def test_what_leaves_logits_unbounded_is_no_reason_to_refuse(tail, films):
    model = with_tail(tail, None)
    np.testing.assert_allclose(grad_cam(model, films)[1], by_tape(model, films, "relu"), atol=1e-5)


def test_hidden_layers_may_have_any_activation(films):
    base = small_densenet()
    hidden = L.Dense(6, activation="sigmoid")(base.get_layer("pool").output)
    model = keras.Model(base.input, L.Dense(2)(hidden))
    np.testing.assert_allclose(grad_cam(model, films)[1], by_tape(model, films, "relu"), atol=1e-5)


# ---- Models of other shapes ---------------------------------------------------------------------------------------


def test_lists_and_dictionaries_of_one_tensor(model, films):
    wanted = {name: method(model, films)[1] for name, method in METHODS.items()}
    for inputs, outputs in [
        ([model.input], [model.output]),
        (model.input, [model.output]),
        ({model.input.name: model.input}, model.output),
        (model.input, {"logits": model.output}),
    ]:
        other = keras.Model(inputs, outputs)
        for name, method in METHODS.items():
            np.testing.assert_allclose(method(other, films)[1], wanted[name], atol=1e-5)


def test_layers_used_again_in_a_second_model(films):
    first = small_densenet(7)
    inputs, seen = keras.Input((32, 32, 3)), {}
    x = L.Rescaling(2.0, name="twice")(inputs)
    for layer in first.layers[1:]:
        of = layer.input if isinstance(layer.input, list) else [layer.input]
        arguments = [seen.get(id(tensor), x) for tensor in of]
        seen[id(layer.output)] = layer(arguments if len(arguments) > 1 else arguments[0])
    again = keras.Model(inputs, seen[id(first.output)])
    for layer in ("relu", "bn", "block2_concat"):
        np.testing.assert_allclose(grad_cam(again, films, layer)[1], grad_cam(first, 2 * films, layer)[1], atol=1e-4)
    with pytest.raises(CourseError, match="no layer 'twice'"):
        grad_cam(first, films, "twice")


def test_a_layer_used_twice_in_one_model_is_no_place_to_look_at(films):
    conv = L.Conv2D(4, 3, padding="same", name="conv")
    inputs = keras.Input((32, 32, 4))
    x = L.GlobalAveragePooling2D()(L.ReLU(name="relu")(conv(conv(inputs))))
    with pytest.raises(CourseError, match=r"'conv' of .* is used more than once"):
        grad_cam(keras.Model(inputs, L.Dense(2)(x)), np.zeros((1, 32, 32, 4), np.float32), "conv")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_logits_and_bounds_are_told_apart_in_half_precision(policy, films):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        logits = with_tail(L.Rescaling(1.5), None)
        sigmoid = with_tail(L.Activation("linear", dtype="float32"))
    finally:
        keras.config.set_dtype_policy(before)
    assert np.isfinite(grad_cam(logits, films)[1]).all()
    with pytest.raises(CourseError, match="on logits"):
        grad_cam(sigmoid, films)


finite = st.floats(-10, 10, width=32)


maps_2d = arrays.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=finite)


@settings(max_examples=50, deadline=None)
@given(maps_2d, st.integers(6, 30), st.integers(6, 30))
def test_upsample_stays_within_its_values_and_takes_any_number_of_maps(cam, height, width):
    large = upsample(cam, (height, width))
    assert large.shape == (height, width)
    assert cam.min() - 1e-4 <= large.min() and large.max() <= cam.max() + 1e-4
    np.testing.assert_allclose(upsample(np.stack([cam, -cam]), (height, width))[1], -large, atol=1e-5)
