"""Checks of lesson 15: a word that gives a label away, positives that the labels miss, the peak of a map, a mean AUC."""

import numpy as np
from sklearn.metrics import roc_auc_score

from util.checks.answers import Check

# --- A word that gives a label away ----------------------------------------------------------------


def _word(carries, has):
    return float(np.mean(carries[has]) - np.mean(carries[~has]))


def _word_probes():
    rng, made = np.random.default_rng(151), []
    for films, share, given, otherwise in ((83, 0.27, 0.61, 0.13), (131, 0.41, 0.22, 0.37), (59, 0.33, 0.83, 0.05)):
        has = rng.random(films) < share
        made.append((rng.random(films) < np.where(has, given, otherwise), has))
    return made


check_word_gap = Check(
    "word_gap",
    _word,
    _word_probes,
    returns="one number, with its sign",
    mistakes=[
        (
            lambda c, h: h[c].mean() - h[~c].mean(),
            "This is how often films with the word have the FINDING. The claim is about how often films with the finding have the word.",
        ),
        (lambda c, h: -_word(c, h), "The sign is reversed: films with the finding come first."),
        (lambda c, h: abs(_word(c, h)), "The sign is lost; a word may also be rarer on films with the finding."),
        (lambda c, h: c[h].mean(), "This is the share among the films with the finding. Compared with what?"),
        (
            lambda c, h: c[~h].mean(),
            "This is the share among the films WITHOUT the finding; the other half is missing.",
        ),
        (
            lambda c, h: c[h].mean() - c.mean(),
            "You compare with all films, which include those with the finding. Compare with the films without it.",
        ),
        (lambda c, h: c[h].mean() / c[~h].mean(), "This is a ratio; the difference is asked for."),
        (
            lambda c, h: np.mean(c & h) - np.mean(c & ~h),
            "You divide both by the number of ALL films. Divide each by the size of its own group.",
        ),
        (
            lambda c, h: np.sum(c & h) - np.sum(c & ~h),
            "These are numbers of films; the two groups differ in size, so compare shares.",
        ),
        (
            lambda c, h: np.mean(h[c]) - np.mean(~h[c]),
            "You look at films with the word only. How often do the others have the finding?",
        ),
        (lambda c, h: np.corrcoef(c, h)[0, 1], "This is a correlation; a difference of two shares is asked for."),
        (lambda c, h: h.mean() - c.mean(), "You compare how common the finding is with how common the word is."),
        (
            lambda c, h: np.mean(c == h),
            "This is how often word and finding agree; films with neither count as agreement.",
        ),
    ],
    idea="Divide the films into those with the finding and those without it. In each part, what share carries the word?",
    right="a share among films with the finding, less a share among those without it.",
)


# --- Positives that the labels miss ----------------------------------------------------------------


def _missed(mined, seen, inside):
    lost = (mined == 0)[seen == 1]
    group = inside[seen == 1]
    return float(lost[group].mean() - lost[~group].mean())


def _missed_probes():
    rng, made = np.random.default_rng(152), []
    for films, share, here, there in ((97, 0.47, 0.42, 0.17), (149, 0.31, 0.12, 0.36), (71, 0.53, 0.63, 0.29)):
        inside, seen = rng.random(films) < 0.41, (rng.random(films) < share).astype(int)
        missed = rng.random(films) < np.where(inside, here, there)
        mined = np.where(seen == 1, ~missed, rng.random(films) < 0.11).astype(int)
        made.append((mined, seen, inside))
    return made


def _gap(of):
    """A mistake: `of(mined, seen)`, a share of some films, inside the group less elsewhere."""
    return lambda m, s, i: of(m[i], s[i]) - of(m[~i], s[~i])


check_missed_gap = Check(
    "missed_gap",
    _missed,
    _missed_probes,
    returns="one number, with its sign",
    mistakes=[
        (
            lambda m, s, i: -_missed(m, s, i),
            "The sign is reversed. Did the others come first, or did you count the positives that the labels FIND?",
        ),
        (lambda m, s, i: abs(_missed(m, s, i)), "The sign is lost; it says in which group more is missed."),
        (
            _gap(lambda m, s: np.mean(s[m == 0])),
            "You start from the films without a label. Start from those on which the radiologist SAW the finding.",
        ),
        (
            _gap(lambda m, s: np.mean((s == 1) & (m == 0))),
            "You divide by all films of a group. Only a film with the finding can be missed.",
        ),
        (
            _gap(lambda m, s: np.mean(m != s)),
            "This counts every wrong label, including those that name a finding that nobody saw.",
        ),
        (
            _gap(lambda m, s: np.mean(m[s == 0])),
            "These are false labels on films without the finding; look at films WITH it.",
        ),
        (
            _gap(lambda m, s: np.mean(m == 0)),
            "Every film without the label counts as missed here; most of them do not have the finding. Use the rereading.",
        ),
        (
            _gap(lambda m, s: np.mean(s[m == 1] == 0)),
            "You start from the films WITH the label: these are false labels. Start from films with the finding.",
        ),
        (_gap(lambda m, s: np.mean(m)), "This is how common the label is in each group; the rereading is not used."),
        (_gap(lambda m, s: np.mean(s)), "This is how common the finding is in each group; the labels are not used."),
        (
            _gap(lambda m, s: np.mean(s) - np.mean(m)),
            "False labels hide missed ones here: what is missed has to be counted film by film.",
        ),
        (
            _gap(lambda m, s: np.sum((s == 1) & (m == 0))),
            "These are numbers of films; groups differ in size, so compare shares.",
        ),
        (
            lambda m, s, i: np.mean(m[(s == 1) & i] == 0) - np.mean(m[s == 1] == 0),
            "You compare the group with all films, which include the group itself. Compare with the others.",
        ),
        (lambda m, s, i: np.mean(m[(s == 1) & i] == 0), "This is the share in the group. Compared with whom?"),
        (
            lambda m, s, i: np.mean(m[(s == 1) & i] == 0) / np.mean(m[(s == 1) & ~i] == 0),
            "This is a ratio; the difference is asked for.",
        ),
        (
            lambda m, s, i: np.mean(i[(s == 1) & (m == 0)]) - np.mean(~i[(s == 1) & (m == 0)]),
            "You ask in which group the missed films are. A large group has more of everything: divide within each group.",
        ),
    ],
    idea="Only a film on which the radiologist saw the finding can be missed by the labels. Keep those films, and ask in each "
    "part of them what share has the label 0.",
    right="missed positives in the group, less missed positives elsewhere.",
)


# --- The peak of a map -----------------------------------------------------------------------------


def _hit(heat, boxes):
    row, column = np.unravel_index(np.argmax(heat), heat.shape)
    return _within(column + 0.5, row + 0.5, boxes)


def _within(x, y, boxes):
    return bool(any(bx <= x <= bx + w and by <= y <= by + h for bx, by, w, h in boxes))


HEAT_CASES = (  # row and column of the peak, and the outlines in cells: x, y, width, height
    (3, 12, [(11.2, 2.1, 3.4, 3.1)]),  # a hit
    (12, 3, [(11.2, 2.1, 3.0, 3.0)]),  # a hit only if rows and columns are exchanged
    (9, 5, [(0.2, 14.1, 1.3, 1.2), (4.1, 8.2, 3.1, 2.2)]),  # the second outline is hit
    (5, 9, [(8.2, 11.0, 3.0, 3.0), (7.0, 7.2, 2.0, 1.9)]),  # right in x only; the map's center of mass is in an outline
    (2, 13, [(1.1, 1.3, 3.0, 2.4)]),  # right in y only
    (7, 4, [(3.2, 6.1, 2.6, 2.9), (12.1, 12.2, 2.0, 2.0)]),  # the first outline is hit
    (4, 7, [(0.3, 13.2, 2.1, 2.3)]),  # the lowest cell is in the outline, the peak is not
    (10, 10, [(8.2, 8.4, 3.0, 3.0)]),  # a hit, but far from the outline's upper left corner
    (6, 11, [(8.1, 5.8, 4.0, 1.1)]),  # a hit in a wide outline
    (4, 5, [(5.6, 3.7, 1.2, 1.2)]),  # a miss by a tenth of a cell
    (1, 14, [(14.2, 0.4, 1.5, 1.4)]),  # a hit by the center of the cell, not by its corner
)


def _hit_probes():
    rng, made = np.random.default_rng(153), []
    for row, column, boxes in HEAT_CASES:
        heat = rng.normal(0, 1, (16, 16))
        heat[row, column] = 9.0 + rng.random()
        if (row, column) == (4, 7):
            heat -= 30
            heat[14, 1] = -70
        made.append((heat, np.array(boxes)))
    return made


def _at(place, test=_within):
    """A mistake: the point (x, y) that `place(heat)` names, judged by `test`."""
    return lambda heat, boxes: test(*place(heat), boxes)


def _center(heat):
    row, column = np.unravel_index(np.argmax(heat), heat.shape)
    return column + 0.5, row + 0.5


def _swapped(heat):
    return _center(heat)[::-1]


def _of_mass(heat):
    weights = heat - heat.min()
    rows, columns = np.indices(heat.shape) + 0.5
    return np.sum(weights * columns) / weights.sum(), np.sum(weights * rows) / weights.sum()


def _lowest(heat):
    return _center(-heat)


def _strongest(heat):
    return _center(np.abs(heat))


check_peak_is_inside = Check(
    "peak_is_inside",
    _hit,
    _hit_probes,
    returns="True or False",
    mistakes=[
        (
            _at(
                _center,
                lambda x, y, boxes: _within(
                    int(x), int(y), [(int(a), int(b), int(c + a) - int(a), int(d + b) - int(b)) for a, b, c, d in boxes]
                ),
            ),
            "You round to whole cells; an outline may begin within a cell.",
        ),
        (
            _at(lambda heat: tuple(part - 0.5 for part in _center(heat))),
            "You compare the corner of the highest cell; its center is half a cell further right and down.",
        ),
        (_at(_swapped), "Rows and columns are exchanged: x counts columns, y counts rows."),
        (
            _at(_center, lambda x, y, boxes: all(_within(x, y, [box]) for box in boxes)),
            "You ask for a peak within EVERY outline. A finding with two outlines is found in either.",
        ),
        (_at(_center, lambda x, y, boxes: _within(x, y, boxes[:1])), "Only the first outline is looked at."),
        (_at(_center, lambda x, y, boxes: _within(x, y, boxes[-1:])), "Only the last outline is looked at."),
        (_at(_lowest), "You take the LOWEST cell; the peak is the highest."),
        (_at(_strongest), "You take the largest absolute value. A strong negative cell speaks against the finding."),
        (_at(_of_mass), "This is the map's center of mass; the peak is its highest cell."),
        (
            _at(_center, lambda x, y, boxes: any(bx <= x <= w and by <= y <= h for bx, by, w, h in boxes)),
            "An outline is x, y, width and height: its right edge is at x + width.",
        ),
        (
            _at(
                _center,
                lambda x, y, boxes: any(abs(x - bx) <= w / 2 and abs(y - by) <= h / 2 for bx, by, w, h in boxes),
            ),
            "You take x and y for the center of an outline; they are its upper left corner.",
        ),
        (
            _at(_center, lambda x, y, boxes: any(bx <= x <= bx + w for bx, by, w, h in boxes)),
            "Only x is compared; the peak may be too high or too low.",
        ),
        (
            _at(_center, lambda x, y, boxes: any(by <= y <= by + h for bx, by, w, h in boxes)),
            "Only y is compared; the peak may be too far left or right.",
        ),
        (
            _at(_center, lambda x, y, boxes: any(bx <= x <= bx + h and by <= y <= by + w for bx, by, w, h in boxes)),
            "Width and height are exchanged: the order is x, y, width, height.",
        ),
        (_at(_center, lambda x, y, boxes: not _within(x, y, boxes)), "This is True where the peak is OUTSIDE."),
    ],
    idea="Find the row and the column of the highest cell. Its center is half a cell further right and down. Then ask of each "
    "outline whether this point is between its left and right edge, and between its upper and lower edge.",
    right="a map hits where its highest cell is in one of the outlines.",
)


# --- A mean AUC ------------------------------------------------------------------------------------


def _aucs(y, p):
    return np.array([roc_auc_score(y[:, k], p[:, k]) for k in range(y.shape[1])])


def _mean_auc(y, p):
    return float(np.mean(_aucs(y, p)))


def _auc_probes():
    rng, made = np.random.default_rng(154), []
    for films, findings in ((83, 4), (131, 6), (97, 3)):
        share = np.linspace(0.09, 0.44, findings)
        y = (rng.random((films, findings)) < share).astype(int)
        strength = np.roll(
            np.linspace(0.3, 2.1, findings), 1 - findings // 2
        )  # neither the first nor the last is extreme
        score = rng.normal(y * strength, 1.0) + 4 * share  # rare findings have low probabilities
        made.append((y, np.round(1 / (1 + np.exp(2 - score)), 3)))
    return made


def _weighted(weights):
    return lambda y, p: float(np.average(_aucs(y, p), weights=weights(y)))


check_mean_auc = Check(
    "mean_auc",
    _mean_auc,
    _auc_probes,
    returns="one number between 0 and 1",
    mistakes=[
        (
            lambda y, p: roc_auc_score(y.ravel(), p.ravel()),
            "All pairs of a film and a finding are pooled. Pooled, a film with a common finding also beats one without a rare "
            "finding, merely because one finding is common.",
        ),
        (_weighted(lambda y: y.sum(0)), "Findings count by their positives here; in a plain mean each counts once."),
        (
            _weighted(lambda y: (1 - y).sum(0)),
            "Findings count by their negatives here; in a plain mean each counts once.",
        ),
        (
            _weighted(lambda y: y.sum(0) * (1 - y).sum(0)),
            "Findings count by their pairs here; in a plain mean each counts once.",
        ),
        (lambda y, p: np.sum(_aucs(y, p)), "This is the sum of the AUCs; how many are there?"),
        (lambda y, p: np.median(_aucs(y, p)), "This is the median of the AUCs."),
        (lambda y, p: np.max(_aucs(y, p)), "This is the AUC of the best finding."),
        (lambda y, p: np.min(_aucs(y, p)), "This is the AUC of the worst finding."),
        (lambda y, p: _aucs(y, p), "These are the AUCs of the findings; their mean is asked for."),
        (
            lambda y, p: roc_auc_score(y.max(1), p.max(1)),
            "This is one AUC for 'any finding'; each finding has an AUC of its own.",
        ),
        (
            lambda y, p: np.mean([roc_auc_score(a, b) for a, b in zip(y, p, strict=True) if 0 < a.sum() < len(a)]),
            "You go through the FILMS. An AUC compares films within one finding: go through the columns.",
        ),
        (lambda y, p: np.mean((p > 0.5) == (y == 1)), "This is an accuracy at 0.5; an AUC needs no threshold."),
        (
            lambda y, p: 1 - _mean_auc(y, p),
            "This is the mean of 1 - AUC: labels and scores are compared the wrong way round.",
        ),
        (
            lambda y, p: np.mean([roc_auc_score(y[:, k], p[:, k] > 0.5) for k in range(y.shape[1])]),
            "The probabilities are made into yes or no first, which throws away their order.",
        ),
        (lambda y, p: _aucs(y, p)[0], "This is the AUC of the first finding only."),
    ],
    idea="Each finding has its own films with and without it, and its own AUC. What is the mean of these numbers, each taken once?",
    right="the mean of the findings' AUCs, each counted once.",
)
