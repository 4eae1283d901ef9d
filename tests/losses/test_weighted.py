"""util.losses.weighted: against scikit-learn, closed forms, finite differences and a simulated training."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from util.errors import CourseError
from util.losses.weighted import class_weights, focal_loss, undo_weighting, weighted_cross_entropy, weighted_loss


def batch(seed, films=40, findings=5, spread=3.0):
    """Labels with every finding on both sides, and logits."""
    random = np.random.default_rng(seed)
    y = (random.random((films, findings)) < 0.3).astype(int)
    y[0], y[1] = 1, 0
    return y, spread * random.normal(size=y.shape)


tables = arrays(np.int8, st.tuples(st.integers(3, 20), st.integers(1, 5)), elements=st.integers(0, 1))


@given(tables)
def test_weights_balance_each_finding(y):
    y[0], y[1] = 1, 0
    positive, negative = class_weights(y)
    assert positive.dtype == negative.dtype == np.float64
    assert np.allclose(positive + negative, 1)
    of_positives, of_negatives = (positive * y).sum(axis=0), (negative * (1 - y)).sum(axis=0)
    assert np.allclose(of_positives, of_negatives)
    assert np.allclose(of_positives + of_negatives, 2 * y.mean(0) * (1 - y.mean(0)) * len(y))


@given(tables)
def test_equalised_weights_balance_findings_too(y):
    y[0], y[1] = 1, 0
    positive, negative = class_weights(y, equalise=True)
    p = y.mean(axis=0)
    assert np.allclose(positive * p, 0.5) and np.allclose(negative * (1 - p), 0.5)
    assert np.allclose(positive / negative, np.divide(*class_weights(y)))  # so undo_weighting undoes these as well
    assert np.isclose(weighted_cross_entropy(y, np.zeros(y.shape), positive, negative), np.log(2))


def test_a_finding_without_positives_or_negatives_is_named():
    labels = pd.DataFrame({"Mass": [0, 1, 0], "Hernia": [0, 0, 0], "Edema": [1, 1, 1]})
    with pytest.raises(CourseError, match="Hernia, Edema: all 3 training films"):
        class_weights(labels)
    with pytest.raises(CourseError, match="column 1"):
        class_weights(labels.to_numpy())


@pytest.mark.parametrize("bad", [[[0.5], [1]], [[np.nan], [1]], [[2], [0]], [0, 1, 0], np.zeros((0, 3))])
def test_labels_that_are_not_0_or_1_or_not_a_table_are_refused(bad):
    with pytest.raises(CourseError):
        class_weights(bad)
    with pytest.raises(CourseError):
        weighted_cross_entropy(bad, np.zeros(np.shape(bad)), [1.0], [1.0])


@pytest.mark.parametrize("seed", range(5))
def test_loss_is_scikit_learns_log_loss_with_sample_weights(seed):
    y, z = batch(seed)
    positive, negative = class_weights(y)
    each = [
        log_loss(y[:, k], 1 / (1 + np.exp(-z[:, k])), sample_weight=w) * w.mean()
        for k, w in enumerate(np.where(y, positive, negative).T)
    ]
    assert np.isclose(weighted_cross_entropy(y, z, positive, negative), np.mean(each), rtol=1e-12)


def test_closed_form_at_logit_zero():
    """Whatever the labels, each finding then costs 2 p (1 - p) log 2."""
    y, _ = batch(0)
    p = y.mean(axis=0)
    loss = weighted_cross_entropy(y, np.zeros(y.shape), *class_weights(y))
    assert np.isclose(loss, np.mean(2 * p * (1 - p)) * np.log(2), rtol=1e-14)


@pytest.mark.parametrize("z", [0.0, 1.0, -40.0, 100.0, -100.0, 1000.0, -1e300, 1e300])
def test_extreme_logits_cost_what_they_should(z):
    one = np.ones(1)
    assert weighted_cross_entropy([[1]], [[z]], one, one) == pytest.approx(_softplus(-z), rel=1e-12, abs=0)
    assert weighted_cross_entropy([[0]], [[z]], one, one) == pytest.approx(_softplus(z), rel=1e-12, abs=0)


def _softplus(z):
    """log(1 + exp(z)) by the branch that is exact on each side."""
    return z + np.log1p(np.exp(-z)) if z > 0 else float(np.log1p(np.exp(z)))


@given(st.integers(0, 1000), st.floats(-20, 20))
def test_loss_is_convex_along_any_line_and_never_negative(seed, shift):
    y, z = batch(seed, films=6, findings=3)
    weights = class_weights(y)
    ends = [weighted_cross_entropy(y, z, *weights), weighted_cross_entropy(y, z + shift, *weights)]
    assert 0 <= weighted_cross_entropy(y, z + shift / 2, *weights) <= np.mean(ends) + 1e-12


@pytest.mark.parametrize(
    ("z", "weights"),
    [
        (np.full((2, 1), np.nan), ([1.0], [1.0])),
        (np.full((2, 1), np.inf), ([1.0], [1.0])),
        (np.zeros((2, 2)), ([1.0], [1.0])),
        (np.zeros(2), ([1.0], [1.0])),
        (np.zeros((2, 1)), ([1.0, 1.0], [1.0, 1.0])),
        (np.zeros((2, 1)), (1.0, 1.0)),
        (np.zeros((2, 1)), ([-1.0], [1.0])),
        (np.zeros((2, 1)), ([np.nan], [1.0])),
    ],
)
def test_bad_logits_and_weights_are_refused(z, weights):
    with pytest.raises(CourseError):
        weighted_cross_entropy([[1], [0]], z, *weights)


def test_keras_loss_is_the_reference():
    keras = pytest.importorskip("keras")
    for seed, spread in [(0, 1.0), (1, 30.0), (2, 300.0)]:
        y, z = batch(seed, spread=spread)
        weights = class_weights(y)
        loss = weighted_loss(*weights)
        each = np.asarray(keras.ops.convert_to_numpy(loss.call(y.astype("float32"), z.astype("float32"))))
        mean = np.asarray(keras.ops.convert_to_numpy(loss(y, z.astype("float32"))))
        assert each.shape == y.shape and each.dtype == mean.dtype == np.float32
        assert np.isclose(mean, weighted_cross_entropy(y, z.astype("float32"), *weights), rtol=1e-5)
        assert np.isclose(each.mean(), mean, rtol=1e-5)


def test_keras_loss_heeds_sample_weights_and_masks():
    keras = pytest.importorskip("keras")
    y, z = batch(4)
    weights = class_weights(y)
    loss, random = weighted_loss(*weights), np.random.default_rng(0)
    each = loss.call(y.astype("float32"), keras.ops.cast(z, "float32"))
    each = np.asarray(keras.ops.convert_to_numpy(each), float)
    for weight in (random.random(len(y)), random.random(y.shape)):
        expected = np.mean(each * weight.reshape(len(y), -1))
        assert np.isclose(float(loss(y, z, sample_weight=weight.astype("float32"))), expected, rtol=1e-5)
    for known in (random.random(len(y)) < 0.7, random.random(y.shape) < 0.7):  # some films, or labels, nobody knows
        logits = keras.ops.convert_to_tensor(z.astype("float32"))
        logits._keras_mask = keras.ops.convert_to_tensor(known)
        assert np.isclose(float(loss(y, logits)), each[known].mean(), rtol=1e-5)
    assert np.isclose(float(loss(y, z, sample_weight=known.astype("float32"))) * y.size, each[known].sum(), rtol=1e-5)


@pytest.mark.parametrize("shape", [(40, 1), (1, 5), (40,), (5,), (39, 5), (40, 5, 1)])
def test_keras_loss_repeats_no_labels(shape):
    pytest.importorskip("keras")
    y, z = batch(0)
    with pytest.raises(CourseError, match=r"labels of shape .* and logits of shape \(40, 5\); give equal shapes"):
        weighted_loss(*class_weights(y))(np.zeros(shape, np.float32), z.astype("float32"))


@pytest.mark.parametrize("bad", [-1, -0.001, 1.001, 2, 255, np.nan, np.inf])
def test_keras_loss_refuses_what_is_no_label_unless_its_weight_is_zero(bad):
    keras = pytest.importorskip("keras")
    y, z = batch(1)
    loss, labels, weight = weighted_loss(*class_weights(y)), y.astype("float32"), np.ones(y.shape, "float32")
    labels[3, 2], weight[3, 2] = bad, 0
    for more in (None, weight * 0 + 1):
        with pytest.raises(CourseError, match="not between 0 and 1"):
            loss(labels, z, sample_weight=more)
    left_out = float(loss(labels, z, sample_weight=weight))
    assert left_out == float(loss(y, z, sample_weight=weight)) and np.isfinite(left_out)
    whole_film = np.ones(len(y), "float32")
    whole_film[3] = 0
    assert float(loss(labels, z, sample_weight=whole_film)) == float(loss(y, z, sample_weight=whole_film))
    logits = keras.ops.convert_to_tensor(z.astype("float32"))
    logits._keras_mask = keras.ops.convert_to_tensor(weight > 0)
    known = np.asarray(keras.ops.convert_to_numpy(loss.call(y.astype("float32"), z.astype("float32"))))[weight > 0]
    assert np.isclose(float(loss(labels, logits)), known.mean(), rtol=1e-5)


def test_labels_between_0_and_1_are_shares():
    pytest.importorskip("keras")
    loss = weighted_loss([0.5], [0.5])
    half, ends = float(loss([[0.5]], [[2.0]])), [float(loss([[label]], [[2.0]])) for label in (0.0, 1.0)]
    assert np.isclose(half, np.mean(ends))


@pytest.mark.filterwarnings("ignore")  # Keras, on NaN
def test_a_compiled_training_on_what_is_no_label_shows_nan_and_weights_leave_it_out():
    keras = pytest.importorskip("keras")
    y, _ = batch(5, findings=3)
    x = np.random.default_rng(0).normal(size=(len(y), 4)).astype("float32")
    labels, weight = y.astype("float32"), np.ones(y.shape, "float32")
    labels[3, 2], weight[3, 2] = -1, 0

    def train(labels, weight):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        model.compile("sgd", loss=weighted_loss(*class_weights(y)))
        history = model.fit(x, labels, sample_weight=weight, epochs=2, verbose=0, shuffle=False)
        return history.history["loss"][-1], model.get_weights()

    assert np.isnan(train(labels, None)[0])
    loss, weights = train(labels, weight)
    wanted, these = train(y.astype("float32"), weight)
    assert loss == wanted and all((a == b).all() for a, b in zip(weights, these, strict=True))
    labels[3, 2] = np.nan
    assert train(labels, weight)[0] == wanted


@pytest.mark.parametrize("weights", [([-0.1], [1.0]), ([1.0], [-0.1]), ([1.0], [np.nan]), ([np.nan], [1.0])])
def test_each_of_both_weights_is_looked_at(weights):
    with pytest.raises(CourseError, match="negative or not numbers"):
        weighted_cross_entropy([[1], [0]], np.zeros((2, 1)), *weights)
    with pytest.raises(CourseError, match="negative or not numbers"):
        weighted_loss(*weights)


def test_a_weight_of_zero_is_a_weight():
    assert weighted_cross_entropy([[1], [0]], np.zeros((2, 1)), [0.0], [1.0]) == pytest.approx(np.log(2) / 2)
    assert weighted_cross_entropy([[1], [0]], np.zeros((2, 1)), [1.0], [0.0]) == pytest.approx(np.log(2) / 2)


@pytest.mark.parametrize("weights", [([1.0], [1.0, 1.0]), ([[1.0]], [[1.0]]), ([1.0, 1.0], [1.0, 1.0])])
def test_one_weight_a_finding(weights):
    with pytest.raises(CourseError, match="for 1 findings; give one number per finding"):
        weighted_cross_entropy([[1], [0]], np.zeros((2, 1)), *weights)


@pytest.mark.parametrize("z", [1e4, -1e4, 3e38, -3e38])
def test_keras_loss_and_slope_are_finite_at_the_extremes(z):
    tf = pytest.importorskip("tensorflow")
    y = np.array([[1.0, 0.0]], "float32")
    logits = tf.constant([[z, z]], "float32")
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = weighted_loss([0.9, 0.9], [0.1, 0.1])(y, logits)
    slope = tape.gradient(loss, logits).numpy()[0]
    assert np.isfinite(float(loss)) and np.allclose(slope, [0, 0.05] if z > 0 else [-0.45, 0], atol=1e-6)
    wanted = weighted_cross_entropy(y, [[z, z]], [0.9, 0.9], [0.1, 0.1])
    assert np.isclose(float(loss), wanted, rtol=1e-5)


def test_keras_loss_is_saved_with_its_model(tmp_path):
    keras = pytest.importorskip("keras")
    y, _ = batch(5, findings=3)
    x = np.random.default_rng(0).normal(size=(len(y), 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile("sgd", loss=weighted_loss(*class_weights(y)))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.loss) is type(model.loss) and again.loss.get_config() == model.loss.get_config()
    again.fit(x, y.astype("float32"), sample_weight=np.zeros(len(y)), epochs=1, verbose=0)  # teaches nothing
    values = [float(m.evaluate(x, y.astype("float32"), verbose=0)) for m in (model, again)]
    assert np.isclose(*values) and np.isclose(values[0], float(model.loss(y, model(x))), rtol=1e-5)


def test_keras_gradient_is_finite_differences_even_where_the_sigmoid_is_flat():
    """For one film the gradient is w- sigmoid(z) or w+ (sigmoid(z) - 1), divided by the number of findings."""
    tf = pytest.importorskip("tensorflow")
    y = np.array([[1, 0, 1, 0, 1, 0]])
    z = np.array([[-2.0, 1.5, -100.0, 100.0, 100.0, -100.0]])
    positive, negative = np.linspace(0.5, 0.9, 6), np.linspace(0.5, 0.1, 6)
    logits = tf.constant(z, "float32")
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = weighted_loss(positive, negative)(y, logits)
    gradient = tape.gradient(loss, logits).numpy()[0]
    step = 1e-5 * np.eye(6)
    differences = [
        (weighted_cross_entropy(y, z + h, positive, negative) - weighted_cross_entropy(y, z - h, positive, negative))
        / 2e-5
        for h in step
    ]
    assert np.allclose(gradient, differences, rtol=1e-4, atol=1e-8)
    assert np.allclose(gradient[2:4] * 6, [-positive[2], negative[3]])  # the films most wrong teach most


def test_keras_loss_trains_in_mixed_precision_and_names_a_wrong_width():
    keras = pytest.importorskip("keras")
    y, z = batch(3, spread=50.0)
    weights = class_weights(y)
    half = keras.ops.cast(z, "bfloat16")
    value = float(weighted_loss(*weights)(y, half))
    rounded = keras.ops.convert_to_numpy(keras.ops.cast(half, "float32"))
    assert np.isclose(value, weighted_cross_entropy(y, rounded, *weights), rtol=1e-5)
    with pytest.raises(CourseError, match="5 outputs, the loss 4 weights"):
        weighted_loss(*(w[:4] for w in weights))(y, z)


def test_focal_loss_is_its_equation():
    y, z = batch(6)
    q = np.where(y == 1, 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(z)))
    for gamma in (0, 0.5, 2, 5):
        assert np.isclose(focal_loss(y, z, gamma), np.mean((1 - q) ** gamma * -np.log(q)))
    ones = np.ones(y.shape[1])
    assert np.isclose(focal_loss(y, z, 0), weighted_cross_entropy(y, z, ones, ones))
    assert focal_loss([[1], [0]], [[-1e4], [1e4]]) == pytest.approx(1e4)
    assert focal_loss([[1], [0]], [[1e4], [-1e4]]) == 0


def test_focal_loss_is_not_proper():
    """Films that look alike, a tenth positive: the best answer is not a tenth, and no weights are to blame."""
    y = np.repeat([[1], [0]], [1, 9], axis=0)
    grid = np.linspace(-4, 2, 601)
    best = {gamma: grid[np.argmin([focal_loss(y, np.full((10, 1), z), gamma) for z in grid])] for gamma in (0, 2)}
    assert best[0] == pytest.approx(np.log(1 / 9), abs=0.01)
    assert best[2] > best[0] + 0.5


@pytest.mark.parametrize("gamma", [-1, np.nan])
def test_focal_loss_needs_a_gamma(gamma):
    with pytest.raises(CourseError, match="Gamma"):
        focal_loss([[1]], [[0.0]], gamma)


def test_training_with_weights_then_undoing_them_is_training_without():
    """Oracle: logistic regression with and without the weights, on data where the model is exact."""
    random = np.random.default_rng(0)
    y = (random.random(20_000) < 0.1).astype(int)
    x = (random.normal(size=len(y)) + 1.5 * y)[:, None]
    positive, negative = class_weights(y[:, None])
    plain = LogisticRegression(C=np.inf).fit(x, y).decision_function(x)
    weighted = (
        LogisticRegression(C=np.inf).fit(x, y, sample_weight=np.where(y, positive, negative)).decision_function(x)
    )
    undone = undo_weighting(weighted[:, None], [y.mean()])[:, 0]
    assert np.isclose((1 / (1 + np.exp(-undone))).mean(), y.mean(), rtol=0.02)
    assert abs(undone - plain).max() < 0.25 < abs(weighted - plain).min()


@given(st.floats(1e-6, 1 - 1e-6), st.floats(-30, 30))
def test_undo_weighting_is_bayes_rule(p, z):
    """Odds at half prevalence times p / (1 - p); closed form, and it is undone by the opposite prevalence."""
    calibrated = undo_weighting([z], [p])[0]
    assert np.isclose(calibrated, np.log(np.exp(z) * p / (1 - p)), rtol=1e-9, atol=1e-9)
    assert np.isclose(undo_weighting([calibrated], [1 - p])[0], z, atol=1e-9)


def test_undo_weighting_finds_the_minimum_of_the_loss():
    """4 films, 1 positive, one logit for all: the weighted loss is least at 0, which undone is logit(1/4)."""
    y = np.array([[1], [0], [0], [0]])
    grid = np.linspace(-3, 3, 6001)
    losses = [weighted_cross_entropy(y, np.full((4, 1), z), *class_weights(y)) for z in grid]
    best = grid[np.argmin(losses)]
    assert abs(best) < 1e-9
    assert np.isclose(undo_weighting([best], [0.25])[0], np.log(0.25 / 0.75))


@pytest.mark.parametrize("p", [0, 1, -0.1, np.nan])
def test_undo_weighting_needs_a_prevalence(p):
    with pytest.raises(CourseError, match="strictly between"):
        undo_weighting([0.0], [p])


def test_importing_the_module_is_light():
    code = "import sys, util.losses.weighted; print('keras' in sys.modules or 'tensorflow' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
