"""Checks of lesson 12: a paired effect, the severity found half of the time, what a patch did to a logit."""

import numpy as np

from util.checks.answers import Check

# --- The paired effect -----------------------------------------------------------------------------


def _with(error, mean=np.mean):
    """(mean, low, high) of the differences with a standard error."""

    def answer(before, after, quantile):
        change = np.asarray(after, float) - np.asarray(before, float)
        reach = quantile * error(before, after, change)
        return np.array([mean(change), mean(change) - reach, mean(change) + reach])

    return answer


def _paired_error(before, after, change):
    return change.std(ddof=1) / np.sqrt(len(change))


_paired = _with(_paired_error)


def _pair_probes():
    rng, made = np.random.default_rng(121), []
    for patients, quantile in ((7, 2.447), (12, 2.201), (19, 2.101)):
        before = rng.normal(-2, 1.3, patients)
        made.append((before, before + rng.normal(0.8, 0.5, patients), quantile))
    return made


def _unpaired(before, after, _):
    return np.sqrt(np.var(before, ddof=1) / len(before) + np.var(after, ddof=1) / len(after))


check_paired_effect = Check(
    "paired_effect",
    _paired,
    _pair_probes,
    returns="three numbers: the mean effect, and the lower and the upper end of its interval",
    mistakes=[
        (lambda b, a, q: _paired(a, b, q), "The sign is turned round: an effect is the logit AFTER the change minus the one before."),
        (_with(_unpaired), "This is the error of two groups of different people. Here each patient is his or her own control: look at the differences."),
        (
            _with(lambda b, a, c: np.sqrt((np.var(b, ddof=1) + np.var(a, ddof=1)) / 2 / len(b))),
            "This error is made of the spread of the logits. What matters is the spread of the differences.",
        ),
        (_with(lambda b, a, c: c.std() / np.sqrt(len(c))), "You divide by n where the standard deviation of a sample divides by n - 1."),
        (_with(lambda b, a, c: c.std(ddof=1)), "This is how much patients differ, not how sure their mean is: it does not shrink with more patients."),
        (_with(lambda b, a, c: c.std()), "This is how much patients differ, not how sure their mean is: it does not shrink with more patients."),
        (_with(lambda b, a, c: c.var(ddof=1) / len(c)), "This is the variance of the mean. The interval needs its square root."),
        (_with(lambda b, a, c: c.std(ddof=1) / len(c)), "You divide by the number of patients; the error of a mean shrinks with its square root."),
        (_with(lambda b, a, c: np.std(a, ddof=1) / np.sqrt(len(a))), "This error comes from the logits after the change alone. Take the differences."),
        (_with(lambda b, a, c: np.std(b, ddof=1) / np.sqrt(len(b))), "This error comes from the logits before the change alone. Take the differences."),
        (lambda b, a, q: _with(_paired_error)(b, a, 1.0), "The quantile is not used: this interval is one standard error to each side."),
        (lambda b, a, q: _with(_paired_error)(b, a, 1.96), "The quantile that is given is not used; 1.96 is that of very many patients."),
        (_with(_paired_error, np.median), "The middle is the median of the differences; the interval asked for is around their mean."),
        (lambda b, a, q: _paired(b, a, q)[[0, 2, 1]], "The ends are exchanged: the lower one comes first."),
        (lambda b, a, q: _paired(b, a, q)[[1, 0, 2]], "The order is mean, lower end, upper end."),
        (lambda b, a, q: _paired(b, a, q)[1:], "These are the two ends; the mean belongs in front of them."),
        (lambda b, a, q: _paired(b, a, q)[0], "This is the mean alone; its interval is asked for, too."),
        (
            lambda b, a, q: np.array([np.mean(a - b), q * _paired_error(b, a, a - b), q * _paired_error(b, a, a - b)]),
            "The second and third number are the reach of the interval. Its ends are asked for.",
        ),
        (
            lambda b, a, q: np.array([np.mean(a - b), (a - b).min(), (a - b).max()]),
            "These are the smallest and the largest effect of a patient, not an interval of the mean.",
        ),
        (
            lambda b, a, q: np.array([np.mean(a - b), *np.quantile(a - b, [0.025, 0.975])]),
            "These are quantiles of the patients' effects; they do not say how sure the mean is.",
        ),
    ],
    idea="Each patient gives one number, the change of the logit. How large is the mean of these numbers, and how much does the mean of so many "
    "numbers vary by chance? The quantile says how many such errors to go to each side.",
    right="each patient is compared with the same patient, so differences between patients cancel.",
)  # fmt: skip


# --- The severity that is found half of the time ---------------------------------------------------


def _half(severities, shares):
    return float(np.interp(0.5, shares, severities))


def _half_probes():
    rng, made = np.random.default_rng(122), []
    for count in (5, 6, 8, 7):
        severities = np.sort(rng.uniform(0.03, 0.97, count))
        shares = np.sort(np.append(rng.uniform(0.02, 0.44, count // 2), rng.uniform(0.57, 0.99, count - count // 2)))
        made.append((severities, shares))
    return made


def _places(shares):
    above = int(np.argmax(np.asarray(shares) >= 0.5))
    return above - 1, above


def _line(severities, shares):
    slope, intercept = np.polyfit(severities, shares, 1)
    return (0.5 - intercept) / slope


def _logit_line(severities, shares):
    slope, intercept = np.polyfit(severities, np.log(shares / (1 - shares)), 1)
    return -intercept / slope


def _log_odds(severities, shares):
    low, high = _places(shares)
    z = np.log(shares / (1 - shares))
    return severities[low] - z[low] * (severities[high] - severities[low]) / (z[high] - z[low])


def _turned(severities, shares):
    low, high = _places(shares)
    part = (0.5 - shares[low]) / (shares[high] - shares[low])
    return severities[high] - part * (severities[high] - severities[low])


check_half_severity = Check(
    "half_severity",
    _half,
    _half_probes,
    returns="one severity",
    mistakes=[
        (lambda x, p: x[_places(p)[1]], "This is the first severity at which MORE than half is found. The half is reached before it: go along the straight line."),
        (lambda x, p: x[_places(p)[0]], "This is the last severity at which LESS than half is found. The half is reached after it: go along the straight line."),
        (lambda x, p: np.mean(x[list(_places(p))]), "This is the middle between the two severities around the half. Which of the two shares is nearer to one half?"),
        (lambda x, p: x[np.argmin(np.abs(p - 0.5))], "This is the severity whose share is nearest to one half. The half is between two of them."),
        (lambda x, p: np.interp(0.5, x, p), "This is the share at severity 0.5. The question is the other way round: the severity at the share 0.5."),
        (_turned, "Between the two severities you go the wrong way: start at the lower one."),
        (lambda x, p: np.median(x), "This is the median of the severities; the shares are not used."),
        (lambda x, p: np.mean(x), "This is the mean of the severities; the shares are not used."),
        (lambda x, p: np.average(x, weights=p), "This is a mean of the severities, weighted by the shares. Look for the place where the line crosses one half."),
        (_line, "This fits one straight line to all points. Join neighbor with neighbor."),
        (_logit_line, "This fits a line to the logits of all shares. Join the two points around one half with a straight line."),
        (_log_odds, "Between the two points you go along a line of logits. Take the straight line of the shares."),
        (lambda x, p: np.interp(0.5 * np.max(p), p, x), "This is half of the LARGEST share. Half of the time means a share of 0.5."),
        (lambda x, p: np.interp((p[0] + p[-1]) / 2, p, x), "This is halfway between the first and the last share. Half of the time means a share of 0.5."),
        (lambda x, p: np.mean(p), "This is the mean share; a severity is asked for."),
        (lambda x, p: float(_places(p)[1]), "This is the number of a severity in the list, not the severity."),
    ],
    idea="Draw the shares over the severities and join neighbors with straight lines. Between which two severities does the line cross 0.5? How far "
    "along the way?",
    right="between the two severities around one half, in proportion.",
)  # fmt: skip


# --- What a patch did to the logit -----------------------------------------------------------------


def _restored(logit_of, film, twin, patch):
    return float(logit_of(twin) - logit_of(np.where(patch, film, twin)))


def _patch_probes():
    made = []
    for seed, shape in ((123, (4, 5)), (124, (6, 3)), (125, (5, 5)), (126, (3, 7)), (127, (4, 4)), (129, (5, 6))):
        rng = np.random.default_rng(seed)
        weights, film = rng.normal(size=shape), rng.normal(100, 20, shape)
        twin = film + (rng.random(shape) < 0.6) * rng.normal(15, 9, shape)
        patch = rng.random(shape) < 0.4
        made.append((_network(weights), film, twin, patch))
    return made


class _network:
    """A small network without state: a weighted sum that saturates."""

    def __init__(self, weights):
        self.weights = weights

    def __call__(self, picture):
        z = float(np.sum(self.weights * np.asarray(picture, float))) / 40
        return 3 * np.tanh(z / 3)


check_restored = Check(
    "restored",
    _restored,
    _patch_probes,
    returns="one number, in logits",
    mistakes=[
        (lambda f, a, b, m: -_restored(f, a, b, m), "The sign is turned round: where the change had RAISED the logit, the answer is above 0."),
        (lambda f, a, b, m: f(np.where(m, b, a)) - f(a), "You put the twin's patch into the FILM. Put the film's patch into the twin."),
        (lambda f, a, b, m: f(a) - f(np.where(m, b, a)), "You put the twin's patch into the FILM, and the sign is turned round, too."),
        (lambda f, a, b, m: f(b) - f(np.where(m, b, a)), "Here all but the patch is put back. Put back the patch alone."),
        (lambda f, a, b, m: f(b) - f(np.where(m, 0, b)), "You paint the patch black, which is occlusion. Put back what the film has there."),
        (lambda f, a, b, m: f(b) - f(np.where(m, b.mean(), b)), "You paint the patch gray, which is occlusion. Put back what the film has there."),
        (lambda f, a, b, m: f(b) - f(np.where(m, a.mean(), b)), "You paint the patch with the film's mean. Put back the film's own pixels."),
        (lambda f, a, b, m: f(b) - f(a), "This is the whole effect: everything is put back. Put back the patch alone."),
        (lambda f, a, b, m: f(a) - f(b), "This is the whole effect with the sign turned round. Put back the patch alone."),
        (lambda f, a, b, m: f(np.where(m, a, b)), "This is the logit after the patch was put back. How far did it fall?"),
        (lambda f, a, b, m: f(np.where(m, a, b)) - f(a), "This is what is LEFT of the effect. What did the patch take away?"),
        (lambda f, a, b, m: _restored(f, a, b, m) / (f(b) - f(a)), "This is a share of the whole effect; logits are asked for."),
        (lambda f, a, b, m: f(np.where(m, b - a, 0)), "The network never sees a difference picture: show it whole films."),
        (lambda f, a, b, m: np.abs(b - a)[m].sum(), "This is how much the PIXELS changed; the network is not asked."),
        (lambda f, a, b, m: np.abs(b - a)[m].mean(), "This is how much the PIXELS changed; the network is not asked."),
        (lambda f, a, b, m: f(b), "This is the logit of the twin; nothing is put back."),
        (lambda f, a, b, m: abs(_restored(f, a, b, m)), "The sign is lost: a patch can speak against the finding."),
    ],
    idea="Make a third picture: the twin, but with the film's pixels inside of the patch. The network reads it. By how much is the logit of the twin "
    "higher?",
    right="what the logit loses when one patch is as it was before.",
)  # fmt: skip
