import numpy as np
import pandas as pd
import pytest
from scipy.special import logit, ndtr
from sklearn.metrics import roc_auc_score

from util.hospital import scores
from util.hospital.claims import members
from util.hospital.cohort import RARES, Roles
from util.hospital.estimates import OLD

ROLES = Roles(frozenset(), {"better": "Mass"}, {"subgroup": "AP", "labels": "women"}, "", "")
FILMS = 60_000


@pytest.fixture(scope="module")
def films():
    """Many films, two of each patient, a quarter with the finding."""
    rng = np.random.default_rng(0)
    return pd.DataFrame({
        "PatientId": np.arange(FILMS) // 2, "Mass": (rng.random(FILMS) < 0.25).astype(int), "Split": "test",
        "View": rng.choice(["AP", "PA"], FILMS), "Sex": "F", "Age": 50, "Site": "A",
    })  # fmt: skip


def drawn(films, key, planted, seed=1):
    return scores.DRAWS[key][0](films, "Mass", planted, ROLES, np.random.default_rng(seed))


def long_run(strength):
    """AUC of the binormal model with equal variances."""
    return ndtr(strength / np.sqrt(2))


@pytest.mark.parametrize("planted", [False, True])
def test_aucs_of_groups_are_those_of_the_binormal_model(films, planted):
    score, inside = drawn(films, "subgroup", planted)["Mass"], members(films, "AP")
    expected = (scores.BAD, scores.GOOD) if planted else (scores.USUAL, scores.USUAL)
    for group, strength in zip((inside, ~inside), expected, strict=True):
        assert roc_auc_score(films["Mass"][group], score[group]) == pytest.approx(long_run(strength), abs=0.01)


@pytest.mark.parametrize(("planted", "old"), [(False, scores.OLD_WORSE[0]), (True, scores.OLD_SAME[0])])
def test_aucs_of_both_models_are_those_of_the_binormal_model(films, planted, old):
    both = drawn(films, "better", planted)
    assert roc_auc_score(films["Mass"], both["Mass"]) == pytest.approx(long_run(scores.USUAL), abs=0.008)
    assert roc_auc_score(films["Mass"], both["Mass" + OLD]) == pytest.approx(long_run(old), abs=0.008)


def test_the_rare_findings_are_ranked_less_well(films):
    for key in RARES:
        assert roc_auc_score(films["Mass"], drawn(films, key, False)["Mass"]) == pytest.approx(long_run(1.0), abs=0.01)


@pytest.mark.parametrize("key", ["calibration", "better", "rare 1"])
def test_probabilities_are_calibrated_in_every_tenth(films, key):
    told = drawn(films, key, key == "better")["Mass"]
    for tenth in np.array_split(np.argsort(told), 10):
        expected, seen = told[tenth].mean(), films["Mass"].to_numpy()[tenth].mean()
        assert seen == pytest.approx(expected, abs=0.01 + 3 * np.sqrt(expected * (1 - expected) / len(tenth)))


def test_wrong_probabilities_are_shifted_in_logits(films):
    right, wrong = (drawn(films, "calibration", planted)["Mass"] for planted in (False, True))
    inner = (right > 0.05) & (right < 0.95) & (wrong > 0.05) & (wrong < 0.95)
    shift = logit(wrong[inner]) - logit(right[inner])
    assert np.abs(np.abs(shift) - scores.SHIFT).max() < 0.005
    assert abs(wrong.mean() - films["Mass"].mean()) > 0.12


def test_films_of_a_patient_share_a_part_of_the_noise(films):
    noise = scores._noise(films, np.random.default_rng(3)).reshape(-1, 2)
    assert noise.std() == pytest.approx(1, abs=0.01)
    assert np.corrcoef(noise.T)[0, 1] == pytest.approx(scores.PATIENT_SHARE, abs=0.02)


def test_scores_have_four_decimals_and_leave_training_out(plans):
    for plan in plans[:2]:
        numbers = plan.scores.drop(columns="Image").to_numpy()
        assert np.array_equal(
            numbers, np.array([float(f"{number:.4f}") for number in numbers.ravel()]).reshape(numbers.shape)
        )
        assert 0 <= numbers.min() <= numbers.max() <= 1
        assert set(plan.scores["Image"]) == set(plan.films.loc[plan.films["Split"] != "train", "Image"])
        assert list(plan.scores)[1:] == [*plan.roles.scored, plan.roles.findings["better"] + OLD]
