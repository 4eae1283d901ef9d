"""Checks of lesson 8: findings missed by group, a pooled AUC taken apart, an AUC against wrong labels."""

import numpy as np

from util.checks.answers import Check

# --- Missed findings by group ----------------------------------------------------------------------


def _by_group(share):
    """A number for each group: `share(y, called)` of its films."""

    def answer(y, score, groups, threshold):
        called = score >= threshold
        return np.array([share(y[groups == name], called[groups == name]) for name in np.unique(groups)])

    return answer


_missed = _by_group(lambda y, called: np.mean(~called[y == 1]))


def _missed_probes():
    rng, made = np.random.default_rng(71), []
    for names, films, digits, scale in (
        (("PA", "AP"), 97, 1, 1.0),
        (("M", "F", "X"), 139, 2, 4.0),
        ((60, 40, 0, 20), 173, 1, 1.0),
    ):
        groups = np.repeat(
            names,
            rng.multinomial(films - 12 * len(names), np.arange(1, len(names) + 1) / sum(range(len(names) + 1))) + 12,
        )
        groups = groups[::-1].copy()  # the first one met is not the first one by name
        mixed = np.append(0, 1 + rng.permutation(films - 1))
        groups = groups[mixed]
        y = (rng.random(films) < 0.3 + 0.3 * (groups == groups[0])).astype(int)
        score = np.round(rng.normal(0.8 * y + 0.5 * (groups == groups[0]), 1.0) * scale, digits)
        made.append((y, score, groups, float(np.sort(score[y == 1])[11])))
    y, score, groups, threshold = (np.array(part) if np.ndim(part) else part for part in made[0])
    score[(groups == "AP") & (y == 1)] = threshold + 1  # no film of one group is missed
    return [*made, (y, score, groups, threshold)]


def _first_met(y, score, groups, threshold):
    order = list(dict.fromkeys(groups.tolist()))
    values = dict(zip(np.unique(groups).tolist(), _missed(y, score, groups, threshold), strict=True))
    return np.array([values[name] for name in order])


def _of_all_missed(y, score, groups, threshold):
    missed = (score < threshold) & (y == 1)
    return np.array([np.mean(groups[missed] == name) for name in np.unique(groups)])


def _over_all_positives(y, score, groups, threshold):
    missed = (score < threshold) & (y == 1)
    return np.array([np.sum(missed & (groups == name)) / np.sum(y == 1) for name in np.unique(groups)])


check_missed_by_group = Check(
    "missed_by_group",
    _missed,
    _missed_probes,
    returns="one share for each group, in the order of `np.unique(groups)`",
    mistakes=[
        (
            _by_group(lambda y, c: np.mean(c[y == 1])),
            "These are the films that are FOUND, the sensitivity; the missed ones are asked for.",
        ),
        (
            _by_group(lambda y, c: np.sum(~c[y == 1])),
            "These are numbers of missed films; a group with more films has more of them. Shares are asked for.",
        ),
        (
            _by_group(lambda y, c: np.sum(~c & (y == 1)) / len(y)),
            "You divide by all films of the group. Only a film WITH the finding can be missed.",
        ),
        (
            _by_group(lambda y, c: np.sum(~c & (y == 1)) / np.sum(~c)),
            "You divide by the films called negative, which is 1 - NPV. Divide by the films that have the finding.",
        ),
        (
            _by_group(lambda y, c: np.mean(c[y == 0])),
            "These are false alarms among films WITHOUT the finding. A missed film has the finding and is not called.",
        ),
        (
            _by_group(lambda y, c: np.mean(~c[y == 0])),
            "This is the specificity: films WITHOUT the finding that are not called. A missed film has the finding.",
        ),
        (
            _by_group(lambda y, c: np.mean(~c)),
            "This is the share of all films that are not called; the labels are not used.",
        ),
        (_by_group(lambda y, c: np.mean(c != y)), "This is the share of all wrong calls, false alarms included."),
        (_by_group(lambda y, c: np.mean(y)), "This is the prevalence in each group; the scores are not used."),
        (
            lambda y, s, g, t: np.array([np.mean(s[(g == n) & (y == 1)] <= t) for n in np.unique(g)]),
            "A film whose score EQUALS the threshold is called positive, so it is not missed.",
        ),
        (
            _over_all_positives,
            "You divide by the positive films of ALL groups. Each group is to be judged by its own positive films.",
        ),
        (
            _of_all_missed,
            "These say how the missed films are divided among the groups; a large group gets much whatever happens to it.",
        ),
        (_first_met, "The groups are in the order in which they are met; sort them as np.unique does."),
        (lambda *a: _missed(*a)[::-1], "The groups are in reverse order; sort them as np.unique does."),
        (lambda y, s, g, t: np.mean(s[y == 1] < t), "This is one number for all groups together; give one for each."),
        (
            lambda y, s, g, t: np.array([np.mean(s[(g == n) & (y == 1)] < np.median(s[g == n])) for n in np.unique(g)]),
            "Each group has a threshold of its own here. The clinic uses the ONE threshold that is given.",
        ),
        (
            lambda y, s, g, t: np.array([np.mean(s[(g == n) & (y == 1)] < 0.5) for n in np.unique(g)]),
            "The threshold that is given is not used; this is at 0.5.",
        ),
        (
            lambda y, s, g, t: _missed(y, s, g, t) - np.mean(s[y == 1] < t),
            "These are differences from the share of all films; the shares themselves are asked for.",
        ),
        (
            lambda y, s, g, t: _missed(y, s, g, t) / np.mean(s[y == 1] < t),
            "These are ratios to the share of all films; the shares themselves are asked for.",
        ),
    ],
    idea="Take one group at a time. Of its films keep those that have the finding: only they can be missed. Which share of these "
    "has a score below the threshold?",
    right="each group is judged by its own positive films, at the one threshold in use.",
)


# --- A pooled AUC ----------------------------------------------------------------------------------


def _pooled(positives, negatives, aucs):
    pairs = np.outer(positives, negatives)
    return float(np.sum(pairs * aucs) / np.sum(pairs))


def _pooled_probes():
    rng = np.random.default_rng(72)
    made = [
        (rng.integers(3, 90, k), rng.integers(50, 700, k), np.round(rng.uniform(0.4, 0.99, (k, k)), 3))
        for k in (2, 3, 4)
    ]
    return [*made, (np.array([0, 17]), np.array([211, 48]), np.array([[0.61, 0.93], [0.37, 0.82]]))]


def _weighted(weights):
    """A mean of the table with other weights, (positives, negatives) -> (g, g)."""

    def answer(positives, negatives, aucs):
        w = np.asarray(weights(np.asarray(positives, float), np.asarray(negatives, float)), float)
        return float(np.sum(w * aucs) / np.sum(np.broadcast_to(w, aucs.shape)))

    return answer


def _diagonal(weights):
    return lambda p, n, a: float(np.average(np.diag(a), weights=weights(np.asarray(p, float), np.asarray(n, float))))


check_pooled_auc = Check(
    "pooled_auc",
    _pooled,
    _pooled_probes,
    returns="one number",
    mistakes=[
        (lambda p, n, a: np.mean(a), "This is the plain mean of the table: a cell with more pairs should weigh more."),
        (
            lambda p, n, a: np.mean(np.diag(a)),
            "Only the pairs within a group are used, and not weighted: pairs between groups count, too.",
        ),
        (_diagonal(lambda p, n: p * n), "Only the pairs WITHIN a group are used; pairs between groups are pairs, too."),
        (
            _diagonal(lambda p, n: p + n),
            "The groups are weighted by their films, and pairs between groups are left out: count pairs.",
        ),
        (
            _diagonal(lambda p, n: p),
            "The groups are weighted by their positive films, and pairs between groups are left out.",
        ),
        (
            _weighted(lambda p, n: p[:, None] + n[None, :]),
            "You add films where pairs are to be counted: 3 positive and 5 negative films make 15 pairs.",
        ),
        (
            _weighted(lambda p, n: np.outer(n, p)),
            "Rows and columns are exchanged: the row of `aucs` says which group the POSITIVE film is of.",
        ),
        (
            _weighted(lambda p, n: np.outer(p, np.ones(len(n)))),
            "The cells are weighted by the positive films alone; a pair needs a negative film.",
        ),
        (
            _weighted(lambda p, n: np.outer(np.ones(len(p)), n)),
            "The cells are weighted by the negative films alone; a pair needs a positive film.",
        ),
        (
            _weighted(lambda p, n: np.outer(p + n, p + n)),
            "The cells are weighted by all films of the groups; a pair is ONE positive and ONE negative film.",
        ),
        (
            _weighted(lambda p, n: np.sqrt(np.outer(p, n))),
            "The weights are the roots of the numbers of pairs; take the numbers themselves.",
        ),
        (
            lambda p, n, a: np.sum(np.outer(p, n) * a),
            "This is a number of pairs won: divide by the number of all pairs.",
        ),
        (
            lambda p, n, a: np.mean(np.outer(p, n) * a),
            "You divide by the number of cells; divide by the number of all pairs.",
        ),
        (
            lambda p, n, a: np.sum(np.outer(p, n) * a) / (np.sum(p) + np.sum(n)),
            "You divide by the number of films; divide by the number of pairs.",
        ),
        (
            lambda p, n, a: np.sum(np.outer(p, n) * a) / np.sum(np.diag(np.outer(p, n))),
            "You divide by the pairs within the groups only; divide by the number of ALL pairs.",
        ),
        (lambda p, n, a: np.outer(p, n) / np.sum(np.outer(p, n)) * a, "These are the parts of the sum; add them up."),
        (
            lambda p, n, a: np.outer(p, n) / np.sum(np.outer(p, n)),
            "These are the shares of the pairs; weigh the AUCs with them, and add up.",
        ),
        (lambda p, n, a: np.max(a), "This is the largest of the AUCs; the whole is a weighted mean of all."),
        (lambda p, n, a: np.median(a), "This is the median of the table; the whole is a weighted mean."),
        (
            lambda p, n, a: np.average(
                a[~np.eye(len(a), dtype=bool)], weights=np.outer(p, n)[~np.eye(len(a), dtype=bool)]
            ),
            "Only the pairs BETWEEN groups are used; those within a group count, too.",
        ),
    ],
    idea="An AUC is a mean over pairs. How many pairs are there of a positive film of group i and a negative film of group j? "
    "Each cell of `aucs` is the mean over that many pairs; the mean over all pairs weighs the cells accordingly.",
    right="the AUC of all films is a mean over pairs within and between groups.",
)


# --- Wrong labels ----------------------------------------------------------------------------------


def _observed(auc, ppv, npv):
    return 0.5 + (auc - 0.5) * (ppv + npv - 1)


def _kinds(formula):
    """A mistake as a formula of the AUC and of the shares of pairs: both labels right, both wrong, one wrong."""
    return lambda auc, ppv, npv: formula(auc, ppv * npv, (1 - ppv) * (1 - npv), ppv + npv - 2 * ppv * npv)


def _noise_probes():
    return [(0.83, 0.91, 0.97), (0.71, 0.36, 0.995), (0.94, 0.78, 0.83), (0.38, 0.62, 0.88), (0.97, 0.12, 0.57)]


check_auc_with_wrong_labels = Check(
    "auc_with_wrong_labels",
    _observed,
    _noise_probes,
    returns="one number",
    mistakes=[
        (lambda a, p, n: a, "This is the AUC against the truth; the labels are not used."),
        (
            _kinds(lambda a, right, wrong, one: a * right),
            "Only the pairs with two right labels count here. The other pairs are in the mean, too: how often are they won?",
        ),
        (
            _kinds(lambda a, right, wrong, one: a * right + one / 2),
            "The pairs with two wrong labels count nothing here. Sometimes they are won, too: when?",
        ),
        (
            _kinds(lambda a, right, wrong, one: a * right + a * wrong + one / 2),
            "With both labels wrong the film that is called negative is the one with the finding: the order is turned round.",
        ),
        (
            _kinds(lambda a, right, wrong, one: a * right + (1 - a) * wrong),
            "The pairs with one wrong label count nothing here. Both films are then truly the same: what does chance give?",
        ),
        (
            _kinds(lambda a, right, wrong, one: a * right + (1 - a) * wrong + one),
            "The pairs with one wrong label count as won. Both films are then truly the same: what does chance give?",
        ),
        (
            _kinds(lambda a, right, wrong, one: a * right + (1 - a) * wrong + one * a / 2),
            "A pair with one wrong label does not depend on the AUC: both films are truly the same.",
        ),
        (
            _kinds(lambda a, right, wrong, one: a * right + (1 - a) * (1 - right)),
            "Every pair with a wrong label counts as turned round. With ONE wrong label both films are truly the same.",
        ),
        (
            _kinds(lambda a, right, wrong, one: (a * right + (1 - a) * wrong) / (right + wrong)),
            "The pairs with one wrong label are left out; they remain pairs.",
        ),
        (
            _kinds(lambda a, right, wrong, one: a * right + wrong + one / 2),
            "With both labels wrong the pair is not always won.",
        ),
        (
            lambda a, p, n: (p + n) / 2,
            "This is the AUC of a PERFECT reader against these labels; here the AUC is given.",
        ),
        (
            lambda a, p, n: a * (p + n) / 2,
            "The AUC of a perfect reader times the AUC is a little different: an AUC starts from one half.",
        ),
        (
            lambda a, p, n: np.minimum(a, (p + n) / 2),
            "The best that a perfect reader gets is not only a ceiling: wrong labels lower every AUC.",
        ),
        (
            lambda a, p, n: a * (p + n - 1),
            "An AUC of one half should remain one half: shrink the distance from one half.",
        ),
        (
            lambda a, p, n: 0.5 + (a - 0.5) * p,
            "Only the positive labels are taken to be wrong at times; use the NPV as well.",
        ),
        (
            lambda a, p, n: 0.5 + (a - 0.5) * n,
            "Only the negative labels are taken to be wrong at times; use the PPV as well.",
        ),
        (
            lambda a, p, n: 0.5 + (a - 0.5) * p * n,
            "The pairs with two wrong labels are forgotten: they are turned round.",
        ),
        (
            lambda a, p, n: 0.5 + (a - 0.5) * (p + n) / 2,
            "The distance from one half shrinks by more: labels that are right by coin tosses leave nothing.",
        ),
        (lambda a, p, n: (a - 0.5) * (p + n - 1), "This is the distance from one half; the AUC itself is asked for."),
        (
            lambda a, p, n: 0.5 + (a - 0.5) / (p + n - 1),
            "This is the way back, from the observed to the true AUC; here the true one is given.",
        ),
    ],
    idea="Draw one film with a positive label and one with a negative label. There are four cases: both labels right, both wrong, and "
    "one wrong in two ways. How likely is each, and with what probability does the film with the positive label score higher?",
    right="0.5 + (AUC - 0.5) (PPV + NPV - 1): wrong labels pull every AUC towards one half.",
)
