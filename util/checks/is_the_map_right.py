"""Checks of lesson 10: energy, overlap, the gain over a rival, and how alike two sets of maps are."""

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, spearmanr

from util.checks.answers import Check, CheckFailed, run


def _relu(values):
    return np.maximum(values, 0)


def _masks(rng, shape):
    """A mask with a straight and a ragged side, off the middle of the film."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    mask = (rows > shape[0] * 0.3) & (columns < shape[1] * 0.45)
    return mask & (rng.random(shape) < 0.8)


# --- energy_share ----------------------------------------------------------------------------------


def _signed_maps():
    """Maps with evidence for and against in and beside a mask, all of different, uneven sizes."""
    rng = np.random.default_rng(11)
    return [(rng.normal(0.2, 1.6, shape), _masks(rng, shape)) for shape in ((37, 53), (41, 29), (23, 61))]


def _no_evidence(function):
    """A map without positive evidence has no energy anywhere."""
    cam, mask = _signed_maps()[0]
    answer = np.asarray(run(function, -np.abs(cam), mask), float)
    if np.isnan(answer).any():
        raise CheckFailed(
            "Where nothing in the map is positive the answer is 0, and yours is NaN. What do you divide by?"
        )
    if answer.shape != () or abs(answer) > 1e-9:
        raise CheckFailed(
            "Where nothing in the map is positive the answer is 0, and yours is not. Try a map below 0 everywhere."
        )


check_energy_share = Check(
    "energy_share",
    lambda cam, mask: _relu(cam)[mask].sum() / _relu(cam).sum(),
    _signed_maps,
    returns="one number from 0 to 1",
    mistakes=[
        (
            lambda c, m: c[m].sum() / c.sum(),
            "Negative cells were added too, so evidence against the finding cancels evidence for it. Only the positive part counts.",
        ),
        (
            lambda c, m: np.abs(c[m]).sum() / np.abs(c).sum(),
            "Absolute values turn evidence against it into evidence for it.",
        ),
        (
            lambda c, m: np.square(c[m]).sum() / np.square(c).sum(),
            "Squares count evidence against the finding as evidence for it. Energy here is the plain sum of the positive part.",
        ),
        (
            lambda c, m: np.square(_relu(c))[m].sum() / np.square(_relu(c)).sum(),
            "The evidence was squared. Here energy is the plain sum of the positive part.",
        ),
        (lambda c, m: m.mean(), "This is the share of the film that the finding covers. The map was not used."),
        (lambda c, m: (c > 0)[m].mean(), "This is a share of the finding's pixels, not of the evidence."),
        (
            lambda c, m: ((c > 0) & m).sum() / (c > 0).sum(),
            "This counts positive pixels, each alike. A pixel counts as much as the evidence it holds.",
        ),
        (lambda c, m: _relu(c)[~m].sum() / _relu(c).sum(), "This is the share of the evidence BESIDE the finding."),
        (
            lambda c, m: _relu(c)[m].sum() / _relu(c)[~m].sum(),
            "This is the evidence on the finding over the evidence beside it. A share is over all of it.",
        ),
        (
            lambda c, m: _relu(c)[m].sum(),
            "This is the evidence on the finding, a sum. Over what must it be divided to be a share?",
        ),
        (
            lambda c, m: _relu(c)[m].mean() / _relu(c).mean(),
            "These are two means, so the size of the finding drops out. The share of the evidence is a ratio of sums.",
        ),
        (lambda c, m: _relu(c)[m].mean(), "This is the mean evidence on the finding, not a share of all the evidence."),
        (
            lambda c, m: _relu(c)[m].sum() / c.sum(),
            "The positive part is above the line, and the sum of positive and negative below it: take the positive part in both.",
        ),
        (
            lambda c, m: c[m].sum() / _relu(c).sum(),
            "The positive part is below the line, and the sum of positive and negative above it: take the positive part in both.",
        ),
        (
            lambda c, m: _relu(c)[m].sum() / np.abs(c).sum(),
            "Evidence against the finding is in the sum below the line. Take the positive part in both.",
        ),
        (lambda c, m: _relu(c)[m].max() / _relu(c).max(), "This compares two maxima. Energy adds up the evidence."),
        (
            lambda c, m: (s := c - c.min())[m].sum() / s.sum(),
            "The map was shifted until its lowest value was 0. Then 0 no longer means 'no evidence'.",
        ),
        (lambda c, m: _relu(c) * m, "This is still a map. Add it up, and say what share that is of all the evidence."),
    ],
    further=[_no_evidence],
    idea="Drop what speaks against the finding first. What is left has a sum over the whole film, and a smaller sum over the "
    "pixels of the mask. Think of a map without any positive pixel before you divide.",
    right="the positive evidence on the finding over all positive evidence.",
)


# --- overlap ---------------------------------------------------------------------------------------


def _smooth_maps():
    """Smooth maps with two hills and a deep valley, and masks on one of them, larger or smaller than what is marked."""
    rng, probes = np.random.default_rng(12), []
    for shape, step, part in (
        ((37, 53), 1, 1),
        ((41, 29), -1, 1),
        ((23, 61), 1, 0.1),
    ):  # the second is on the lower hill
        rows, columns = np.mgrid[: shape[0], : shape[1]] / np.array(shape).reshape(2, 1, 1)
        hills = [(0.35, 0.3, 7.3), (0.7, 0.75, 5.1), (0.15, 0.9, -14.0)]
        cam = sum(top * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 0.03) for y, x, top in hills) - 0.9
        mask = _masks(rng, shape)[:, ::step] & (rng.random(shape) < part)
        probes.append((cam + rng.normal(0, 0.2, shape), mask))
    return probes


def _top(cam):
    return cam >= 0.5 * cam.max()


def _ratio(marked, mask, below):
    both = np.count_nonzero(marked & mask)
    return both / np.count_nonzero(below(marked, mask))


check_overlap = Check(
    "overlap",
    lambda cam, mask: _ratio(_top(cam), mask, np.logical_or),
    _smooth_maps,
    returns="one number from 0 to 1",
    mistakes=[
        (
            lambda c, m: _ratio(_top(c), m, lambda a, b: b),
            "This is the share of the finding that the map covers. A map that marks the whole film would get 1.",
        ),
        (
            lambda c, m: _ratio(_top(c), m, lambda a, b: a),
            "This is the share of the marked part that is on the finding. A map that marks one pixel could get 1.",
        ),
        (
            lambda c, m: 2 * (_top(c) & m).sum() / (_top(c).sum() + m.sum()),
            "This is the Dice coefficient, which counts the common part twice. IoU divides by the union.",
        ),
        (
            lambda c, m: (_top(c) & m).sum() / (_top(c).sum() + m.sum()),
            "Below the line the common part is counted twice: the two sizes were added. The union counts it once.",
        ),
        (lambda c, m: (_top(c) == m).mean(), "This is where both agree, the empty background included."),
        (lambda c, m: (_top(c) & m).mean(), "This divides by the whole film. IoU divides by the union."),
        (lambda c, m: (_top(c) & m).sum(), "This is the common part in pixels. Which size is it divided by?"),
        (
            lambda c, m: (_top(c) | m).sum() / (_top(c) & m).sum(),
            "This is union over intersection: turn the ratio round.",
        ),
        (lambda c, m: 1 - _ratio(_top(c), m, np.logical_or), "This is 1 - IoU: 0 would be a perfect overlap."),
        (lambda c, m: _ratio(c > 0, m, np.logical_or), "Every positive pixel was marked, even below half the maximum."),
        (
            lambda c, m: _ratio(c >= 0.5, m, np.logical_or),
            "The threshold is the number 0.5. Half of the map's own maximum is asked for; a map is in logits.",
        ),
        (
            lambda c, m: _ratio(c >= np.median(c), m, np.logical_or),
            "Half of the pixels were marked. Half of the maximum is asked for: a value, not a share of pixels.",
        ),
        (
            lambda c, m: _ratio(c >= c.mean(), m, np.logical_or),
            "The threshold is the mean of the map, not half its maximum.",
        ),
        (
            lambda c, m: _ratio(c >= (c.max() + c.min()) / 2, m, np.logical_or),
            "The threshold is half-way between minimum and maximum. Half of the maximum is asked for, since 0 means 'no evidence'.",
        ),
        (
            lambda c, m: _ratio(c >= c[m].max() / 2, m, np.logical_or),
            "The maximum was taken on the finding only. A map does not know where the finding is.",
        ),
        (
            lambda c, m: _ratio(np.abs(c) >= np.abs(c).max() / 2, m, np.logical_or),
            "Absolute values turn evidence against the finding into evidence for it. Take the map as it is.",
        ),
        (
            lambda c, m: _ratio(c < c.max() / 2, m, np.logical_or),
            "The wrong side was marked: these are the pixels BELOW half of the maximum.",
        ),
        (lambda c, m: _ratio(_top(c), ~m, np.logical_or), "The mask was inverted: this is the overlap with the rest."),
        (lambda c, m: m.mean(), "This is the share of the film that the finding covers. The map was not used."),
        (lambda c, m: _top(c), "This is the part that the map marks. How well does it cover the mask?"),
    ],
    idea="First turn the map into a mask of its own: the pixels that reach half of its maximum. Then count the pixels that are "
    "in both masks, and those that are in at least one.",
    right="the pixels in both over the pixels in at least one.",
)


# --- gain ------------------------------------------------------------------------------------------


def _paired_scores():
    """Scores of a map and of a rival, and patients with one to nine films each, in mixed order."""
    rng, probes = np.random.default_rng(13), []
    for films in ([1, 5, 2, 9], [7, 1, 1, 3, 2], [2, 6, 1, 1, 1, 4]):
        patients = rng.permutation(np.repeat(rng.choice(900, len(films), replace=False) + 57, films))
        own = rng.gamma(1.3, 0.31, len(patients)) + 0.002 * (patients % 97)
        probes.append((own, rng.gamma(1.1, 0.17, len(patients)), patients))
    return probes


def _by_patient(values, patients):
    return pd.Series(values).groupby(patients).mean()


check_gain = Check(
    "gain",
    lambda own, rival, patients: _by_patient(own - rival, patients).mean(),
    _paired_scores,
    returns="one number, the mean difference",
    mistakes=[
        (
            lambda o, r, p: np.mean(o - r),
            "Each FILM counts once here, so a patient with nine films counts nine times. Each patient shall count once.",
        ),
        (lambda o, r, p: _by_patient(r - o, p).mean(), "The sign is turned: this is how much better the RIVAL is."),
        (lambda o, r, p: np.mean(r - o), "The sign is turned, and each film counts once in place of each patient."),
        (
            lambda o, r, p: pd.Series(o - r).groupby(p).sum().mean(),
            "The differences of a patient were added up, so a patient with more films counts more. Take their mean first.",
        ),
        (
            lambda o, r, p: pd.Series(o - r).groupby(p).first().mean(),
            "Only the first film of each patient is used. The others say something about the map, too.",
        ),
        (
            lambda o, r, p: pd.Series(o - r).groupby(p).last().mean(),
            "Only the last film of each patient is used. The others say something about the map, too.",
        ),
        (
            lambda o, r, p: pd.Series(o - r).groupby(p).median().mean(),
            "The median of each patient's films was taken. Their mean is asked for.",
        ),
        (lambda o, r, p: _by_patient(o - r, p).median(), "This is the median over the patients, not the mean."),
        (
            lambda o, r, p: pd.Series(o - r).groupby(p).max().mean(),
            "The best film of each patient was taken: that flatters.",
        ),
        (lambda o, r, p: (_by_patient(o - r, p) > 0).mean(), "This says for how many the map wins, not by how much."),
        (lambda o, r, p: np.mean(o > r), "This is the share of films on which the map wins, not by how much."),
        (lambda o, r, p: _by_patient(o, p).mean(), "This is the score of the map alone. Where is the rival?"),
        (lambda o, r, p: np.mean(o), "This is the score of the map alone, film by film. Where is the rival?"),
        (
            lambda o, r, p: _by_patient(o, p).mean() / _by_patient(r, p).mean(),
            "This is a ratio: how many times the rival's score. The gain is a difference.",
        ),
        (
            lambda o, r, p: _by_patient(o - r, p).mean() / _by_patient(r, p).mean(),
            "The gain was divided by the rival's score. Return the difference itself.",
        ),
        (
            lambda o, r, p: _by_patient(np.abs(o - r), p).mean(),
            "Signs were lost: films on which the rival is better count against the map.",
        ),
        (lambda o, r, p: _by_patient(o - r, p).to_numpy(), "This is one number for each patient. Average once more."),
        (
            lambda o, r, p: o - r,
            "This is one number for each film. First the mean of each patient, then the mean of the patients.",
        ),
        (
            lambda o, r, p: (o - r).sum() / len(np.unique(p)),
            "The sum over all films was divided by the number of patients, so a patient with more films counts more.",
        ),
        (lambda o, r, p: _by_patient(o - r, p).sum(), "This is the sum over the patients; the mean is asked for."),
    ],
    idea="Pair first: one difference for each film. A patient with many films has many differences; give each patient one number, "
    "then average those.",
    right="pair by film, average within each patient, then over the patients.",
)


# --- likeness --------------------------------------------------------------------------------------


def _pairs_of_maps():
    """Maps and others that are alike, unrelated or turned into their negative, without ties and far from normal."""
    rng, probes = np.random.default_rng(14), []
    for shape in ((5, 3, 7), (4, 6, 5), (3, 4, 4)):
        maps = np.exp(1.4 * rng.normal(size=shape))
        signs = np.array([-1, 1, -1, 1, 1])[: shape[0], None, None]
        others = signs * (0.6 * maps + np.exp(1.1 * rng.normal(size=shape)))
        probes.append((maps, others + 0.3))
    return probes


def _each(compare):
    """A mistake that compares pair by pair and takes the mean."""
    return lambda maps, others: np.mean([compare(a.ravel(), b.ravel()) for a, b in zip(maps, others, strict=True)])


def _rho(a, b):
    return spearmanr(a, b).statistic


check_likeness = Check(
    "likeness",
    _each(lambda a, b: abs(_rho(a, b))),
    _pairs_of_maps,
    returns="one number from 0 to 1",
    mistakes=[
        (
            _each(_rho),
            "The sign is still there, so a pair of opposite maps cancels a pair of equal ones. The size of each correlation counts.",
        ),
        (
            lambda m, o: abs(_each(_rho)(m, o)),
            "The sign was dropped too late: opposite signs have canceled in the mean already. Which comes first?",
        ),
        (
            _each(lambda a, b: abs(np.corrcoef(a, b)[0, 1])),
            "This correlates the values, so a few high cells decide. Correlate their ranks.",
        ),
        (
            _each(lambda a, b: np.corrcoef(a, b)[0, 1]),
            "This correlates the values, not their ranks, and its sign is still there.",
        ),
        (
            _each(lambda a, b: abs(np.corrcoef(a.argsort(), b.argsort())[0, 1])),
            "`argsort` gives the cells in order, not the rank of each cell. Sort once more.",
        ),
        (_each(lambda a, b: _rho(a, b) ** 2), "The correlations were squared. Their size is asked for."),
        (_each(lambda a, b: abs(kendalltau(a, b).statistic)), "This is Kendall's tau, not a correlation of ranks."),
        (
            lambda m, o: abs(_rho(m.ravel(), o.ravel())),
            "All maps were put into one row of cells. Each pair has its own correlation; then take the mean.",
        ),
        (
            lambda m, o: abs(_rho(m.mean(axis=0).ravel(), o.mean(axis=0).ravel())),
            "The maps were averaged before they were compared. Compare pair by pair, then average.",
        ),
        (
            lambda m, o: np.max([abs(_rho(a.ravel(), b.ravel())) for a, b in zip(m, o, strict=True)]),
            "This is the largest of the pairs; the mean is asked for.",
        ),
        (
            lambda m, o: np.array([abs(_rho(a.ravel(), b.ravel())) for a, b in zip(m, o, strict=True)]),
            "This is one number for each pair. Take the mean.",
        ),
        (
            lambda m, o: np.array([_rho(a.ravel(), b.ravel()) for a, b in zip(m, o, strict=True)]),
            "This is one number for each pair, with its sign. Take the size of each, then the mean.",
        ),
        (
            lambda m, o: 1 - _each(lambda a, b: abs(_rho(a, b)))(m, o),
            "This is 1 minus the likeness: 0 would be the same map.",
        ),
        (
            _each(lambda a, b: abs(_rho(np.maximum(a, 0), np.maximum(b, 0)))),
            "The maps were cut at 0 first, which ties all cells below. Take the maps as they are.",
        ),
        (
            _each(lambda a, b: abs(_rho(np.abs(a), np.abs(b)))),
            "The sign of each CELL was dropped, not that of the correlation.",
        ),
        (
            lambda m, o: np.mean([abs(_rho(m[i].ravel(), o[j].ravel())) for i in range(len(m)) for j in range(len(o))]),
            "Every map was compared with every other. Only maps[i] and others[i] belong together.",
        ),
        (
            lambda m, o: np.mean(
                [abs(_rho(a, b)) for x, y in zip(m, o, strict=True) for a, b in zip(x, y, strict=True)]
            ),
            "The correlations are within each row of the map. Rank all cells of a map together.",
        ),
        (
            _each(lambda a, b: np.mean(a.argsort().argsort() == b.argsort().argsort())),
            "This is the share of cells with equal ranks. Correlate the ranks.",
        ),
        (
            _each(lambda a, b: (a @ b) / np.linalg.norm(a) / np.linalg.norm(b)),
            "This is the cosine of the values, without ranks and without taking the mean away.",
        ),
    ],
    idea="Take one pair. Give each cell of a map its rank among all cells of that map, do the same for the other, and correlate "
    "the two lists of ranks. Drop the sign of this one number. Only then go on to the next pair, and average at the end.",
    right="rank, correlate, drop the sign, then average.",
)
