"""Checks of notebook 4: AUC by counting pairs, a bootstrap of patients, a threshold, PPV at a prevalence."""

import numpy as np

from util.checks.answers import CheckFailed, expect, run
from util.metrics.roc import auc

# Seven films with two ties across the classes; every misconception below gives another number on them.
LABELS = np.array([0, 1, 0, 1, 1, 0, 0])
SCORES = np.array([0.1, 0.4, 0.4, 0.8, 0.3, 0.3, 0.2])

AUC_HINTS = {
    "ties nothing": "Two films with the same score are a coin toss: a tie counts half, here nothing.",
    "ties one": "Two films with the same score are a coin toss: a tie counts half, here one.",
    "ties out": "Tied pairs are left out altogether: they stay in the number of pairs, and count half.",
    "exchanged": "This is the share of pairs in which the NEGATIVE film scores higher: exchange the two.",
    "count": "This is a number of pairs: divide by how many pairs of a positive and a negative there are.",
    "strict count": "This is a number of pairs: divide by how many there are; and a tie counts half.",
    "all pairs": "You divide by all pairs of films: only a positive beside a negative is a pair.",
    "films": "You divide by the number of films: divide by the number of pairs.",
    "accuracy": "This is the accuracy at the threshold 0.5: the AUC has no threshold.",
    "placements": "There is one share for each positive film, its placement: take the mean over them.",
    "means": "This is the difference of the mean scores: the AUC asks only which of two films scores higher.",
    "stretched": "Right for scores between 0 and 1, wrong when they are stretched: scores may be logits, any "
    "numbers; only their order counts.",
    "otherwise": "Take each positive film with each negative one: 1 where the positive scores higher, 0.5 "
    "where both score the same, 0 where it scores lower; then the mean.",
}
THRESHOLD_HINTS = {
    "not one": "One threshold is asked for, a number on the scale of the scores.",
    "wrong end": "the wanted share of positives lies BELOW it; the quantile is taken from the wrong end",
    "negatives": "it is chosen on the negative films, which gives a specificity; sensitivity is about the positives",
    "all films": "it is a quantile of all films; sensitivity is a share of the positive ones",
    "share": "it is the wanted share itself; a threshold is a score, found among the scores",
    "too high": "it finds {found:.2f} of the positives; a film on the threshold is positive, so stop ON the "
    "last one needed",
    "everything": "every film is called positive, which always finds enough; take the HIGHEST threshold that does",
    "too low": "it finds {found:.2f} of the positives, more than needed; a higher one has fewer false alarms",
}
DRAW_HINTS = {
    "mask": "This is a mask of rows, and a mask cannot hold a film twice: return row numbers.",
    "names": "These are patients, not rows: return the row numbers of all films of the drawn patients.",
    "list": "Row numbers are asked for, all in one flat array: put the patients' rows together, as with np.concatenate.",
    "one film": "Each drawn patient brings one film only: take ALL films of the patient.",
    "films": "You draw films. The films of a patient hang together, so patients come whole or not at all: draw patients.",
    "once": "A patient who is drawn twice comes once: np.isin and sets forget repeats. Take the films once for each draw.",
    "without": "Every sample has every patient exactly once: draw WITH replacement, or nothing ever changes.",
    "too many": "You draw {drawn} patients where there are {there} different ones: one draw for each patient, not for each film.",
    "weighted": "Patients with many films are drawn more often: draw from the DIFFERENT patients, each as likely as any other.",
    "same": "Every call gives the same sample: draw with the `rng` that is given, and make no new one inside.",
    "leaves out": "Some patients are never drawn: each must be as likely as any other.",
}
PPV_HINTS = {
    "sensitivity": "This is the sensitivity, the share of positives among the ILL. The PPV is the share of "
    "ill among the positives: the prevalence comes in.",
    "specificity": "This is the specificity; the PPV is the share of ill films among those called positive.",
    "one half": "This is right at a prevalence of one half only: weigh the ill with the prevalence, the "
    "healthy with 1 - prevalence.",
    "joint": "This is the share of ALL films that are ill and called positive: divide by all called positive.",
    "healthy": "False alarms come from the healthy only: multiply 1 - specificity by 1 - prevalence.",
    "alarms": "The specificity is the share of the healthy called NEGATIVE: false alarms are 1 - specificity.",
    "npv": "This is the NPV, the share of healthy films among those called negative.",
    "accuracy": "This is the accuracy, the share of films called rightly, positive and negative alike.",
    "false": "This is the share of FALSE alarms among the positives, 1 - PPV.",
    "called": "This is the share of films called positive: which part of it is ill?",
    "odds": "These are the odds: odds / (1 + odds) is the PPV.",
    "otherwise": "Of all films, sensitivity * prevalence are true alarms and (1 - specificity) * (1 - "
    "prevalence) false ones. Which share of the alarms is true?",
}


def check_auc(function):
    """`function(y, score)` -> share of pairs in which the positive film outranks the negative, ties 1/2."""
    right = auc(LABELS, SCORES)
    mistakes = [(value, AUC_HINTS[name]) for name, value in _auc_mistakes(LABELS, SCORES)]
    expect(run(function, LABELS.copy(), SCORES.copy()), right, mistakes, AUC_HINTS["otherwise"])
    expect(run(function, LABELS.copy(), 40 * SCORES - 30), right, [], AUC_HINTS["stretched"])
    print("Right: the AUC is the probability that a positive film outranks a negative one.")


def _auc_mistakes(y, score):
    """Names of misconceptions, and what each answers."""
    difference = score[y == 1][:, None] - score[y == 0][None, :]
    value = (difference > 0) + 0.5 * (difference == 0)
    won, tied, pairs, films = np.sum(difference > 0), np.sum(difference == 0), difference.size, len(y)
    return [
        ("ties nothing", won / pairs),
        ("ties one", (won + tied) / pairs),
        ("ties out", won / (pairs - tied)),
        ("exchanged", 1 - value.mean()),
        ("count", value.sum()),
        ("strict count", won),
        ("all pairs", value.sum() / films**2),
        ("all pairs", value.sum() / (films * (films - 1) / 2)),
        ("films", value.sum() / films),
        ("accuracy", np.mean((score >= 0.5) == y)),
        ("placements", value.mean(axis=1)),
        ("means", score[y == 1].mean() - score[y == 0].mean()),
    ]


def check_draw(function):
    """`function(patients, rng)` -> row numbers of one bootstrap sample of whole patients."""
    patients = np.repeat([107, 103, 109, 105], [6, 2, 1, 3])[[3, 0, 7, 5, 1, 11, 8, 2, 4, 9, 6, 10]]
    there, who = np.unique(patients, return_inverse=True)
    rng, counts = np.random.default_rng(4), []
    for _ in range(400):
        rows = _rows(run(function, patients.copy(), rng), len(patients))
        films = np.bincount(rows, minlength=len(patients))
        if any(len(set(films[who == patient])) > 1 for patient in range(len(there))):
            _fail("one film" if len(rows) == len(there) else "films")
        counts.append([films[who == patient][0] for patient in range(len(there))])
    counts = np.array(counts)
    if (counts == counts[0]).all():
        _fail("without" if (counts == 1).all() else "same")
    drawn = counts.sum(axis=1)
    if (counts <= 1).all():
        _fail("once")
    if (drawn != len(there)).any():
        _fail("too many", drawn=drawn[drawn != len(there)][0], there=len(there))
    if (counts.sum(axis=0) == 0).any():
        _fail("leaves out")
    if np.abs(counts.mean(axis=0) - 1).max() > 0.25:  # six standard errors
        _fail("weighted")
    print("Right: whole patients, with replacement, so that the sample hangs together as the films do.")


def _fail(name, **numbers):
    raise CheckFailed(DRAW_HINTS[name].format(**numbers))


def _rows(answer, films):
    """Row numbers of an answer, or the hint on what it is instead."""
    try:
        rows = np.asarray(answer)
    except ValueError:  # arrays of different lengths
        _fail("list")
    if rows.dtype == bool:
        _fail("mask")
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        _fail("list")
    if len(rows) and not (rows.min() >= 0 and rows.max() < films):
        _fail("names")
    return rows


def check_threshold(function):
    """`function(y, score, wanted)` -> highest threshold that finds the share `wanted` of the positives.

    Any number that calls the same films positive passes.
    """
    y = np.repeat([1, 0], [20, 40])
    score = np.round(np.random.default_rng(4).normal(np.where(y, 1.0, 0.0), 1.2), 2)
    for wanted in (0.8, 0.55, 1.0):
        answer = run(function, y.copy(), score.copy(), wanted)
        try:
            threshold = float(answer)
        except (TypeError, ValueError):
            raise CheckFailed(THRESHOLD_HINTS["not one"]) from None
        missed = round((1 - wanted) * 20)  # how many positives may be missed: a whole number for these shares
        best = np.sort(score[y == 1])[missed]
        if not np.array_equal(score >= threshold, score >= best):
            hint = THRESHOLD_HINTS[_threshold_mistake(y, score, wanted, threshold)]
            hint = hint.format(found=np.mean(score[y == 1] >= threshold))
            raise CheckFailed(f"At {threshold:.2f}, for a wanted sensitivity of {wanted:.2f}: {hint}.")
    print("Right: the highest threshold that still finds enough has the best specificity.")


def _threshold_mistake(y, score, wanted, threshold):
    """Name of the misconception behind a wrong threshold."""
    known = {
        "wrong end": [np.quantile(score[y == 1], wanted)],
        "negatives": [np.quantile(score[y == 0], wanted), np.quantile(score[y == 0], 1 - wanted)],
        "all films": [np.quantile(score, 1 - wanted), np.quantile(score, wanted)],
        "share": [wanted, 1 - wanted],
    }
    for name, values in known.items():
        if np.isclose(threshold, values, rtol=0, atol=1e-9).any():
            return name
    if not np.mean(score[y == 1] >= threshold) >= wanted:
        return "too high"
    return "everything" if (score >= threshold).all() else "too low"


def check_ppv(function):
    """`function(sensitivity, specificity, prevalence)` -> positive predictive value by Bayes' theorem."""
    for sensitivity, specificity, prevalence in ((0.8, 0.9, 0.15), (0.85, 0.7, 0.02), (0.6, 0.95, 0.4)):
        true, false = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
        spared, missed = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
        mistakes = [
            ("sensitivity", sensitivity),
            ("specificity", specificity),
            ("one half", sensitivity / (sensitivity + 1 - specificity)),
            ("joint", true),
            ("healthy", true / (true + 1 - specificity)),
            ("alarms", true / (true + spared)),
            ("npv", spared / (spared + missed)),
            ("accuracy", true + spared),
            ("false", false / (true + false)),
            ("called", true + false),
            ("odds", true / false),
        ]
        hints = [(value, PPV_HINTS[name]) for name, value in mistakes]
        answer = run(function, sensitivity, specificity, prevalence)
        expect(answer, true / (true + false), hints, PPV_HINTS["otherwise"])
    print("Right: the rarer the finding, the more of the alarms are false.")
