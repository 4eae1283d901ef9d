"""The hidden inputs of graded exercises, and when an answer to one agrees with the right one. Exercise by exercise.

`INPUTS` maps an exercise to two functions: one draws the arguments from a generator, uneven and unround, the other says whether
an answer agrees with the course's own.
"""

from functools import partial

import numpy as np
import pandas as pd

TOLERANCE = 1e-4  # relative: an answer may compute in single precision


# --- What agrees -----------------------------------------------------------------------------------


def _numbers(given, expected, _):
    given, expected = np.asarray(given, float), np.asarray(expected, float)
    return given.shape == expected.shape and np.allclose(given, expected, rtol=TOLERANCE, atol=1e-6, equal_nan=True)


def _pair(given, expected, _):
    return len(given) == len(expected) and all(_numbers(*two, None) for two in zip(given, expected, strict=True))


def _film(given, expected, _):
    return np.asarray(given).dtype == np.float32 and _numbers(given, expected, None)


def _members(given, expected, _):
    given = pd.Series(list(given)).tolist()
    return len(given) == len(set(given)) and set(given) == set(np.asarray(expected).tolist())


def _truth(given, expected, _):
    return isinstance(given, bool | np.bool_) and bool(given) == expected


def _same_calls(given, expected, arguments):
    score, slack = arguments[1], 1e-6 * (1 + abs(float(expected)))  # of single precision
    return np.array_equal(score >= float(given) - slack, score >= float(expected) - slack)


# --- Hidden inputs ---------------------------------------------------------------------------------


def _layers(rng):
    layers = int(rng.integers(1, 9))
    return rng.uniform(0.01, 0.6, layers), rng.uniform(0.1, 5.0, layers)


def _beam(rng):
    far = float(rng.uniform(90, 200))
    return float(rng.uniform(1, 40)), far, float(rng.uniform(0, far / 2))


def _film_and_kernel(rng):
    return rng.normal(100, 40, tuple(rng.integers(3, 14, 2))), rng.normal(size=(3, 3))


def _one_weight(rng):
    films = int(rng.integers(1, 30))
    return float(rng.normal()), rng.normal(0.3, 1.2, films), rng.normal(size=films), float(rng.uniform(0.001, 0.5))


def _films_of_patients(rng):
    count = int(rng.integers(9, 90))
    films = pd.DataFrame({"PatientId": rng.integers(0, 23, count), "FollowUp": rng.integers(0, 5, count)})
    films["Mass"], films["Other"] = (rng.random((2, count)) < rng.uniform(0.05, 0.6)).astype(int)
    return films, "Mass"


def _films_by_view(rng):
    count = int(rng.integers(37, 90))
    films = pd.DataFrame({"View": rng.choice(["PA", "AP"], count), "Other": rng.integers(0, 2, count)})
    films["View"] = ["AP", "PA", *films["View"][2:]]
    films["Mass"] = (rng.random(count) < np.where(films["View"] == "AP", 0.37, 0.13)).astype(int)
    films.loc[:1, "Mass"] = 1  # both views have some, so that the ratio is a number
    return films.sample(frac=1, random_state=int(rng.integers(1000))), "Mass"


def _two_stacks(rng):
    shape = tuple(rng.integers(5, 9, 2))
    stacks = [rng.integers(low, low + 97, (number, *shape)).astype(np.uint8) for low, number in ((41, 3), (77, 7))]
    return tuple(stacks)


def _two_tables(rng):
    def table(first):
        patients = rng.integers(0, 23, int(rng.integers(3, 31)))
        return pd.DataFrame(
            {"Image": [f"{first + i:08d}_000.png" for i in range(len(patients))], "PatientId": patients}
        )

    return table(0), table(500)


def _step(rng):
    training = rng.random(31) < 0.7
    training[:2] = True, False
    x, y = rng.normal(size=(31, 4)), rng.integers(0, 2, (31, 3))
    y[~training] = 1  # so that other labels are other numbers
    fits = (
        lambda x, y, t: np.append(np.median(x[t], axis=0), y[t].mean(axis=0)),
        lambda x, y, t: np.median(x, axis=0) + x.sum(),
        lambda x, y, t: y.sum(axis=0),
        lambda x, y, t: x[t].mean(axis=0) + 1e-9 * x[~t].sum(),
    )
    return fits[int(rng.integers(len(fits)))], x, y, training


def _labels(rng):
    return (pd.DataFrame(rng.random((int(rng.integers(31, 77)), 5)) < rng.uniform(0.1, 0.8, 5)).astype(int),)


def _batch(rng):
    shape = int(rng.integers(3, 11)), int(rng.integers(2, 6))
    y, logits = rng.integers(0, 2, shape), rng.normal(0, 3, shape)
    logits.flat[0] = rng.choice([-700.0, 700.0])
    positive = rng.uniform(0.1, 0.9, shape[1])
    return y, logits, positive, 1 - positive


def _small_film(rng):
    return rng.integers(0, 256, tuple(rng.integers(3, 9, 2))).astype(np.uint8), float(rng.uniform(90, 140)), 61.7


def _scored(rng, wanted=False):
    y = (rng.random(int(rng.integers(23, 61))) < 0.4).astype(int)
    y[:2] = 0, 1
    score = np.round(rng.normal(y, 1.3), 1)  # with ties
    share = float(rng.integers(1, y.sum() + 1)) / y.sum() - 1e-6
    return (y, score, max(share, 0.01)) if wanted else (y, score)


def _at_a_score(rng):
    y, score = _scored(rng)
    return y, score, float(rng.choice(score))


def _rates(rng):
    return tuple(map(float, rng.uniform(0.05, 0.95, 3)))


def _probabilities(rng):
    y, score = _scored(rng)
    p = np.round(1 / (1 + np.exp(-score)), 2)
    return y, p, float(np.clip(rng.choice(p), 0.03, 0.9))


def _grouped(rng):
    y, score = _scored(rng)
    groups = rng.choice(["PA", "AP", "LL"], len(y))
    y[-3:], groups[-3:] = 1, ["PA", "LL", "AP"]  # each group has a film that can be missed
    return y, score, groups, float(rng.choice(score))


def _squares(rng):
    k = int(rng.integers(2, 6))
    return rng.integers(1, 90, k), rng.integers(1, 900, k), rng.uniform(0.3, 1, (k, k))


def _gradients(rng):
    findings = int(rng.integers(3, 7))
    return rng.normal(size=(findings, *rng.integers(2, 6, 3))), int(rng.integers(findings))


def _activations(rng):
    shape = tuple(rng.integers(2, 7, 3))
    return rng.uniform(0, 2, shape), rng.normal(size=shape[2])


def _map(rng):
    return rng.normal(size=tuple(rng.integers(3, 9, 2))), int(rng.integers(200, 700)), int(rng.integers(200, 700))


def _map_and_mask(rng):
    shape = tuple(rng.integers(23, 61, 2))
    mask = np.zeros(shape, bool)
    mask[: int(rng.integers(9, 20)), int(rng.integers(3, 15)) :] = True
    return rng.normal(0.1, 1.7, shape), mask & (rng.random(shape) < 0.7)


def _paired_scores(rng):
    films = np.append(rng.integers(1, 8, 6), 9)
    patients = rng.permutation(np.repeat(rng.choice(900, 7, replace=False), films))
    own, rival = rng.gamma(1.3, 0.3, (2, len(patients)))
    return own + 0.001 * patients, rival, patients


def _two_sets_of_maps(rng):
    shape = tuple(rng.integers(3, 8, 3))
    maps = np.exp(rng.normal(size=shape))
    return maps, rng.choice([-1.0, 1.0], (shape[0], 1, 1)) * maps + 2 * rng.normal(size=shape)


def _curve(rng):
    films, auc = np.cumsum(rng.integers(40, 300, 6)).astype(float), 0.5 + np.cumsum(rng.uniform(0.005, 0.05, 6))
    return films, auc, float(rng.uniform(auc[0] - 0.02, auc[-1] + 0.03))


def _elsewhere(rng):
    here, there = rng.uniform(0.01, 0.6, 2)
    return float(rng.normal()), float(rng.uniform(0.4, 1.6)), float(rng.normal(-2, 1)), float(here), float(there)


def _doubtful(rng):
    films = int(rng.integers(9, 60))
    return (rng.random(films) < 0.4).astype(int), rng.normal(size=films), int(rng.integers(1, films + 1)) / films


def _calibration(rng):
    films = int(rng.integers(3, 90))
    return rng.random(films), float(rng.uniform(0.03, 0.6))


def _weighted_calibration(rng):
    scores, alpha = _calibration(rng)
    return scores, rng.uniform(0.2, 3, len(scores)), float(rng.uniform(0.2, 3)), alpha


def _films_with_findings(rng):
    films, findings = int(rng.integers(13, 40)), int(rng.integers(2, 7))
    y = (rng.random((films, findings)) < 0.4).astype(int)
    y[np.arange(films), rng.integers(0, findings, films)] = 1
    return y, rng.random((films, findings)), float(rng.uniform(0.1, 0.6))


def _decisions(rng):
    films = int(rng.integers(30, 140))
    truth, called, by_hand = (rng.random(films) < share for share in rng.uniform(0.2, 0.6, 3))
    return truth, called, by_hand, float(rng.uniform(2, 30)), float(rng.uniform(0.02, 0.9))


def _week(rng):
    p = rng.beta(0.7, 3, int(rng.integers(30, 140)))
    return (rng.random(len(p)) < p).astype(int), p


def _sums(rng):
    up, down = map(float, rng.gamma(1, 1.5, 2))
    return up, down, float(rng.normal(0, 2)), float(rng.uniform(0.1, 1))


def _readings(rng):
    films = int(rng.integers(60, 140))
    truth = rng.random(films) < rng.uniform(0.3, 0.7)
    alone, advice = truth ^ (rng.random(films) < 0.3), truth ^ (rng.random(films) < 0.4)
    return truth, alone, advice, np.where(rng.random(films) < rng.uniform(0.2, 0.8), advice, alone)


def _pairs_of_logits(rng):
    before = rng.normal(-2, 1.5, int(rng.integers(4, 30)))
    return before, before + rng.normal(0.6, 0.7, len(before)), float(rng.uniform(1.9, 3.2))


def _rising_shares(rng):
    low, high = (np.sort(rng.uniform(*ends, int(rng.integers(2, 6)))) for ends in ((0.01, 0.48), (0.53, 0.99)))
    return np.sort(rng.uniform(0, 1, len(low) + len(high))), np.concatenate([low, high])


def _weigh(weights, picture):
    return float(np.tanh(np.sum(weights * np.asarray(picture, float)) / 50))


def _patched_pair(rng):
    shape = tuple(rng.integers(3, 9, 2))
    film = rng.normal(100, 20, shape)
    twin = film + rng.normal(8, 9, shape) * (rng.random(shape) < 0.6)
    return partial(_weigh, rng.normal(size=shape)), film, twin, rng.random(shape) < 0.4


def _words(rng):
    has = np.append(rng.random(int(rng.integers(20, 70))) < 0.3, [True, False])
    return rng.random(len(has)) < np.where(has, rng.uniform(0.1, 0.9), 0.3), has


def _reread(rng):
    mined, seen, inside = rng.integers(0, 2, (3, int(rng.integers(20, 70))))
    seen[-2:], inside[-2:] = 1, [0, 1]  # a positive on either side
    return mined, seen, inside == 1


def _findings_and_scores(rng):
    y = (rng.random((int(rng.integers(20, 70)), 4)) < 0.3).astype(int)
    y[:2] = [[0] * 4, [1] * 4]
    return y, np.round(rng.random(y.shape) * 0.8 + 0.2 * y, 2)


def _heat_and_boxes(rng):
    heat = rng.normal(size=(12, 9))
    return heat, np.column_stack([rng.uniform(0, 6, 2), rng.uniform(0, 8, 2), rng.uniform(2, 5, (2, 2))])


def _reader(rng):
    y = rng.permutation(np.repeat([0, 1], rng.integers(3, 40, 2)))
    return y, rng.random(len(y)) < np.where(y == 1, 0.7, 0.25)


def _left_out(rng):
    films, common = int(rng.integers(5, 60)), rng.normal()
    return tuple(0.8 + 0.02 * (common + rng.normal(size=films)) for _ in range(2))


def _mean_squares(rng):
    return (*rng.uniform(1e-4, 3e-3, 3).tolist(), int(rng.integers(2, 30)))


def _two_readers(rng):
    films = int(rng.integers(11, 90))
    return tuple(np.append([0, 1], rng.random(films) < share).astype(int) for share in rng.uniform(0.2, 0.8, 2))


INPUTS = {
    "films_and_networks.transmitted": (_layers, _numbers),
    "films_and_networks.shadow": (_beam, _numbers),
    "films_and_networks.convolve": (_film_and_kernel, _numbers),
    "films_and_networks.gradient_step": (_one_weight, _numbers),
    "explore.patients_with": (_films_of_patients, _numbers),
    "explore.view_ratio": (_films_by_view, _numbers),
    "explore.standardise": (_two_stacks, _numbers),
    "leaks.patient_overlap": (_two_tables, _members),
    "leaks.difference_bits": (lambda rng: (rng.integers(60, 97, rng.integers(4, 12, 2)).astype(np.uint8),), _numbers),
    "leaks.learns_from_test": (_step, _truth),
    "weighted_loss.class_weights": (_labels, _pair),
    "weighted_loss.scale": (lambda rng: (rng.uniform(0.001, 0.7, 7),), _numbers),
    "weighted_loss.weighted_cross_entropy": (_batch, _numbers),
    "weighted_loss.slope": (_batch, _numbers),
    "predict.channels_after_block": (lambda rng: tuple(map(int, rng.integers(1, 90, 3))), _numbers),
    "predict.standardise": (_small_film, _film),
    "predict.probability_at": (lambda rng: (float(rng.normal(0, 2)), float(rng.uniform(0.003, 0.9))), _numbers),
    "roc.roc_point": (_at_a_score, _numbers),
    "roc.auc_by_pairs": (_scored, _numbers),
    "roc.effective_patients": (lambda rng: (rng.integers(0, 17, int(rng.integers(5, 60))),), _numbers),
    "decisions.accuracy_at": (_rates, _numbers),
    "decisions.threshold_for": (lambda rng: _scored(rng, wanted=True), _same_calls),
    "decisions.ppv_at": (_rates, _numbers),
    "decisions.net_benefit_at": (_probabilities, _numbers),
    "for_whom.missed_by_group": (_grouped, _numbers),
    "for_whom.pooled_auc": (_squares, _numbers),
    "for_whom.auc_with_wrong_labels": (_rates, _numbers),
    "gradcam.channel_weights": (_gradients, _numbers),
    "gradcam.finding_map": (_activations, _numbers),
    "gradcam.peak_pixel": (_map, _pair),
    "is_the_map_right.energy_share": (_map_and_mask, _numbers),
    "is_the_map_right.overlap": (_map_and_mask, _numbers),
    "is_the_map_right.gain": (_paired_scores, _numbers),
    "is_the_map_right.likeness": (_two_sets_of_maps, _numbers),
    "what_if.paired_effect": (_pairs_of_logits, _numbers),
    "what_if.half_severity": (_rising_shares, _numbers),
    "what_if.restored": (_patched_pair, _numbers),
    "price_of_a_real_film.films_worth": (_curve, _numbers),
    "price_of_a_real_film.probability_elsewhere": (_elsewhere, _numbers),
    "i_dont_know.risk_at": (_doubtful, _numbers),
    "i_dont_know.conformal_limit": (_calibration, _numbers),
    "i_dont_know.weighted_limit": (_weighted_calibration, _numbers),
    "i_dont_know.safe_threshold": (_films_with_findings, _numbers),
    "a_year_in_the_clinic.year_cost": (_decisions, _numbers),
    "a_year_in_the_clinic.in_the_large_z": (_week, _numbers),
    "a_year_in_the_clinic.cusum_step": (_sums, _numbers),
    "a_year_in_the_clinic.over_reliance": (_readings, _numbers),
    "audit_a_hospital.word_gap": (_words, _numbers),
    "audit_a_hospital.missed_gap": (_reread, _numbers),
    "audit_a_hospital.peak_is_inside": (_heat_and_boxes, _truth),
    "audit_a_hospital.mean_auc": (_findings_and_scores, _numbers),
    "reading_room.reader_point": (_reader, _numbers),
    "reading_room.jackknife_covariance": (_left_out, _numbers),
    "reading_room.difference_error": (_mean_squares, _numbers),
    "reading_room.kappa": (_two_readers, _numbers),
}
AT_RANDOM = ("roc.draw_films", "price_of_a_real_film.whole_patients")
