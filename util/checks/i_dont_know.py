"""Checks of lesson 13: a risk at a coverage, the conformal limit, its weighted form, a threshold that promises few misses."""

import numpy as np

from util.checks.answers import Check

# --- The risk at a coverage ------------------------------------------------------------------------


def _risk(wrong, unsure, coverage):
    return float(np.mean(wrong[np.argsort(unsure)[: round(coverage * len(wrong))]]))


def _risk_probes():
    rng, made = np.random.default_rng(131), []
    for films, kept, scale in ((37, 23, 1.0), (61, 17, 0.05), (53, 52, 3.0), (29, 1, 1.0), (41, 41, 0.7)):
        unsure = rng.normal(size=films) * scale - 0.3
        wrong = (rng.random(films) < 0.2 + 0.4 * (unsure > np.median(unsure))).astype(int)
        wrong[np.argmin(unsure)] = 1
        made.append((wrong, unsure, kept / films))
    return made


def _kept(wrong, unsure, coverage):
    return np.argsort(unsure)[: round(coverage * len(wrong))]


check_risk_at = Check(
    "risk_at",
    _risk,
    _risk_probes,
    returns="one number",
    mistakes=[
        (
            lambda w, u, c: np.mean(w[np.argsort(-u)[: round(c * len(w))]]),
            "These are the LEAST sure films. The model answers the films with the smallest doubt.",
        ),
        (
            lambda w, u, c: np.sum(w[_kept(w, u, c)]) / len(w),
            "You divide by all films. The risk is a share of the films that are answered.",
        ),
        (lambda w, u, c: np.sum(w[_kept(w, u, c)]), "This is a number of wrong calls; a share is asked for."),
        (
            lambda w, u, c: 1 - np.mean(w[_kept(w, u, c)]),
            "This is the share of RIGHT calls among the answered films.",
        ),
        (
            lambda w, u, c: np.sum(w[_kept(w, u, c)]) / np.sum(w),
            "This is the share of all errors that stay; divide by the films that are answered.",
        ),
        (lambda w, u, c: np.mean(w), "This is the share of wrong calls among all films; the doubt is not used."),
        (
            lambda w, u, c: np.mean(w[: round(c * len(w))]),
            "These are the first films of the table, not the surest ones: put the films in order of doubt.",
        ),
        (
            lambda w, u, c: np.mean(w[np.argsort(u)[round(c * len(w)) :]]) if c < 1 else np.nan,
            "These are the films that go to a person. The risk is that of the films that the model answers.",
        ),
        (
            lambda w, u, c: np.mean(w[u <= c]),
            "The coverage is taken as a limit of the doubt. It is a share of films: how many films is that?",
        ),
        (
            lambda w, u, c: np.mean(w[np.argsort(u)[: round((1 - c) * len(w))]]) if c < 1 else np.nan,
            "You keep 1 - coverage of the films.",
        ),
        (
            lambda w, u, c: np.mean(w[_kept(w, np.abs(u), c)]),
            "You order by the size of the doubt without its sign. A smaller number is a surer film, below zero, too.",
        ),
        (lambda w, u, c: c * np.mean(w), "The errors are not spread evenly: look at the films that are answered."),
        (
            lambda w, u, c: np.mean(np.sort(w)[: round(c * len(w))]),
            "You sort the errors themselves, which nobody knows beforehand. Sort the films by the doubt.",
        ),
        (
            lambda w, u, c: np.mean(w[np.argsort(u)[: max(round(c * len(w)) - 1, 1)]]),
            "You keep one film too few: with a coverage of 3/4, three of four films are answered.",
        ),
    ],
    idea="Put the films in order, surest first. How many of them does the model answer at this coverage? Which share of the calls on "
    "those is wrong?",
    right="the risk is counted on the answered films only.",
)


# --- The conformal limit ---------------------------------------------------------------------------


def _at_rank(scores, rank):
    rank = int(rank)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else np.inf


def _limit(scores, alpha):
    return _at_rank(scores, np.ceil((len(scores) + 1) * (1 - alpha) - 1e-9))


def _limit_probes():
    rng = np.random.default_rng(132)
    return [
        (rng.beta(1, 3, n), alpha)
        for n, alpha in ((37, 0.1), (52, 0.1), (47, 0.23), (19, 0.1), (8, 0.1), (71, 0.05), (4, 0.4))
    ]


def _finite(n_of):
    """A mistake that takes a rank without looking whether there are enough films: the largest score at most."""
    return lambda s, a: _at_rank(s, min(max(n_of(len(s), a), 1), len(s)))


check_conformal_limit = Check(
    "conformal_limit",
    _limit,
    _limit_probes,
    returns="one number, which may be infinite",
    mistakes=[
        (
            lambda s, a: _at_rank(s, np.ceil(len(s) * (1 - a) - 1e-9)),
            "The rank is counted among n films. With the new film there are n + 1: use that number.",
        ),
        (
            _finite(lambda n, a: np.ceil((n + 1) * (1 - a) - 1e-9)),
            "Where the rank is larger than the number of films, no score is high enough: the limit is infinite then.",
        ),
        (
            lambda s, a: _at_rank(s, max(np.floor((len(s) + 1) * (1 - a) + 1e-9), 1)),
            "The rank is rounded DOWN, which covers a little too little. Round it up.",
        ),
        (
            lambda s, a: _at_rank(s, max(round((len(s) + 1) * (1 - a)), 1)),
            "The rank is rounded to the nearest number, which may be too low. Round it up.",
        ),
        (
            lambda s, a: _at_rank(s, np.ceil((len(s) + 1) * a - 1e-9)),
            "The share alpha is covered here. Alpha is the share that may be LEFT OUT.",
        ),
        (
            lambda s, a: np.sort(s)[::-1][int(np.ceil((len(s) + 1) * (1 - a) - 1e-9)) - 1],
            "The scores are sorted from the largest down; the rank is counted from the smallest.",
        ),
        (
            lambda s, a: np.quantile(s, 1 - a),
            "This is the plain quantile of the n scores, interpolated. The new film needs its place, too: n + 1.",
        ),
        (
            lambda s, a: np.quantile(s, 1 - a, method="higher"),
            "This is a quantile of the n scores alone. The new film needs its place, too: n + 1.",
        ),
        (
            lambda s, a: np.quantile(s, min((1 - a) * (len(s) + 1) / len(s), 1)),
            "The level is right, but the quantile is interpolated, and too low. Take one of the scores.",
        ),
        (
            lambda s, a: np.quantile(s, a),
            "The share alpha is covered here, and interpolated. Alpha is the share that may be LEFT OUT.",
        ),
        (
            lambda s, a: np.append(np.sort(s), [np.inf] * 2)[int(np.ceil((len(s) + 1) * (1 - a) - 1e-9))],
            "This is one place too high: Python counts from 0, so the k-th smallest has the index k - 1.",
        ),
        (
            lambda s, a: s[min(int(np.ceil((len(s) + 1) * (1 - a) - 1e-9)), len(s)) - 1],
            "The scores are not sorted.",
        ),
        (lambda s, a: np.max(s), "This is the largest score, whatever alpha is."),
        (
            lambda s, a: np.ceil((len(s) + 1) * (1 - a) - 1e-9),
            "This is the rank; the score that has this rank is asked for.",
        ),
        (lambda s, a: 1 - a, "This is a share of films; a score is asked for."),
        (lambda s, a: 1 - _limit(s, a), "This is 1 minus the limit; the scores are 1 minus a probability already."),
    ],
    idea="Imagine the new film among the others: n + 1 places in a row of sorted scores. How many of these places make up the share "
    "1 - alpha, rounded up? Which score is at that place, and what if there is none?",
    right="one of the scores, at a rank that leaves a place for the new film.",
)


# --- The weighted limit ----------------------------------------------------------------------------


def _first_that_carries(scores, weights, needed):
    order = np.argsort(scores)
    enough = np.cumsum(np.asarray(weights)[order]) >= needed - 1e-9
    return float(scores[order][np.argmax(enough)]) if enough.any() else np.inf


def _weighted(scores, weights, own, alpha):
    return _first_that_carries(scores, weights, (1 - alpha) * (np.sum(weights) + own))


def _weighted_probes():
    rng, made = np.random.default_rng(133), []
    for n, alpha, own in (
        (41, 0.1, 2.3),
        (67, 0.23, 0.4),
        (29, 0.31, 3.7),
        (9, 0.1, 4.1),
        (53, 0.17, 2.9),
        (37, 0.43, 8.3),
    ):
        scores = rng.beta(1, 3, n)
        made.append((scores, np.where(rng.random(n) < 0.3 + 0.4 * (scores > 0.25), 2.3, 0.4), own, alpha))
    return made


check_weighted_limit = Check(
    "weighted_limit",
    _weighted,
    _weighted_probes,
    returns="one number, which may be infinite",
    mistakes=[
        (
            lambda s, w, o, a: _first_that_carries(s, w, (1 - a) * np.sum(w)),
            "The weight of the new film is left out of the sum. It is part of ALL weight.",
        ),
        (
            lambda s, w, o, a: min(_weighted(s, w, o, a), np.max(s)),
            "Where all scores together do not carry enough weight, the limit is infinite, not the largest score.",
        ),
        (lambda s, w, o, a: _limit(s, a), "The weights are not used: this is the limit of exercise 2."),
        (
            lambda s, w, o, a: _first_that_carries(s, w, a * (np.sum(w) + o)),
            "The share alpha is covered here. Alpha is the share that may be LEFT OUT.",
        ),
        (
            lambda s, w, o, a: _first_that_carries(s, w, (1 - a) * (np.sum(w) + 1)),
            "The new film has the weight 1 here; its own weight is given.",
        ),
        (
            lambda s, w, o, a: _first_that_carries(s, w, (1 - a) * np.sum(w) + o),
            "All of the new film's weight is asked for. It is part of the sum of which the share 1 - alpha is taken.",
        ),
        (
            lambda s, w, o, a: _first_that_carries(s, w, (1 - a) * (np.sum(w) + o) - o),
            "The weight of the new film counts as carried from the start. It is at infinity, after all scores.",
        ),
        (
            lambda s, w, o, a: np.append(np.sort(s), np.inf)[
                np.argmax(np.append(np.cumsum(w) >= (1 - a) * (np.sum(w) + o), True))
            ],
            "The scores are sorted, and the weights are not: each weight must stay with its score.",
        ),
        (
            lambda s, w, o, a: s[np.argmax(np.cumsum(w) >= (1 - a) * (np.sum(w) + o))],
            "Scores and weights are in the order of the table. Add up the weights from the lowest score on.",
        ),
        (
            lambda s, w, o, a: _limit(s * w, a),
            "The scores are multiplied by the weights. A weight says how often a film counts; it does not change its score.",
        ),
        (
            lambda s, w, o, a: _first_that_carries(s, w, (1 - a) * (len(s) + 1)),
            "You compare weights with a number of films. Compare them with the sum of all weights.",
        ),
        (
            lambda s, w, o, a: _first_that_carries(s, w, (1 - a) * len(s)),
            "You compare weights with a number of films. Compare them with the sum of all weights.",
        ),
        (
            lambda s, w, o, a: _first_that_carries(s, 1 / w, (1 - a) * (np.sum(1 / w) + 1 / o)),
            "The weights are turned upside down: films that are more frequent in the ward count more, not less.",
        ),
        (
            lambda s, w, o, a: -_first_that_carries(-s, w, (1 - a) * (np.sum(w) + o)),
            "You add up from the highest score down; begin at the lowest.",
        ),
        (
            lambda s, w, o, a: np.average(s, weights=w),
            "This is the weighted mean of the scores; a weighted quantile is asked for.",
        ),
        (
            lambda s, w, o, a: np.interp((1 - a) * (np.sum(w) + o), np.cumsum(w[np.argsort(s)]), np.sort(s)),
            "The quantile is interpolated, and too low. Take one of the scores.",
        ),
    ],
    idea="Sort the films by score and let each weight go with its film. Add up weights from the lowest score on. At which score is the "
    "share 1 - alpha of ALL weight reached, that of the new film included? What if it never is?",
    right="a film counts as often as films like it are met where the sets are used.",
)


# --- A threshold that promises few misses ----------------------------------------------------------


def _highest(p, y, holds):
    """The highest probability of a finding that is there at which `holds(threshold)`; minus infinity where none does."""
    kept = [t for t in np.unique(p[y == 1]) if holds(t)]
    return float(max(kept)) if kept else -np.inf


def _missed(y, p, threshold):
    return np.sum((y == 1) & (p < threshold), axis=1) / np.sum(y == 1, axis=1)


def _safe(y, p, alpha):
    return _highest(p, y, lambda t: (_missed(y, p, t).sum() + 1) / (len(y) + 1) <= alpha + 1e-12)


def _safe_probes():
    rng, made = np.random.default_rng(134), []
    for films, findings, alpha in ((31, 4, 0.2), (23, 3, 0.31), (47, 5, 0.13), (37, 2, 0.27)):
        y = (rng.random((films, findings)) < rng.uniform(0.15, 0.6, (films, 1))).astype(int)
        y[np.arange(films), rng.integers(0, findings, films)] = 1
        p = rng.beta(1 + 2 * y, 3 - y)
        p[y.sum(axis=1) == 1] **= 0.6
        made.append((y, p, alpha))
    return made


def _mean_over_findings(y, p, threshold):
    return np.mean([np.mean(p[:, j][y[:, j] == 1] < threshold) for j in range(y.shape[1])])


check_safe_threshold = Check(
    "safe_threshold",
    _safe,
    _safe_probes,
    returns="one number of `p`",
    mistakes=[
        (
            lambda y, p, a: _highest(p, y, lambda t: _missed(y, p, t).mean() <= a),
            "The mean of the missed shares is compared as it is. The new film needs its place: add 1, and divide by n + 1.",
        ),
        (
            lambda y, p, a: _highest(p, y, lambda t: _missed(y, p, t).sum() / (len(y) + 1) <= a),
            "You divide by n + 1, but the 1 for the new film at its worst is not added to the sum.",
        ),
        (
            lambda y, p, a: _highest(p, y, lambda t: (_missed(y, p, t).sum() + 1) / len(y) <= a),
            "You add 1 for the new film, but divide by n. With it there are n + 1 films.",
        ),
        (
            lambda y, p, a: _highest(p, y, lambda t: (np.sum(p[y == 1] < t) + 1) / (np.sum(y) + 1) <= a),
            "Every FINDING counts alike here. The promise is about films: take the share within each film first.",
        ),
        (
            lambda y, p, a: _highest(p, y, lambda t: np.mean(p[y == 1] < t) <= a),
            "Every FINDING counts alike here, and the new film has no place.",
        ),
        (
            lambda y, p, a: _highest(p, y, lambda t: (np.sum(_missed(y, p, t) > 0) + 1) / (len(y) + 1) <= a),
            "A film counts as missed when ANY finding of it is. The SHARE of its findings is asked for.",
        ),
        (
            lambda y, p, a: _highest(p, y, lambda t: (np.sum((y == 1) & (p < t)) / y.shape[1] + 1) / (len(y) + 1) <= a),
            "You divide by all the findings that there could be. Divide by those that the film has.",
        ),
        (
            lambda y, p, a: _highest(p, y, lambda t: (np.sum(_missed(y, p, t) == 1) + 1) / (len(y) + 1) <= a),
            "A film counts only when ALL its findings are missed. The SHARE of its findings is asked for.",
        ),
        (
            lambda y, p, a: _highest(p, y, lambda t: _mean_over_findings(y, p, t) <= a),
            "This is a mean over the findings; the promise is a mean over FILMS.",
        ),
        (
            lambda y, p, a: float(np.min(p[y == 1])),
            "This threshold misses nothing. A higher one is allowed: the share alpha may be missed.",
        ),
        (
            lambda y, p, a: min(t for t in np.unique(p[y == 1]) if (_missed(y, p, t).sum() + 1) / (len(y) + 1) > a),
            "This is the lowest threshold that BREAKS the promise; one step lower keeps it.",
        ),
        (
            lambda y, p, a: max(t for t in np.unique(p) if (_missed(y, p, t).sum() + 1) / (len(y) + 1) <= 1 - a),
            "The share 1 - alpha may be missed here; alpha is the share that may be missed.",
        ),
        (
            lambda y, p, a: _highest(
                p, y, lambda t: (np.sum((y == 1) & (p <= t), axis=1) / y.sum(axis=1)).sum() + 1 <= a * (len(y) + 1)
            ),
            "A finding whose probability EQUALS the threshold is called, so it is not missed.",
        ),
        (
            lambda y, p, a: np.quantile(p[y == 1], a),
            "This is a quantile over findings; the promise is a mean over films.",
        ),
        (lambda y, p, a: np.quantile(p, a), "The labels are not used: only a finding that is there can be missed."),
    ],
    idea="Take one threshold and one film: which share of its findings is below it? Add these shares up over the films, and give the new "
    "film its place. Then ask how high the threshold may go.",
    right="the promise is about films, and the new film has its place in it at its worst.",
)
