"""Checks of lesson 7: accuracy and PPV at a prevalence, a threshold for a wanted sensitivity, net benefit."""

import numpy as np

from util.checks.answers import TOLERANCE, Check, wrong_form
from util.metrics.thresholds import threshold_for_sensitivity

# --- Accuracy and PPV at a prevalence --------------------------------------------------------------


def _shares(sensitivity, specificity, prevalence):
    """Shares of all films: true alarms, false alarms, missed, rightly left alone."""
    ill, healthy = prevalence, 1 - prevalence
    return sensitivity * ill, (1 - specificity) * healthy, (1 - sensitivity) * ill, specificity * healthy


def _of_shares(formula):
    return lambda *given: formula(*_shares(*given))


def _rates():
    return [(0.83, 0.91, 0.07), (0.57, 0.96, 0.38), (0.94, 0.71, 0.013), (0.31, 0.64, 0.999), (0.46, 0.999, 0.72)]


_accuracy = _of_shares(lambda tp, fp, fn, tn: tp + tn)
_ppv = _of_shares(lambda tp, fp, fn, tn: tp / (tp + fp))
_npv = _of_shares(lambda tp, fp, fn, tn: tn / (tn + fn))
_called = _of_shares(lambda tp, fp, fn, tn: tp + fp)


check_accuracy_at = Check(
    "accuracy_at",
    _accuracy,
    _rates,
    returns="one number, the share of films that are called rightly",
    mistakes=[
        (
            lambda se, sp, p: (se + sp) / 2,
            "This is the balanced accuracy, right at a prevalence of one half only: how many films of each kind are there?",
        ),
        (
            lambda se, sp, p: se * (1 - p) + sp * p,
            "The weights are exchanged: the sensitivity concerns the films WITH the finding.",
        ),
        (
            _of_shares(lambda tp, fp, fn, tn: tp),
            "This counts the hits alone; negative films can be called rightly, too.",
        ),
        (_of_shares(lambda tp, fp, fn, tn: tn), "This counts the negative films alone; hits are called rightly, too."),
        (
            lambda se, sp, p: se * p + sp,
            "The specificity is a share of the films WITHOUT the finding only: how large is their share of all films?",
        ),
        (
            lambda se, sp, p: se + sp * (1 - p),
            "The sensitivity is a share of the films WITH the finding only: how large is their share of all films?",
        ),
        (lambda se, sp, p: se + sp, "The two rates are added as if both were shares of all films: weigh each one."),
        (
            lambda se, sp, p: se * sp,
            "The product of the two rates is no share of films: add up the two kinds of right calls.",
        ),
        (
            lambda se, sp, p: se + sp - 1,
            "This is Youden's index, which does not depend on the prevalence; accuracy does.",
        ),
        (
            _of_shares(lambda tp, fp, fn, tn: tp + fp),
            "This is the share of films CALLED positive: 1 - specificity is the false alarms.",
        ),
        (_ppv, "This is the PPV, a share of the films called positive; the accuracy is a share of all films."),
        (_npv, "This is the NPV, a share of the films called negative; the accuracy is a share of all films."),
        (
            _of_shares(lambda tp, fp, fn, tn: 2 * tp / (2 * tp + fp + fn)),
            "This is F1, which never looks at the negative films that are rightly left alone.",
        ),
        (lambda se, sp, p: 1 - p, "This is the accuracy of a model that never calls a film positive."),
        (
            lambda se, sp, p: (se * p + sp * (1 - p)) / 2,
            "The two parts are shares of all films already: add, do not average.",
        ),
        (lambda se, sp, p: se, "This is the sensitivity, the accuracy among films with the finding alone."),
    ],
    idea="Imagine 1,000 films. How many have the finding, and how many of those are called rightly? How many do not have it, "
    "and how many of those are called rightly?",
    right="the rarer the finding, the more the accuracy is the specificity.",
)


check_ppv_at = Check(
    "ppv_at",
    _ppv,
    _rates,
    returns="one number, a share of the films called positive",
    mistakes=[
        (
            lambda se, sp, p: se,
            "This is the sensitivity, the share of the films with the finding that are called. Now divide by the CALLED films.",
        ),
        (lambda se, sp, p: sp, "This is the specificity; the PPV is a share of the films called positive."),
        (
            lambda se, sp, p: se / (se + 1 - sp),
            "This is right at a prevalence of one half only: how many films with and without the finding are there?",
        ),
        (
            _of_shares(lambda tp, fp, fn, tn: tp),
            "This is a share of ALL films, those with the finding that are called: divide by all films that are called.",
        ),
        (
            lambda se, sp, p: se * p / (se * p + 1 - sp),
            "1 - specificity is a share of the films WITHOUT the finding: how large is their share of all films?",
        ),
        (
            lambda se, sp, p: se / (se + (1 - sp) * (1 - p)),
            "The sensitivity is a share of the films WITH the finding: how large is their share of all films?",
        ),
        (
            _of_shares(lambda tp, fp, fn, tn: tp / (tp + tn)),
            "The specificity is the share of negative films that are NOT called: which share of them is?",
        ),
        (
            lambda se, sp, p: se * (1 - p) / (se * (1 - p) + (1 - sp) * p),
            "The weights are exchanged: the sensitivity concerns the films WITH the finding.",
        ),
        (_npv, "This is the NPV, the share of films called negative that do not have the finding."),
        (_accuracy, "This is the accuracy, the share of all films that are called rightly."),
        (
            _of_shares(lambda tp, fp, fn, tn: fp / (tp + fp)),
            "This is the share of FALSE alarms among the films called, 1 - PPV.",
        ),
        (_called, "This is the share of films called positive: which part of them has the finding?"),
        (
            _of_shares(lambda tp, fp, fn, tn: tp / fp),
            "These are odds, true alarms for each false one; a share is asked for.",
        ),
        (_of_shares(lambda tp, fp, fn, tn: fp / tp), "These are false alarms for each true one; a share is asked for."),
        (lambda se, sp, p: p, "This is the prevalence, what a call is worth when the model knows nothing."),
        (lambda se, sp, p: se * sp, "The product of the two rates does not depend on the prevalence; the PPV does."),
    ],
    idea="Imagine 1,000 films. How many true alarms do the films with the finding raise, and how many false alarms do the others "
    "raise? Among all these alarms, how many are true?",
    right="the rarer the finding, the more of the alarms are false.",
)


# --- A threshold -----------------------------------------------------------------------------------


class Threshold(float):
    """A right threshold, with the next score below it and what it was chosen on: any number between calls the same films."""

    def __new__(cls, y, score, wanted):
        best = threshold_for_sensitivity(y, score, wanted)
        self = super().__new__(cls, best)
        lower = score[score < best]
        self.below = lower.max() if len(lower) else -np.inf
        self.y, self.score, self.wanted = y, score, wanted
        return self

    def fits(self, answer):
        """Whether a number calls the same films positive, in single precision."""
        return self.below < answer <= float(self) + TOLERANCE * (1e-3 + abs(float(self)))


def _calls_alike(answer, threshold):
    try:
        return np.ndim(answer) == 0 and threshold.fits(float(answer))
    except (TypeError, ValueError):
        return False


class _ThresholdCheck(Check):
    """A check that says what a wrong threshold does: how many of the positive films it finds."""

    def _told(self, given, wanted, fits):
        first = fits.index(False)
        answer, right = given[first], wanted[first]
        if form := wrong_form(answer, float(right), self.name, self.returns):
            return form
        found = np.mean(right.score[right.y == 1] >= float(np.squeeze(answer)))
        share = f"At your threshold of {float(np.squeeze(answer)):.3g} the share of positive films found is {found:.3f}"
        if not found >= right.wanted:
            return (
                f"{share}, and {right.wanted:.3f} is wanted. A film whose score equals the threshold is called positive; "
                "stop at the score of the last film that is needed."
            )
        if (right.score >= float(np.squeeze(answer))).all():
            return (
                f"{share}: every film is called positive, which always finds enough. Take the HIGHEST such threshold."
            )
        return f"{share}, and {right.wanted:.3f} is enough: a higher threshold does that with fewer false alarms."


def _threshold_probes():
    made = []
    for seed, films, positives, wanted, scale in (
        (51, 97, 37, 0.82, 1.0),
        (52, 61, 18, 0.5, 5.0),
        (53, 83, 24, 0.875, 0.3),
        (54, 53, 29, 1.0, 1.0),
        (55, 71, 31, 0.02, 2.0),
    ):
        rng = np.random.default_rng(seed)
        y = rng.permutation(np.repeat([1, 0], [positives, films - positives]))
        made.append((y, np.round(rng.normal(1.1 * y, 1.2) * scale, 2), wanted))
    return made


def _place(shift, rounding=np.floor):
    """The falling positive score at wanted * n, rounded, moved by `shift` places."""

    def answer(y, score, wanted):
        falling = np.sort(score[y == 1])[::-1]
        return falling[int(np.clip(rounding(wanted * len(falling)) + shift, 0, len(falling) - 1))]

    return answer


def _next_film(y, score, wanted):
    """As if a film on the threshold were not called: the next score below, of whatever film."""
    below = score[score < threshold_for_sensitivity(y, score, wanted)]
    return below.max() if len(below) else -np.inf


def _youden(y, score, wanted):
    return max(np.unique(score), key=lambda t: np.mean(score[y == 1] >= t) - np.mean(score[y == 0] >= t))


check_threshold_for = _ThresholdCheck(
    "threshold_for",
    Threshold,
    _threshold_probes,
    returns="one number, a threshold on the scale of the scores",
    mistakes=[
        (
            lambda y, s, w: np.quantile(s[y == 1], w),
            "This is the quantile from the wrong end: the wanted share of positive films scores BELOW it.",
        ),
        (
            lambda y, s, w: np.quantile(s[y == 1], 1 - w),
            "This quantile lies between two scores, so it may find a little less than is wanted: the answer is one of the "
            "scores (look at the `method` of np.quantile, or sort).",
        ),
        (
            lambda y, s, w: np.quantile(s[y == 0], w),
            "It is chosen on the negative films, which makes it a specificity.",
        ),
        (
            lambda y, s, w: np.quantile(s[y == 0], 1 - w),
            "It is chosen on the negative films; a sensitivity concerns the positives.",
        ),
        (
            lambda y, s, w: np.quantile(s, 1 - w),
            "It is a quantile of all films; a sensitivity concerns the positive ones.",
        ),
        (lambda y, s, w: np.quantile(s, w), "It is a quantile of all films; a sensitivity concerns the positive ones."),
        (lambda y, s, w: w, "This is the wanted share itself; a threshold is found among the scores."),
        (lambda y, s, w: 1 - w, "This is 1 minus the wanted share; a threshold is found among the scores."),
        (
            lambda y, s, w: s.min(),
            "Every film is called positive, which always finds enough. Take the HIGHEST such threshold.",
        ),
        (
            lambda y, s, w: s[y == 1].min(),
            "This finds all positive films, whatever is wanted. A higher threshold has fewer false alarms.",
        ),
        (lambda y, s, w: s[y == 1].max(), "This finds only the positive film with the highest score."),
        (lambda y, s, w: s.max(), "This calls only the film with the highest score."),
        (_youden, "This threshold is Youden's, which does not use the wanted share."),
        (_next_film, "One step too low: a film whose score EQUALS the threshold is called positive already."),
        (_place(0, np.ceil), "One positive film too many: arrays count from 0, so the k-th film is at place k - 1."),
        (
            _place(-1, np.floor),
            "The number of films needed is rounded down; where it is not whole, one film more is needed.",
        ),
        (
            lambda y, s, w: np.sort(s[y == 1])[min(int(np.ceil(w * y.sum())), y.sum()) - 1],
            "The scores are sorted upwards: the films found first are those with the HIGHEST scores.",
        ),
    ],
    idea="Sort the scores of the positive films from the highest down. A threshold at the first one finds one film, at the second "
    "one two films, and so on. At which of them is the wanted share reached for the first time?",
    right="the highest threshold that still finds enough has the best specificity.",
    alike=_calls_alike,
)


# --- Net benefit -----------------------------------------------------------------------------------


def _benefit(y, p, t, called=None):
    called = p >= t if called is None else called
    return (np.sum(called & (y == 1)) - t / (1 - t) * np.sum(called & (y == 0))) / len(y)


def _benefit_probes():
    made = []
    for seed, films, t in ((61, 37, 0.07), (62, 53, 0.23), (63, 29, 0.62), (64, 41, 0.97), (65, 47, 0.38)):
        rng = np.random.default_rng(seed)
        y = rng.permutation(np.repeat([1, 0], [films // 3, films - films // 3]))
        p = np.round(1 / (1 + np.exp(-rng.normal(1.3 * y - 1.2, 1.1))), 2)
        p[np.flatnonzero(y == 0)[:2]], p[np.flatnonzero(y == 1)[:1]] = t, t  # on the threshold
        if t > 0.9:
            p = np.minimum(p, 0.95)  # nobody is called
        made.append((y, p, t))
    return made


def _with(formula):
    """A mistake as a formula of hits, false alarms, positives, negatives and the threshold."""

    def answer(y, p, t):
        called = p >= t
        return formula(np.sum(called & (y == 1)), np.sum(called & (y == 0)), np.sum(y == 1), np.sum(y == 0), t)

    return answer


check_net_benefit_at = Check(
    "net_benefit_at",
    _benefit,
    _benefit_probes,
    returns="one number, in hits per film",
    mistakes=[
        (
            _with(lambda h, f, m, n, t: (h - t * f) / (m + n)),
            "Each false alarm is charged the threshold itself. The price is the ODDS: at 0.1 one hit is worth nine false "
            "alarms, so one false alarm costs a ninth.",
        ),
        (
            _with(lambda h, f, m, n, t: (h - (1 - t) / t * f) / (m + n)),
            "The price is upside down: at 0.1 a false alarm costs a ninth of a hit, not nine hits.",
        ),
        (
            _with(lambda h, f, m, n, t: (h - f) / (m + n)),
            "Hits and false alarms count alike here: the price is missing.",
        ),
        (
            _with(lambda h, f, m, n, t: (h + t / (1 - t) * f) / (m + n)),
            "The false alarms are added; they take away from the benefit.",
        ),
        (
            _with(lambda h, f, m, n, t: h - t / (1 - t) * f),
            "This is for all films together: divide by how many there are.",
        ),
        (
            _with(lambda h, f, m, n, t: (h - t / (1 - t) * f) / m),
            "You divide by the films with the finding: the benefit is per film, of all films.",
        ),
        (
            _with(lambda h, f, m, n, t: (h - t / (1 - t) * f) / (h + f)),
            "You divide by the films that are called: the benefit is per film, of all films.",
        ),
        (
            _with(lambda h, f, m, n, t: h / m - t / (1 - t) * f / n),
            "You use the TPR and the FPR. Both counts are to be divided by the number of ALL films.",
        ),
        (lambda y, p, t: _benefit(y, p, t, p > t), "A film whose probability equals the threshold is acted on, too."),
        (lambda y, p, t: _benefit(y, p, t, p < t), "These are the films below the threshold: one acts on the others."),
        (
            lambda y, p, t: _benefit(y, p, t, np.ones(len(y), bool)),
            "This is the benefit of acting on every film: the probabilities are not used.",
        ),
        (
            lambda y, p, t: _benefit(y, p, t, p >= 0.5),
            "The films are called at 0.5; act when the THRESHOLD is reached.",
        ),
        (_with(lambda h, f, m, n, t: h / (m + n)), "These are the hits alone; false alarms have a price."),
        (
            _with(lambda h, f, m, n, t: (h - t / (1 - t) * (m - h)) / (m + n)),
            "You charge for the missed films; the price is for FALSE ALARMS.",
        ),
        (
            _with(lambda h, f, m, n, t: (h - t / (1 - t) * (h + f)) / (m + n)),
            "You charge for every film that is called; only the false alarms cost something.",
        ),
        (
            _with(lambda h, f, m, n, t: (h - t / (1 - t) * n) / (m + n)),
            "You charge for every negative film; only those that are called are false alarms.",
        ),
        (
            _with(lambda h, f, m, n, t: (h + n - f) / (m + n)),
            "This is the accuracy; false alarms have a price of their own here.",
        ),
        (
            _with(lambda h, f, m, n, t: ((1 - t) * h - t * f) / (m + n)),
            "This is right up to a factor: measured in HITS, one hit counts 1 and a false alarm t / (1 - t).",
        ),
        (
            lambda y, p, t: np.mean(p * (y == 1) - t / (1 - t) * p * (y == 0)),
            "The probabilities themselves are added up; they only decide who is called, and then a film counts whole.",
        ),
    ],
    idea="First decide for each film whether one acts. Count the hits and the false alarms among those films. Then put the price "
    "on the false alarms, subtract, and divide by the number of all films.",
    right="hits per film, after the false alarms have been paid for.",
)
