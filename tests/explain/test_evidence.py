"""Two truths for a map, against closed forms of a linear network and brute force."""

import keras
import numpy as np
import pytest

from util.errors import CourseError
from util.explain.evidence import agreement, by_cell, restoration
from util.explain.heat_maps import occlusion


def linear(weights):
    """A network whose logits are weighted sums of the pixels: weights (pixels, findings)."""
    inputs = keras.Input((12, 12, 1))
    dense = keras.layers.Dense(weights.shape[1])
    model = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
    dense.set_weights([weights, np.zeros(weights.shape[1])])
    return model


def pairs(n=2, size=12, channels=1):
    rng = np.random.default_rng(3)
    films = rng.normal(size=(n, size, size, channels)).astype(np.float32)
    return films, films + rng.normal(size=films.shape).astype(np.float32)


def test_of_a_linear_network_the_patches_add_up_to_the_effect():
    weights = np.random.default_rng(1).normal(size=(144, 3))
    films, twins = pairs()
    moved = restoration(linear(weights), films, twins, [2, 0], (3, 4))
    for k, finding in enumerate((2, 0)):
        product = (twins - films)[k, ..., 0] * weights[:, finding].reshape(12, 12)
        expected = product.reshape(3, 4, 4, 3).sum((1, 3))
        np.testing.assert_allclose(moved[k], expected, atol=1e-4)
        assert moved[k].sum() == pytest.approx(product.sum(), abs=1e-3)


def test_restoring_gray_is_occlusion(model, films):
    _logits, maps = occlusion(model, films)
    findings = [1] * len(films)
    moved = restoration(model, np.zeros_like(films), films, findings, maps.shape[2:])
    np.testing.assert_allclose(moved, maps[:, 1], atol=1e-4)


def test_the_same_film_twice_moves_nothing(model, films):
    assert not restoration(model, films, films, [0] * len(films), (2, 3)).any()


def test_means_by_cell_are_those_of_reshaping():
    picture = np.random.default_rng(0).normal(size=(20, 30))
    np.testing.assert_allclose(by_cell(picture, (5, 6)), picture.reshape(5, 4, 6, 5).mean((1, 3)))
    np.testing.assert_allclose(by_cell(picture, picture.shape), picture)
    uneven = by_cell(picture, (3, 7))
    sizes = by_cell(np.ones((20, 30)), (3, 7))
    assert uneven.shape == (3, 7) and np.allclose(sizes, 1)


def test_agreement_is_scipy_s_of_the_positive_parts():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(2)
    cam, truth = rng.normal(size=(2, 5, 5))
    expected = spearmanr(np.maximum(cam, 0).ravel(), np.maximum(truth, 0).ravel()).statistic
    assert agreement(cam, truth) == pytest.approx(expected)
    assert agreement(cam, -np.ones((5, 5))) == 0


def test_bad_input_is_told():
    films, twins = pairs()
    with pytest.raises(CourseError, match="one finding for each pair"):
        restoration(None, films, twins, [0])
    with pytest.raises(CourseError, match="one shape"):
        restoration(None, films, twins[:, :6], [0, 0])
    with pytest.raises(CourseError, match="fewer cells"):
        by_cell(np.zeros((4, 4)), (5, 4))
