"""Checks of lesson 14: the cost of decisions, calibration-in-the-large of a week, a step of a CUSUM, over-reliance."""

import numpy as np

from util.checks.answers import Check

# --- The cost of decisions -------------------------------------------------------------------------


def _cost(truth, called, by_hand, miss, hand):
    return float(miss * np.sum(truth & ~called) + np.sum(~truth & called) + hand * np.sum(by_hand))


def _cost_probes():
    rng = np.random.default_rng(141)
    shares = ((83, 10.0, 0.1), (131, 7.5, 0.23), (59, 3.7, 0.41))
    return [(rng.random(n) < 0.3, rng.random(n) < 0.45, rng.random(n) < 0.37, miss, hand) for n, miss, hand in shares]


check_year_cost = Check(
    "year_cost",
    _cost,
    _cost_probes,
    returns="one number",
    mistakes=[
        (
            lambda t, c, b, m, h: m * np.sum(t & ~c) + np.sum(~t & c),
            "The work of the person who sorts films is free here: each film sorted by hand has a price.",
        ),
        (lambda t, c, b, m, h: m * np.sum(t & ~c) + h * np.sum(b), "False alarms are free here; each costs 1."),
        (lambda t, c, b, m, h: np.sum(~t & c) + h * np.sum(b), "Missed findings are free here."),
        (
            lambda t, c, b, m, h: np.sum(t & ~c) + m * np.sum(~t & c) + h * np.sum(b),
            "The prices are exchanged: the large one is for a MISSED finding.",
        ),
        (
            lambda t, c, b, m, h: m * np.sum(t & ~c) + np.sum(c) + h * np.sum(b),
            "Every called film is counted as a false alarm; only those without the finding are.",
        ),
        (
            lambda t, c, b, m, h: m * np.sum(~c) + np.sum(~t & c) + h * np.sum(b),
            "Every film that is not called is counted as missed; only one WITH the finding can be missed.",
        ),
        (
            lambda t, c, b, m, h: m * np.sum(t) + np.sum(~t & c) + h * np.sum(b),
            "Every film with the finding is counted as missed, also those that were called.",
        ),
        (
            lambda t, c, b, m, h: np.sum(t & ~c) + np.sum(~t & c) + h * np.sum(b),
            "A missed finding is worth as much as a false alarm here: use its price.",
        ),
        (
            lambda t, c, b, m, h: m * np.sum(t & ~c) + np.sum(~t & c) + np.sum(b),
            "A film sorted by hand is counted as a whole false alarm: use its price.",
        ),
        (
            lambda t, c, b, m, h: m * np.sum(t & ~c & ~b) + np.sum(~t & c & ~b) + h * np.sum(b),
            "The person's own mistakes are left out. `called` is what was decided in the end, by either of the two.",
        ),
        (
            lambda t, c, b, m, h: _cost(t, c, b, m, h) / len(t),
            "This is the mean cost of a film; the cost of all films is asked for.",
        ),
        (
            lambda t, c, b, m, h: m * np.sum(t & c) + np.sum(~t & ~c) + h * np.sum(b),
            "This charges the films that were decided RIGHTLY.",
        ),
    ],
    idea="Three things cost something. Count each of them over all films, and multiply each number by its own price.",
    right="misses, false alarms and work by hand, each at its own price.",
)


# --- Calibration-in-the-large of a week ------------------------------------------------------------


def _large(y, p):
    return float(np.sum(y - p) / np.sqrt(np.sum(p * (1 - p))))


def _large_probes():
    rng = np.random.default_rng(142)
    made = []
    for films, tilt in ((61, 0.02), (143, -0.05), (97, 0.11)):
        p = rng.beta(0.6, 4, films)
        made.append(((rng.random(films) < np.clip(p + tilt, 0, 1)).astype(int), p))
    return made


check_in_the_large_z = Check(
    "in_the_large_z",
    _large,
    _large_probes,
    returns="one number, with its sign",
    mistakes=[
        (
            lambda y, p: np.sum(y - p),
            "This is the difference between seen and expected findings. By how much does it vary by chance?",
        ),
        (lambda y, p: np.mean(y - p), "This is a mean difference; say how many standard deviations it is."),
        (lambda y, p: -_large(y, p), "The sign is turned round: above 0 means MORE findings than expected."),
        (lambda y, p: abs(_large(y, p)), "The sign is lost; it says whether there were more findings or fewer."),
        (
            lambda y, p: np.sum(y - p) / np.sum(p * (1 - p)),
            "You divide by the variance; the standard deviation is its square root.",
        ),
        (
            lambda y, p: np.sum(y - p) / np.sqrt(np.sum(p)),
            "This takes the variance of a rare count, the sum of p. Each film's variance is smaller than p.",
        ),
        (
            lambda y, p: np.sum(y - p) / np.sqrt(len(y) * np.mean(p) * (1 - np.mean(p))),
            "This treats all films as equally probable. Add up the variance of each film's own probability.",
        ),
        (
            lambda y, p: np.sum(y - p) / np.sqrt(np.sum(y * (1 - p))),
            "The variance is that of the predictions; the labels have no place in it.",
        ),
        (
            lambda y, p: np.sum(y - p) / np.sqrt(len(y)),
            "You divide by the root of the number of films, as if each label had variance 1.",
        ),
        (lambda y, p: np.mean(y - p) / np.std(y - p), "Divide by the standard deviation of the SUM, not of one film."),
        (
            lambda y, p: np.mean(y - p) / np.sqrt(np.sum(p * (1 - p))),
            "A mean difference is divided by the standard deviation of a sum: use the sum for both.",
        ),
        (
            lambda y, p: np.sum(y - p) / np.sum(np.sqrt(p * (1 - p))),
            "Standard deviations are added up here. Variances add up; the root comes last.",
        ),
        (
            lambda y, p: np.sum(y - p) / np.std(y - p) / np.sqrt(len(y)),
            "This takes the spread that these labels happened to have. Take the one that the predictions promise.",
        ),
        (
            lambda y, p: np.sum(y) / np.sum(p),
            "This is a ratio of seen and expected findings; a difference is asked for.",
        ),
    ],
    idea="If the model is right, film i has the finding with probability p. What is the mean of such a 0 or 1, and what is its variance? "
    "Both add up over the films.",
    right="a number near 0 as long as the probabilities hold, with a standard deviation of about 1.",
)


# --- A step of a CUSUM -----------------------------------------------------------------------------


def _step(up, down, z, slack):
    return np.array([max(0.0, up + z - slack), max(0.0, down - z - slack)])


def _step_probes():
    return [(1.37, 0.21, 1.83, 0.5), (0.43, 2.11, -0.94, 0.37), (0.18, 0.29, -0.07, 0.61), (3.19, 1.53, -4.41, 0.23)]


def _either(up, down):
    return lambda u, d, z, k: np.array([up(u, z, k), down(d, z, k)])


check_cusum_step = Check(
    "cusum_step",
    _step,
    _step_probes,
    returns="two numbers, the upper and the lower sum",
    mistakes=[
        (
            _either(lambda u, z, k: u + z - k, lambda d, z, k: d - z - k),
            "A sum falls below 0 here; then good weeks would be saved up against a later change.",
        ),
        (
            _either(lambda u, z, k: max(0, u + z), lambda d, z, k: max(0, d - z)),
            "The slack is not used: chance alone would let such a sum wander far.",
        ),
        (
            _either(lambda u, z, k: max(0, u + z + k), lambda d, z, k: max(0, d - z + k)),
            "The slack is added: then every sum grows even where nothing happens.",
        ),
        (
            _either(lambda u, z, k: max(0, u + z - k), lambda d, z, k: max(0, d + z - k)),
            "Both sums watch for a rise. The lower one is to grow where z falls.",
        ),
        (
            _either(lambda u, z, k: max(0, u + z - k), lambda d, z, k: max(0, d - z + k)),
            "The slack helps the lower sum to grow; it is to slow down both.",
        ),
        (
            _either(lambda u, z, k: max(0, u + z - k), lambda d, z, k: min(0, d + z + k)),
            "The lower sum is kept below 0 here. In this lesson both sums are at least 0, and both alarm when they are large.",
        ),
        (
            lambda u, d, z, k: np.array([max(0, d + z - k), max(0, u - z - k)]),
            "Each sum goes on from the other one: the two are exchanged.",
        ),
        (lambda u, d, z, k: _step(u, d, z, k)[::-1], "The two sums are in the wrong order: first the upper one."),
        (
            _either(lambda u, z, k: max(0, z - k), lambda d, z, k: max(0, -z - k)),
            "The sums before this week are forgotten: what has added up so far counts.",
        ),
        (
            _either(lambda u, z, k: u + max(0, z - k), lambda d, z, k: d + max(0, -z - k)),
            "These sums can never fall: the whole sum is held at 0, not the step.",
        ),
        (
            _either(lambda u, z, k: max(k, u + z - k), lambda d, z, k: max(k, d - z - k)),
            "The sums are held at the slack; they are held at 0.",
        ),
        (
            _either(lambda u, z, k: max(0, u + abs(z) - k), lambda d, z, k: max(0, d + abs(z) - k)),
            "The sign of z is lost: a rise and a fall in turn would add up.",
        ),
        (lambda u, d, z, k: max(0, u + z - k), "This is the upper sum alone; return the lower one as well."),
    ],
    idea="Each sum adds what speaks for its own direction, minus the slack. What should happen to a sum when that makes it negative?",
    right="both sums forget what lies below 0, and add up what lies above.",
)


# --- Over-reliance ---------------------------------------------------------------------------------


def _over(truth, alone, advice, final):
    tempted = (alone == truth) & (advice != truth)
    return float(np.mean(final[tempted] == advice[tempted]))


def _over_probes():
    rng, made = np.random.default_rng(143), []
    for films in (83, 127, 61):
        truth = rng.random(films) < 0.43
        alone, advice = truth ^ (rng.random(films) < 0.27), truth ^ (rng.random(films) < 0.36)
        made.append((truth, alone, advice, np.where(rng.random(films) < 0.59, advice, alone)))
    return made


def _share(hit, of):
    return lambda t, a, v, f: float(np.sum(hit(t, a, v, f) & of(t, a, v, f)) / np.sum(of(t, a, v, f)))


def _tempted(t, a, v, f):
    return (a == t) & (v != t)


check_over_reliance = Check(
    "over_reliance",
    _over,
    _over_probes,
    returns="one share",
    mistakes=[
        (
            _share(lambda t, a, v, f: f != v, _tempted),
            "These are the films on which the reader REMAINED right. The others are asked for.",
        ),
        (
            _share(lambda t, a, v, f: f == v, lambda t, a, v, f: v != t),
            "All wrong advice counts here. Where the reader alone was wrong as well, nobody was led astray.",
        ),
        (
            _share(lambda t, a, v, f: f == v, lambda t, a, v, f: a != v),
            "All advice that differs from the first reading counts here, also where the advice was right.",
        ),
        (
            _share(lambda t, a, v, f: f != v, lambda t, a, v, f: (a != t) & (v == t)),
            "This is UNDER-reliance: right advice that was not followed.",
        ),
        (
            _share(lambda t, a, v, f: f == v, lambda t, a, v, f: (a != t) & (v == t)),
            "These are films on which the advice HELPED.",
        ),
        (
            _share(lambda t, a, v, f: f == v, lambda t, a, v, f: a == t),
            "All films that were read rightly alone are in the denominator; keep those whose advice is wrong.",
        ),
        (
            _share(lambda t, a, v, f: _tempted(t, a, v, f) & (f == v), lambda t, a, v, f: np.ones(len(t), bool)),
            "You divide by all films; divide by those on which the reader could be led astray.",
        ),
        (
            _share(lambda t, a, v, f: _tempted(t, a, v, f), lambda t, a, v, f: f != t),
            "You divide by the films that were wrong in the end; the question goes the other way round.",
        ),
        (
            lambda t, a, v, f: float(np.sum(_tempted(t, a, v, f) & (f == v))),
            "This is a number of films; a share is asked for.",
        ),
        (lambda t, a, v, f: float(np.mean(f == v)), "This is how often the reader agrees with the advice at all."),
        (
            lambda t, a, v, f: float(np.mean(f != a)),
            "This is how often the reader changed the answer, for better or worse.",
        ),
        (lambda t, a, v, f: float(np.mean(f != t)), "This is the share of wrong answers in the end."),
        (lambda t, a, v, f: float(np.mean(v != t)), "This is how often the advice is wrong; the reader is not used."),
    ],
    idea="On which films can advice lead a reader astray at all? Keep those. On which share of them did the reader follow?",
    right="only where the reader was right and the advice wrong can trust do harm.",
)
