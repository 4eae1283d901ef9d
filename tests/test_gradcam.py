"""Grad-CAM against automatic and numerical differentiation, the identities it must obey, and models it must refuse."""

import json
from functools import cache
from pathlib import Path

import cv2
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from util.errors import CourseError
from util.gradcam import constant_point, coverage, grad_cam, hit, inside, peak, upsample

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
    assert peak(maps[0, 0], (32, 32)) is None and not hit(maps[0, 0], [(0, 0, 32, 32)], (32, 32))


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


finite = st.floats(-10, 10, width=32)
maps_2d = arrays.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=finite)


@settings(max_examples=50, deadline=None)
@given(maps_2d, st.integers(6, 30), st.integers(6, 30))
def test_upsample_stays_within_its_values_and_takes_any_number_of_maps(cam, height, width):
    large = upsample(cam, (height, width))
    assert large.shape == (height, width)
    assert cam.min() - 1e-4 <= large.min() and large.max() <= cam.max() + 1e-4
    np.testing.assert_allclose(upsample(np.stack([cam, -cam]), (height, width))[1], -large, atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(maps_2d)
def test_the_peak_is_where_the_enlarged_map_is_highest(cam):
    size = (cam.shape[0] * 4 + 4, cam.shape[1] * 4 + 4)
    point = peak(cam, size)
    if cam.max() <= 0:
        assert point is None
        return
    row, column = int(point[1] * cam.shape[0] / size[0]), int(point[0] * cam.shape[1] / size[1])
    assert cam[row, column] == cam.max()


def test_pointing_game_by_hand():
    cam = np.array([[0, 0, 0], [0, 0, 2.0], [0, 1, 0]])
    assert peak(cam, (30, 60)) == (50, 15)  # last column, middle row: x is the column
    assert hit(cam, [(45, 10, 10, 10)], (30, 60))
    assert not hit(cam, [(10, 45, 10, 10)], (30, 60))  # x and y exchanged
    assert not hit(cam, [(0, 0, 20, 10)], (30, 60))
    assert hit(cam, [(0, 0, 20, 10), (50, 15, 1, 1)], (30, 60))  # any box will do, borders count
    with pytest.raises(CourseError, match="No box"):
        hit(cam, [], (30, 60))
    with pytest.raises(CourseError, match="finite"):
        peak(np.array([[np.nan, 1]]), (30, 60))


def test_boxes_as_a_table_in_any_order_of_columns():
    boxes = pd.DataFrame({"h": [2.0], "w": [4.0], "finding": ["Mass"], "y": [1.0], "x": [10.0]})
    assert inside((13, 2), boxes) and not inside((11, 4), boxes)


def test_a_random_point_hits_in_proportion_to_the_coverage():
    boxes = [(10, 20, 30, 40), (30, 50, 40.5, 20)]  # they overlap by 10 x 10
    # 40.5 wide: the centre of the last pixel lies on the border, and borders count.
    assert coverage(boxes, (80, 100)) == pytest.approx((30 * 40 + 41 * 20 - 10 * 10) / 8000)
    points = np.random.default_rng(3).uniform(0, (100, 80), (4000, 2))
    share, expected = np.mean([inside(point, boxes) for point in points]), (30 * 40 + 40.5 * 20 - 10 * 10) / 8000
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000)


@settings(max_examples=30, deadline=None)
@given(arrays.arrays(float, st.tuples(st.integers(1, 8), st.just(4)), elements=st.floats(0, 1)))
def test_no_point_of_the_grid_lies_in_more_boxes_than_the_constant_point(boxes):
    grid = np.linspace(0, 1, 11)
    votes = {(x, y): sum(inside((x, y), [box]) for box in boxes) for x in grid for y in grid}
    assert votes[constant_point(boxes, steps=10)] == max(votes.values())


def test_constant_point_of_two_lungs_lies_in_one_of_them_not_between():
    lungs = [(0.1, 0.2, 0.2, 0.4), (0.1, 0.2, 0.2, 0.4), (0.7, 0.2, 0.2, 0.4)]
    assert constant_point(lungs) == pytest.approx((0.2, 0.4))


NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "05_gradcam.ipynb"


@settings(max_examples=50, deadline=None)
@given(maps_2d, st.lists(st.tuples(*[st.integers(0, 40)] * 4), min_size=1, max_size=3))
def test_the_notebook_hits_as_the_package_does(cam, boxes):
    table = pd.DataFrame(boxes, columns=["x", "y", "w", "h"])
    assert notebook_hit()(cam, table, (48, 64)) == hit(cam, table, (48, 64))


@cache
def notebook_hit():
    """The function `hit` as notebook 5 writes it."""
    cells = {cell["id"]: "".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text())["cells"]}
    names = {"np": np}
    exec(next(part for part in cells["hit"].split("\n\n\n") if part.startswith("def hit(")), names)
    return names["hit"]
