"""Sanity checks and faithfulness: against SciPy and brute force, on networks that must pass and must fail."""

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from tests.helpers.networks import tiny_network
from util.errors import CourseError
from util.explain.heat_maps import grad_cam
from util.explain.sanity import area_under, faithfulness, middle_first, randomisation, rank_correlation, restored


@pytest.fixture(scope="module")
def network():
    return tiny_network()


@pytest.fixture(scope="module")
def films():
    return np.random.default_rng(1).normal(size=(3, 32, 32, 3)).astype(np.float32)


def edges(model, films, layer="relu", batch_size=8):
    """A 'map' that ignores the model: the mean of the film."""
    logits = model.predict_on_batch(films)
    pooled = films[..., 0].reshape(len(films), 4, 8, 4, 8).mean(axis=(2, 4))
    return logits, np.repeat(pooled[:, None], logits.shape[1], axis=1)


def test_rank_correlation_equals_scipy():
    rng = np.random.default_rng(2)
    a = np.round(rng.normal(size=(4, 3, 5, 6)), 1)  # with ties
    b = a + rng.normal(size=a.shape)
    ours = rank_correlation(a, b)
    for place in np.ndindex(4, 3):
        assert ours[place] == pytest.approx(spearmanr(a[place].ravel(), b[place].ravel()).statistic)
    assert rank_correlation(np.zeros((2, 2)), b[0, 0, :2, :2]) == 0


def test_a_map_of_the_model_changes_and_one_of_the_film_does_not(network, films):
    before = [v.numpy().copy() for v in network.variables]
    own = randomisation(network, films, layer="pool3_relu")  # 4 x 4 places; the last ReLU of this network has one
    blind = randomisation(network, films, method=edges)
    assert list(own.index) == ["intact", "logits", "bn", "conv"]
    assert own.shape == (4, 14)
    assert own.loc["intact"].to_numpy() == pytest.approx(1)
    assert own.iloc[1:].to_numpy().mean() < 0.6
    assert blind.to_numpy() == pytest.approx(1)
    for variable, value in zip(network.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_a_map_that_only_turns_its_sign_has_not_changed(network, films):
    rng = np.random.default_rng(4)

    def flipping(model, films, layer="relu"):
        logits, maps = edges(model, films)
        return logits, maps * rng.choice([-1, 1], maps.shape[:2])[..., None, None]

    assert randomisation(network, films, method=flipping).to_numpy() == pytest.approx(1)


def test_correlations_are_the_mean_of_the_seeds(network, films):
    one, other, both = (randomisation(network, films, "pool3_relu", seeds=s) for s in ((0,), (5,), (0, 5)))
    np.testing.assert_allclose(both, (one + other) / 2)
    assert not np.allclose(one.iloc[1:], other.iloc[1:])


def test_the_middle_comes_first_whatever_the_film():
    middle = middle_first(3, 5)
    assert middle.shape == (3, 5)
    assert middle.argmax() == 7
    np.testing.assert_array_equal(middle, middle[::-1, ::-1])
    assert middle[1, 0] == -2
    assert middle[0, 2] == -1


def test_weights_come_back_after_an_error(network):
    before = network.get_weights()
    with pytest.raises(ZeroDivisionError), restored(network):
        network.get_layer("logits").kernel.assign(np.zeros((16, 14)))
        _ = 1 / 0
    for now, value in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, value)


def test_deletion_and_insertion_equal_brute_force(network, films):
    maps = grad_cam(network, films)[1][:, 3]
    assert maps.shape == (3, 1, 1)
    cells = np.random.default_rng(3).normal(size=(3, 4, 4))
    curves = faithfulness(network, films, [3, 3, 5], {"middle": 0 * cells, "map": cells}, shares=(0, 0.25, 1))
    assert len(curves) == 3 * 3 * 3
    assert list(curves["order"].unique()) == ["middle", "map", "random"]
    for row in curves[curves["order"] == "map"].itertuples():
        first = np.zeros(16, bool)
        first[np.argsort(-cells[row.film].ravel())[: round(row.share * 16)]] = True
        first = np.kron(first.reshape(4, 4), np.ones((8, 8)))[..., None]
        k = [3, 3, 5][row.film]
        for value, kept in ((row.deletion, 1 - first), (row.insertion, first)):
            expected = network.predict_on_batch((films[row.film] * kept)[None].astype(np.float32))[0, k]
            assert value == pytest.approx(expected, abs=1e-5)


def linear_network():
    """Pixels above all are evidence: the map ranks them exactly."""
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.AveragePooling2D(8, name="relu")(inputs)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(1, kernel_initializer="ones")(x))


def test_no_order_deletes_faster_than_the_map_of_a_linear_network(films):
    model = linear_network()
    maps = grad_cam(model, films)[1][:, 0]
    curves = faithfulness(model, films, [0, 0, 0], {"map": maps})
    for what, sign in (("deletion", -1), ("insertion", 1)):
        areas = area_under(curves, what)
        assert (sign * (areas["map"] - areas["random"]) > 0).all(), what
    whole = model.predict_on_batch(films)[:, 0]
    ends = curves[curves["order"] == "map"].set_index(["film", "share"])
    assert ends["deletion"].xs(0.0, level="share").to_numpy() == pytest.approx(whole, abs=1e-5)
    assert ends["insertion"].xs(1.0, level="share").to_numpy() == pytest.approx(whole, abs=1e-5)


def test_area_is_the_trapezoid_rule():
    rows = [{"film": 0, "order": "map", "share": s, "deletion": v} for s, v in ((0, 2.0), (0.5, 0.0), (1, 2.0))]
    assert area_under(pd.DataFrame(rows), "deletion").loc[0, "map"] == pytest.approx(1)


def test_wrong_input_is_told(network, films):
    maps = np.zeros((3, 4, 4))
    for rankings, findings in (({"map": maps}, [1]), ({"map": maps, "other": maps[:2]}, [1, 1, 1]), ({}, [1, 1, 1])):
        with pytest.raises(CourseError, match="for each film"):
            faithfulness(network, films, findings, rankings)
    with pytest.raises(CourseError, match="grow from 0 to 1"):
        faithfulness(network, films, [1, 1, 1], {"map": maps}, shares=(0.5, 0.1))
