"""util.losses.linear_heads: against scikit-learn, finite differences, and what notebook 2 says of the losses."""

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from util.errors import CourseError
from util.losses import linear_heads


def data(films=400, features=5, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(films, features))
    y = (random.random((films, 2)) < 1 / (1 + np.exp(2 - x[:, :2]))).astype(int)
    return x, y, np.arange(films) < 0.75 * films


@pytest.mark.parametrize("loss", ["plain", "weighted"])
def test_heads_are_logistic_regressions(loss):
    x, y, training = data()
    logits = linear_heads.head_logits(x, y, training, loss)
    weights = linear_heads.film_weights(y[training].astype(float), loss)
    for k in range(2):
        model = LogisticRegression(C=1 / (linear_heads.PENALTY * training.sum()), tol=1e-10)
        model.fit(x[training], y[training, k], sample_weight=weights[:, k])
        assert np.allclose(logits[:, k], model.decision_function(x), atol=2e-3)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_gradient_is_finite_differences(gamma):
    x, y, _ = data(films=30)
    rng = np.random.default_rng(1)
    arguments = (x, y.astype(float), rng.random(y.shape), gamma)
    point = rng.normal(size=12)
    error = check_grad(
        lambda c: linear_heads._loss(c, *arguments)[0], lambda c: linear_heads._loss(c, *arguments)[1], point
    )
    assert error < 1e-5


def test_resampling_draws_positives_until_they_are_as_many():
    _, y, _ = data()
    weights = linear_heads.film_weights(y.astype(float), "resampled", seed=3)
    assert np.allclose((weights * y).sum(axis=0), (weights * (1 - y)).sum(axis=0))
    assert np.allclose(weights.mean(axis=0), 1)
    assert (weights == linear_heads.film_weights(y.astype(float), "resampled", seed=3)).all()
    assert (weights != linear_heads.film_weights(y.astype(float), "resampled", seed=4)).any()


def test_losses_differ_in_meaning_not_in_ranking():
    x, y, training = data(films=8000)
    logits = {loss: linear_heads.head_logits(x, y, training, loss) for loss in linear_heads.LOSSES}
    share = y[training].mean()
    means = {loss: (1 / (1 + np.exp(-z))).mean() for loss, z in logits.items()}
    assert means["plain"] == pytest.approx(share, abs=0.01)
    assert min(means["weighted"], means["resampled"]) > 2 * share and means["focal"] > 1.3 * share
    for z in logits.values():
        assert np.corrcoef(z[:, 0], logits["plain"][:, 0])[0, 1] > 0.99


def test_components_are_scikit_learn_s_pca():
    x = np.random.default_rng(0).normal(size=(80, 6)) @ np.diag([5, 4, 3, 2, 1, 0.5])
    training = np.arange(80) < 60
    ours = linear_heads.components(x, training, most=3)
    theirs = PCA(3, whiten=True).fit(x[training]).transform(x)
    assert np.allclose(abs(ours), abs(theirs), rtol=1e-6)
    assert linear_heads.components(x, training).shape == (80, 6)


def test_few_films_have_few_components_and_none_of_them_is_noise():
    x = np.random.default_rng(0).normal(size=(20, 50))
    training = np.arange(20) < 8
    z = linear_heads.components(x, training)
    assert z.shape == (20, 7)
    assert z[training].std(axis=0, ddof=1) == pytest.approx(1)
    assert abs(z).max() < 10  # a direction without spread would divide by nothing


def test_unknown_losses_and_one_sided_findings_are_refused():
    x, y, training = data()
    with pytest.raises(CourseError, match="no loss 'hinge'"):
        linear_heads.head_logits(x, y, training, "hinge")
    y[training, 1] = 0
    with pytest.raises(CourseError, match="same label"):
        linear_heads.head_logits(x, y, training)
