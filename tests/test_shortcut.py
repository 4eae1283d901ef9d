"""The planted shortcut: the stamp, the head that learns it, and the map that gives it away."""

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.conftest import tiny_network
from util.errors import CourseError
from util.evaluation import auc
from util.gradcam import grad_cam
from util.localisation import energy, hit
from util.shortcut import fit_head, pooled_features, stamp, with_head


def test_the_stamp_is_where_its_mask_says_and_nowhere_else():
    film = np.full((320, 300), 100, np.uint8)
    places = set()
    for seed in range(20):
        stamped, mask = stamp(film, np.random.default_rng(seed))
        assert set(np.unique(stamped[mask])) == {5, 250} and (stamped[~mask] == 100).all()
        rows, columns = np.nonzero(mask)
        assert mask.sum() == 33**2 and rows.max() < 320 // 5 and columns.max() < 300 // 5
        places.add((rows.min(), columns.min()))
    assert (film == 100).all() and len(places) > 10
    with pytest.raises(CourseError, match="64 pixels"):
        stamp(film[:20], np.random.default_rng(0))


def test_features_are_what_the_network_pools():
    network = tiny_network()
    films = np.random.default_rng(1).normal(size=(5, 32, 32, 3)).astype(np.float32)
    features = keras.Model(network.input, network.get_layer("relu").output)
    pooled = keras.Model(network.input, network.get_layer("pool").output)
    ours = pooled_features(features, films, batch_size=2)
    np.testing.assert_allclose(ours, pooled.predict_on_batch(films), atol=1e-6)


def test_the_head_is_logistic_regression_and_sits_on_the_frozen_network():
    rng, network = np.random.default_rng(2), tiny_network()
    films = rng.normal(size=(40, 32, 32, 3)).astype(np.float32)
    before = network.get_weights()
    features = pooled_features(keras.Model(network.input, network.get_layer("relu").output), films)
    labels = rng.integers(0, 2, (40, 2))
    kernel, bias = fit_head(features, labels)
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread == 0] = 1
    for k in (0, 1):
        line = LogisticRegression(max_iter=2000).fit((features - mean) / spread, labels[:, k])
        expected = line.decision_function((features - mean) / spread)
        np.testing.assert_allclose(features @ kernel[:, k] + bias[k], expected, atol=1e-3)
    logits, maps = grad_cam(with_head(network, kernel, bias), films[:3])
    np.testing.assert_allclose(logits, features[:3] @ kernel + bias, atol=1e-4)
    np.testing.assert_allclose(maps.mean(axis=(2, 3)) + bias, logits, atol=1e-4)
    for now, value in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, value)
    with pytest.raises(CourseError, match="both 0 and 1"):
        fit_head(features, np.ones((40, 1)))


def test_the_stamp_is_learnt_and_the_map_gives_it_away(pretrained, phantom_cohort):
    """The lesson itself, on the embedded weights: high AUC, map on the stamp, no stamp no AUC."""
    rng, films = np.random.default_rng(3), phantom_cohort.films["Image"][:60:2]
    ill = np.arange(len(films)) % 2 == 1
    clean = [phantom_cohort.read(image) for image in films]
    stamped = [stamp(film, rng) for film in clean]
    shown = [s[0] if y else film for s, film, y in zip(stamped, clean, ill, strict=True)]
    features = keras.Model(pretrained.model.input, pretrained.model.get_layer("relu").output)
    learnt = pooled_features(features, np.stack([pretrained.preprocessing(film) for film in shown]))
    untouched = learnt.copy()
    cleaned = [pretrained.preprocessing(film) for film, y in zip(clean, ill, strict=True) if y]
    untouched[ill] = pooled_features(features, np.stack(cleaned))
    kernel, bias = fit_head(learnt[:20], ill[:20, None])
    assert auc(ill[20:], (learnt[20:] @ kernel + bias)[:, 0]) > 0.8
    assert auc(ill[20:], (untouched[20:] @ kernel + bias)[:, 0]) < 0.7
    tests = [k for k in range(20, 30) if ill[k]]
    ready = np.stack([pretrained.preprocessing(shown[k]) for k in tests])
    maps = grad_cam(with_head(pretrained.model, kernel, bias), ready)[1][:, 0]
    masks = [stamped[k][1] for k in tests]
    assert np.mean([hit(cam, mask) for cam, mask in zip(maps, masks, strict=True)]) >= 0.8
    assert np.mean([energy(cam, mask) / mask.mean() for cam, mask in zip(maps, masks, strict=True)]) > 3
