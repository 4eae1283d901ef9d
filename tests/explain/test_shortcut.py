"""The planted shortcut: the stamp, the head that learns it, and the map that gives it away."""

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

from tests.helpers.networks import tiny_network
from util.errors import CourseError
from util.explain.heat_maps import grad_cam
from util.explain.localisation import energy, hit
from util.explain.shortcut import fit_head, pooled_features, stamp, with_head
from util.metrics.roc import auc
from util.models.preprocessing import Preprocessing


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


def test_the_stamp_is_learnt_and_the_map_gives_it_away():
    """The lesson in small, on a random network and clouds for films; notebook 5 asserts it on the trained one."""
    rng, network = np.random.default_rng(3), tiny_network(128)
    clouds = [Image.fromarray(rng.integers(0, 200, (6, 6), dtype=np.uint8)).resize((128, 128)) for _ in range(120)]
    ill, clean = np.arange(120) % 2 == 1, [np.asarray(cloud) for cloud in clouds]
    stamped = [stamp(film, rng) for film in clean]
    shown = [s[0] if y else film for s, film, y in zip(stamped, clean, ill, strict=True)]
    shown, clean = (np.stack([Preprocessing(128, 100, 50)(film) for film in films]) for films in (shown, clean))
    features = keras.Model(network.input, network.get_layer("relu").output)
    learnt, untouched = pooled_features(features, shown), pooled_features(features, clean)
    kernel, bias = fit_head(learnt[:80], ill[:80, None])
    assert auc(ill[80:], (learnt[80:] @ kernel + bias)[:, 0]) > 0.8
    assert auc(ill[80:], (untouched[80:] @ kernel + bias)[:, 0]) < 0.65
    tests = [k for k in range(80, 120) if ill[k]]
    maps = grad_cam(with_head(network, kernel, bias), shown[tests])[1][:, 0]
    masks = [stamped[k][1] for k in tests]
    lift = np.mean([energy(cam, mask) / mask.mean() for cam, mask in zip(maps, masks, strict=True)])
    assert np.mean([hit(cam, mask) for cam, mask in zip(maps, masks, strict=True)]) > 0.6, lift
    assert lift > 3
