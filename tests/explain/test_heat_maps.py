"""Grad-CAM against automatic and numerical differentiation, the identities it must obey, and models it must refuse."""

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from util.errors import CourseError
from util.explain.heat_maps import METHODS, grad_cam, grad_cam_pp, hires_cam, occlusion, upsample

FINDINGS = 5


def small_densenet(seed=0, findings=FINDINGS, size=32, **dense):
    """A flat network with two dense layers, a final ReLU, pooling and one dense layer, as DenseNet-121 has."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    inputs = keras.Input((size, size, 3))
    x = layers.Conv2D(8, 5, strides=4, padding="same", name="stem")(inputs)
    for block in (1, 2):
        new = layers.Activation("relu", name=f"block{block}_relu")(layers.BatchNormalization()(x))
        new = layers.Conv2D(4, 3, padding="same", name=f"block{block}_conv")(new)
        x = layers.Concatenate(name=f"block{block}_concat")([x, new])
    x = layers.Activation("relu", name="relu")(layers.BatchNormalization(name="bn")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(findings, name="logits", bias_initializer="random_normal", **dense)(x)
    model = keras.Model(inputs, outputs, name="small_densenet")
    generator = np.random.default_rng(seed)
    for layer in model.layers:  # running statistics other than 0 and 1, or they would not be tested
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(generator.normal(0, 0.3, shape))
            layer.moving_variance.assign(generator.uniform(0.5, 2, shape))
    return model


@pytest.fixture(scope="module")
def model():
    return small_densenet()


@pytest.fixture(scope="module")
def films():
    return np.random.default_rng(1).normal(size=(3, 32, 32, 3)).astype(np.float32)


def by_tape(model, films, layer):
    """Grad-CAM the plain way: one gradient for each film and finding. Returns (n, c, rows, columns)."""
    both = keras.Model(model.input, [model.get_layer(layer).output, model.output])
    maps = []
    for film in films:
        for finding in range(model.output.shape[1]):
            with tf.GradientTape() as tape:
                tape.watch(x := tf.constant(film[None]))
                seen, logits = both(x, training=False)
                logit = logits[0, finding]
            weights = tf.reduce_sum(tape.gradient(logit, seen), axis=(1, 2), keepdims=True)
            maps.append(tf.reduce_sum(weights * seen, axis=-1)[0].numpy())
    return np.reshape(maps, (len(films), -1, *maps[0].shape))


@pytest.mark.parametrize("layer", ["relu", "bn", "block2_concat", "block1_conv", "stem"])
def test_maps_equal_automatic_differentiation(model, films, layer):
    logits, maps = grad_cam(model, films, layer)
    assert logits.dtype == maps.dtype == np.float32
    np.testing.assert_allclose(logits, model.predict_on_batch(films), atol=1e-5)
    np.testing.assert_allclose(maps, by_tape(model, films, layer), atol=1e-5)


def test_channel_weights_equal_finite_differences(model, films):
    head_in = model.get_layer("relu").output
    features, head = keras.Model(model.input, head_in), keras.Model(head_in, model.output)
    seen, step = features.predict_on_batch(films[:1]), 0.5  # the head is linear, so a large step is exact
    weights = np.zeros((seen.shape[-1], FINDINGS))
    for channel in range(seen.shape[-1]):
        more = seen.copy()
        more[..., channel] += step
        weights[channel] = (head.predict_on_batch(more) - head.predict_on_batch(seen))[0] / step
    maps = grad_cam(model, films[:1])[1]
    np.testing.assert_allclose(maps[0], np.einsum("hwk,kc->chw", seen[0], weights), atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_mean_of_the_map_and_bias_make_the_logit(seed, films):
    model = small_densenet(seed)
    logits, maps = grad_cam(model, films)
    np.testing.assert_allclose(maps.mean(axis=(2, 3)) + model.get_layer("logits").bias.numpy(), logits, atol=1e-5)


@pytest.mark.parametrize("layer", ["relu", "bn", "block2_concat", "stem"])
def test_hires_cam_equals_gradient_times_activation(model, films, layer):
    both = keras.Model(model.input, [model.get_layer(layer).output, model.output])
    expected = []
    for finding in range(FINDINGS):
        with tf.GradientTape() as tape:
            tape.watch(x := tf.constant(films))
            seen, logits = both(x, training=False)
            logit = logits[:, finding]
        expected.append(
            tf.reduce_sum(tape.gradient(logit, seen) * seen, axis=-1).numpy() * seen[0, ..., 0].numpy().size
        )
    np.testing.assert_allclose(hires_cam(model, films, layer)[1], np.stack(expected, axis=1), atol=1e-4)


@pytest.mark.parametrize("layer", ["block1_relu", "block2_relu", "relu"])
def test_grad_cam_pp_equals_the_equations_of_its_paper(model, films, layer):
    """With Y = exp(logit) all derivatives of Y are powers of the logit's gradient times Y; in 64 bits, place by place."""
    both = keras.Model(model.input, [model.get_layer(layer).output, model.output])
    maps = grad_cam_pp(model, films, layer)[1]
    for finding in range(FINDINGS):
        with tf.GradientTape() as tape:
            tape.watch(x := tf.constant(films))
            seen, logits = both(x, training=False)
            logit = logits[:, finding]
        gradient, seen = tape.gradient(logit, seen).numpy().astype(float), seen.numpy().astype(float)
        below = 2 * gradient**2 + seen.sum(axis=(1, 2), keepdims=True) * gradient**3
        alpha = np.divide(gradient**2, below, out=np.zeros_like(below), where=below != 0)
        weights = (alpha * np.maximum(gradient, 0)).sum(axis=(1, 2))
        np.testing.assert_allclose(maps[:, finding], np.einsum("nk,nhwk->nhw", weights, seen), rtol=1e-4, atol=1e-5)


def test_occlusion_equals_hiding_patch_by_patch(model, films):
    logits, maps = occlusion(model, films, batch_size=4)
    np.testing.assert_allclose(logits, model.predict_on_batch(films), atol=1e-5)
    rows, columns = maps.shape[2:]
    side = 32 // rows
    for film, row, column in [(0, 0, 0), (1, 2, 5), (2, rows - 1, columns - 1)]:
        hidden = films[film : film + 1].copy()
        hidden[:, row * side : (row + 1) * side, column * side : (column + 1) * side] = 0
        drop = logits[film] - model.predict_on_batch(hidden)[0]
        np.testing.assert_allclose(maps[film, :, row, column], drop, atol=1e-5)


def test_occlusion_of_a_linear_network_adds_up_to_the_logit(films):
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.AveragePooling2D(8, name="relu")(inputs)
    outputs = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 1, use_bias=False)(x)))
    logits, maps = occlusion(keras.Model(inputs, outputs), films)
    np.testing.assert_allclose(maps.sum(axis=(2, 3)), logits, atol=1e-5)  # the bias is zero


def test_all_methods_share_one_call(model, films):
    for name, method in METHODS.items():
        logits, maps = method(model, films, layer="relu", batch_size=2)
        assert logits.shape == (3, FINDINGS) and maps.shape == (3, FINDINGS, 8, 8), name
        assert np.isfinite(maps).all() and maps.dtype == np.float32


def test_hires_cam_is_grad_cam_at_the_last_relu_and_nowhere_else(model, films):
    np.testing.assert_allclose(hires_cam(model, films)[1], grad_cam(model, films)[1], atol=1e-6)
    different = hires_cam(model, films, "block2_relu")[1] - grad_cam(model, films, "block2_relu")[1]
    assert np.abs(different).max() > 1e-2


def test_no_film_of_a_last_short_batch_is_dropped_and_memory_grows_with_the_batch(model, films, monkeypatch):
    sizes = []
    many = np.concatenate([films, films, films[:1]])  # 7 films

    def spy(real):
        def step(batch):
            sizes.append(len(batch))
            return real(batch)

        return lambda *arguments: step

    from util.explain import heat_maps

    monkeypatch.setattr(heat_maps, "_explainer", spy(heat_maps._explainer(model, "relu")))
    logits, maps = grad_cam(model, many, batch_size=3)
    assert sizes == [3, 3, 1] and len(logits) == len(maps) == 7
    np.testing.assert_allclose(maps[6], maps[0], atol=1e-6)


def test_the_gradient_of_the_sigmoid_is_the_map_times_p_1_minus_p(model, films):
    inner = keras.Model(model.input, [model.get_layer("relu").output, model.output])
    with tf.GradientTape() as tape:
        tape.watch(x := tf.constant(films[:1]))
        seen, logits = inner(x, training=False)
        p = tf.sigmoid(logits[0, 0])
    of_sigmoid = (tf.reduce_sum(tape.gradient(p, seen), axis=(1, 2), keepdims=True) * seen).numpy().sum(axis=-1)[0]
    np.testing.assert_allclose(of_sigmoid, grad_cam(model, films[:1])[1][0, 0] * float(p * (1 - p)), atol=1e-6)


def test_the_last_concatenation_breaks_that_identity(model, films):
    logits, maps = grad_cam(model, films, "block2_concat")
    assert np.abs(maps.mean(axis=(2, 3)) + model.get_layer("logits").bias.numpy() - logits).max() > 1e-2


def test_batches_do_not_matter(model, films):
    for one, three in zip(grad_cam(model, films, "bn", batch_size=1), grad_cam(model, films, "bn"), strict=True):
        np.testing.assert_allclose(one, three, atol=1e-5)


def test_new_weights_are_seen(films):
    model = small_densenet(4)
    before = grad_cam(model, films)[1]
    kernel = model.get_layer("logits").kernel
    kernel.assign(2 * kernel)
    np.testing.assert_allclose(grad_cam(model, films)[1], 2 * before, rtol=1e-5)


def test_a_head_that_is_not_pooling_and_dense(films):
    base = small_densenet(5)
    x = keras.layers.GlobalMaxPooling2D()(base.get_layer("relu").output)
    model = keras.Model(base.input, keras.layers.Dense(2)(keras.layers.Dense(6, activation="tanh")(x)))
    np.testing.assert_allclose(grad_cam(model, films)[1], by_tape(model, films, "relu"), atol=1e-5)


def test_evidence_against_every_finding_is_zero_after_the_relu_not_nan(films):
    model = small_densenet(6)
    dense = model.get_layer("logits")
    dense.kernel.assign(-np.abs(dense.kernel.numpy()) - 0.1)
    maps = grad_cam(model, films)[1]
    assert maps.max() <= 0 and (np.maximum(maps, 0) == 0).all()


def nested():
    inner = small_densenet()
    inputs = keras.Input((32, 32, 3))
    return keras.Model(inputs, inner(inputs), name="outer")


def sequential():
    return keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3, name="relu"),
                             keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])  # fmt: skip


class Subclassed(keras.Model):
    def call(self, films):
        return films


@pytest.mark.parametrize(
    ("make", "layer", "words"),
    [
        (nested, "relu", "holds a whole model as its layer small_densenet"),
        (sequential, "relu", "functional"),
        (Subclassed, "relu", "functional"),
        (lambda: "densenet", "relu", "pass .model"),
        (lambda: small_densenet(activation="sigmoid"), "relu", "on logits"),
        (small_densenet, "conv5_block16_concat", "no layer 'conv5_block16_concat'"),
        (small_densenet, "pool", "no map"),
        (lambda: keras.Model((m := small_densenet()).input, [m.output, m.output]), "relu", "one output"),
    ],
)
def test_models_and_layers_that_cannot_be_explained(make, layer, words, films):
    with pytest.raises(CourseError, match=words):
        grad_cam(make(), films, layer)


@pytest.mark.parametrize("wrong", [np.zeros((32, 32, 3)), np.zeros((1, 32, 32, 1)), np.zeros((0, 32, 32, 3)),
                                   np.zeros((1, 32, 32, 3), np.uint8), np.zeros((1, 40, 32, 3))])  # fmt: skip
def test_films_that_were_not_preprocessed(model, wrong):
    with pytest.raises(CourseError, match="preprocessing"):
        grad_cam(model, wrong)


@pytest.mark.parametrize("shape", [(2, 2), (10, 10), (1, 1), (7, 3)])
def test_upsample_equals_two_libraries(shape):
    cam = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    large = upsample(cam, (40, 64))
    np.testing.assert_allclose(large, Image.fromarray(cam).resize((64, 40), Image.Resampling.BILINEAR), atol=1e-4)
    np.testing.assert_allclose(large, cv2.resize(cam, (64, 40), interpolation=cv2.INTER_LINEAR), atol=1e-4)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_films_with_pixels_that_are_no_numbers(model, films, broken):
    spoiled = films.copy()
    spoiled[1, 3, 4, 0] = broken
    for method in METHODS.values():
        with pytest.raises(CourseError, match=r"Film 1 \(from 0\) has pixels that are not numbers"):
            method(model, spoiled)


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, "8", None])
def test_a_batch_has_at_least_one_film(model, films, batch_size):
    for method in (grad_cam, occlusion):
        with pytest.raises(CourseError, match="at least 1"):
            method(model, films, batch_size=batch_size)


def test_films_of_different_shapes_and_layers_that_are_no_names(model, films):
    with pytest.raises(CourseError, match="preprocessing"):
        grad_cam(model, [films[0], films[0][:-1]])
    for layer in (["relu"], None, 3):
        with pytest.raises(CourseError, match="has no layer"):
            grad_cam(model, films, layer)


@pytest.mark.parametrize("size", [(0, 4), (4,), (4.5, 4), 4, "ab"])
def test_upsample_needs_a_size(size):
    with pytest.raises(CourseError, match=r"needs a size \(height, width\)"):
        upsample(np.zeros((2, 2)), size)


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
