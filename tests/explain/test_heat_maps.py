"""Grad-CAM against automatic and numerical differentiation, the identities it must obey, and models it must refuse."""

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.helpers.heat_maps import FINDINGS, by_tape, small_densenet
from util.errors import CourseError
from util.explain.heat_maps import METHODS, grad_cam, grad_cam_pp, gradient_input, hires_cam, occlusion, upsample


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


def test_gradient_input_equals_pixel_by_pixel(model, films):
    logits, maps = gradient_input(model, films)
    np.testing.assert_allclose(logits, model.predict_on_batch(films), atol=1e-5)
    seen, done = tf.constant(films), []
    with tf.GradientTape() as tape:
        tape.watch(seen)
        logit = model(seen)[:, 2]
    product = (tape.gradient(logit, seen).numpy() * films).sum(axis=-1)
    patches = product.reshape(len(films), 8, 4, 8, 4).sum(axis=(2, 4))
    np.testing.assert_allclose(maps[:, 2], patches * 64, rtol=1e-3, atol=1e-4)
    gradient_input(model, films[:1], watch=lambda *step: done.append(step))
    assert done == [(k + 1, FINDINGS) for k in range(FINDINGS)]


def test_gradient_input_of_a_linear_network_adds_up_to_the_logit(films):
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.AveragePooling2D(8, name="relu")(inputs)
    outputs = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 1, use_bias=False)(x)))
    network = keras.Model(inputs, outputs)
    logits, maps = gradient_input(network, films)
    np.testing.assert_allclose(maps.mean(axis=(2, 3)), logits, atol=1e-5)  # the bias is zero
    np.testing.assert_allclose(maps, 16 * occlusion(network, films)[1], atol=1e-4)


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
