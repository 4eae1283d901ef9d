from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from util.hospital import estimates
from util.hospital.estimates import OLD, Estimate, _scored, scored_findings, share_gap


def test_the_interval_of_independent_films_is_that_of_two_shares():
    """Wald's interval of a difference of two shares, with the variance that divides by n; many films, so that t is z."""
    rng = np.random.default_rng(0)
    values, inside = rng.random(4000) < 0.3, rng.random(4000) < 0.4
    found = share_gap(values, inside, np.arange(4000))
    one, other = values[inside].mean(), values[~inside].mean()
    error = np.sqrt(one * (1 - one) / inside.sum() + other * (1 - other) / (~inside).sum())
    assert found == pytest.approx((one - other, one - other - 1.96 * error, one - other + 1.96 * error), abs=2e-4)


def test_copies_of_every_film_do_not_narrow_the_interval():
    rng = np.random.default_rng(1)
    values, inside, patients = rng.random(200) < 0.4, rng.random(200) < 0.5, np.arange(200)
    once = share_gap(values, inside, patients)
    assert share_gap(np.tile(values, 3), np.tile(inside, 3), np.tile(patients, 3)) == pytest.approx(once, abs=1e-9)


def test_intervals_of_clustered_films_cover_the_truth():
    """400 studies of 80 patients with 1 to 4 films that agree within patients: 95 % of the intervals are to hold 0."""
    rng, held = np.random.default_rng(2), 0
    for _ in range(400):
        patients = np.repeat(np.arange(80), rng.integers(1, 5, 80))
        habit = rng.random(80)[patients] < 0.4
        values = np.where(rng.random(len(patients)) < 0.8, habit, rng.random(len(patients)) < 0.4)
        inside = (np.arange(80) % 2 == 0)[patients]
        found = share_gap(values, inside, patients)
        held += found.low <= 0 <= found.high
    assert 365 <= held <= 395  # 380 expected; 3.4 standard deviations


def test_a_gap_without_films_on_one_side_is_unknown():
    assert np.isnan(share_gap(np.array([1, 0]), np.array([True, True]), np.arange(2)).value)


def test_quantities_are_those_of_scikit_learn_and_of_counting(plans):
    for plan in plans[:4]:
        films, scores = _scored(plan, "test")
        found = plan.roles.findings
        aucs = [roc_auc_score(films[name], scores[name]) for name in scored_findings(scores)]
        assert estimates.mean_auc(plan) == pytest.approx(np.mean(aucs))
        names = scored_findings(scores)
        pairs = roc_auc_score(films[names].to_numpy().ravel(), scores[names].to_numpy().ravel())
        assert estimates.pooled_auc(plan) == pytest.approx(pairs)
        name = found["better"]
        gain = roc_auc_score(films[name], scores[name]) - roc_auc_score(films[name], scores[name + OLD])
        assert estimates.gain(plan, name).value == pytest.approx(gain)
        women, name = (films["Sex"] == "F").to_numpy(), found["subgroup"]
        gap = [roc_auc_score(films[name][side], scores[name][side]) for side in (women, ~women)]
        assert estimates.group_gap(plan, name, "women").value == pytest.approx(gap[0] - gap[1])
        name = found["calibration"]
        excess = estimates.excess(plan, name)
        assert excess.value == pytest.approx(scores[name].mean() - films[name].mean())
        assert excess.low < excess.value < excess.high


def test_missed_positives_are_counted_in_the_reread_films(plans):
    plan = plans[0]
    name, missed = plan.roles.findings["labels"], {"F": [], "M": []}
    films = plan.films.set_index("Image")
    for row in plan.reread.itertuples():
        if getattr(row, name) == 1:
            missed[films.loc[row.Image, "Sex"]].append(films.loc[row.Image, name] == 0)
    expected = np.mean(missed["F"]) - np.mean(missed["M"])
    assert estimates.missed_gap(plan, name, "women").value == pytest.approx(expected)
    assert estimates.missed_gap(plan, name, "men").value == pytest.approx(-expected)


def test_the_threshold_is_the_highest_with_that_sensitivity(plans):
    for plan in plans[:4]:
        name = plan.roles.findings["threshold"]
        films, scores = _scored(plan, "valid")
        _, sensitivity, thresholds = roc_curve(films[name], scores[name], drop_intermediate=False)
        expected = thresholds[sensitivity >= 0.9 - 1e-9].max()
        assert estimates.threshold_of(plan, name, 0.9) == pytest.approx(expected)


def test_scores_follow_the_films_whatever_their_order(plans):
    plan = plans[0]
    shuffled = SimpleNamespace(films=plan.films, scores=plan.scores.sample(frac=1, random_state=0), reread=plan.reread)
    assert estimates.mean_auc(shuffled) == estimates.mean_auc(plan)


def test_a_peak_is_the_center_of_the_hottest_cell():
    heat = np.zeros((80, 80), np.uint8)
    heat[10, 70] = 9
    assert estimates.peak_of(heat, 320) == (70 * 4 + 2, 10 * 4 + 2)
    assert estimates.peak_of(heat, 64) == pytest.approx((56.4, 8.4))


def test_a_point_is_in_a_box_with_its_rim():
    boxes = pd.DataFrame({"x": [10, 50], "y": [20, 50], "w": [5, 2], "h": [6, 2]})
    inside, outside = [(10, 20), (15, 26), (51, 51)], [(9.9, 22), (12, 26.1), (15.1, 22), (12, 19.9), (11, 51)]
    assert all(estimates.inside_any(point, boxes) for point in inside)
    assert not any(estimates.inside_any(point, boxes) for point in outside)
    assert not estimates.inside_any((1, 1), boxes[:0])


def test_shares_of_hits_have_an_interval_by_patient():
    found = estimates.hit_share(np.array([1, 1, 0, 1]), np.arange(4))
    assert found.value == 0.75
    assert found.low < 0.75 < found.high
    assert np.isnan(Estimate(1.0).low)
