"""How well scores rank films, and how sure that is: ROC curve, AUC with intervals, the table (notebook 4).

Throughout, `y` holds one finding's labels (n,), 0 or 1, and `score` its scores (n,), higher meaning more
likely; logits serve as well as probabilities, since only the order counts. Every function raises CourseError for
labels other than 0/1, NaN scores, shapes that differ, and fewer than two films.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from util.errors import CourseError
from util.findings import FINDINGS
from util.resampling import bootstrap_aucs, percentile_interval
from util.stats import checked, normal_quantile, patient_codes
from util.stats import wilson_interval as wilson_interval

# Below ten positives a 95 % interval by DeLong holds the truth far less often than 95 % of the time.
MINIMUM = 10


def roc_curve(y, score):
    """ROC curve, one point per distinct score, from (0, 0) to (1, 1).

    Parameters
    ----------
    y : array (n,) of 0/1
    score : array (n,)

    Returns
    -------
    fpr, tpr, thresholds : float arrays (k + 1,), thresholds falling; at the first, infinite, none is positive.
    A film is called positive when its score reaches the threshold.

    Raises
    ------
    CourseError : one class only, or as above.
    """
    y, score = checked(y, score)
    if y.all() or not y.any():
        raise CourseError("All films have the same label: a ROC curve needs positive and negative films.")
    thresholds, called, hits = _steps(y, score)
    fpr, tpr = (called - hits) / np.sum(~y), hits / np.sum(y)
    return np.append(0.0, fpr), np.append(0.0, tpr), np.append(np.inf, thresholds)


def _steps(y, score):
    """Distinct scores falling, and how many films and how many positives reach each."""
    order = np.argsort(score)[::-1]  # in any order within ties
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(y) - 1)  # tied films pass the threshold together
    return score[order][ends], ends + 1, np.cumsum(y[order])[ends]


def auc(y, score):
    """Area under the ROC curve: probability that a positive film outranks a negative one, ties counting half.

    Returns
    -------
    float in [0, 1], or NaN where all films have the same label

    In O(n log n) (Mann and Whitney 1947; Hanley and McNeil 1982).
    """
    outranked, _ = placements(y, score)
    return float(outranked.mean()) if len(outranked) else np.nan


def average_precision(y, score):
    """Mean precision over the positives, each at the threshold that finds it; its baseline is the prevalence.

    Returns
    -------
    float in (0, 1], or NaN where no film is positive

    The sum over thresholds of precision times the rise in recall, without interpolation, as scikit-learn's.
    """
    y, score = checked(y, score)
    _, called, hits = _steps(y, score)
    return float(np.sum(hits / called * np.diff(hits, prepend=0)) / hits[-1]) if hits[-1] else np.nan


def placements(y, score):
    """How each film stands among the films of the other class: DeLong's structural components.

    Returns
    -------
    (float array (positives,), float array (negatives,)), in the order of the films: for each positive the share of
    negatives below it, for each negative the share of positives above it, ties counting half; both average to the
    AUC. Empty with one class.

    By one sort, as Sun and Xu 2014 (doi 10.1109/LSP.2014.2337313) with midranks.
    """
    y, score = checked(y, score)
    positives = int(y.sum())
    if positives in (0, len(y)):
        return np.empty(0), np.empty(0)
    order = np.argsort(score)
    ranked, hits = score[order], np.cumsum(y[order])
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(y) - 1)  # last film of each tie
    sizes, tied_hits = np.diff(ends, prepend=-1), np.diff(hits[ends], prepend=0)
    hits = np.repeat(hits[ends] - tied_hits / 2, sizes)  # positives below a tie, and half of those in it
    films = np.repeat(ends + 1 - sizes / 2, sizes)
    below, above = np.empty(len(y)), np.empty(len(y))
    below[order], above[order] = (films - hits) / (len(y) - positives), 1 - hits / positives
    return below[y], above[~y]


class Influence(NamedTuple):
    """What each patient adds to an AUC: sums of placements less the AUC, over the number of films of the class."""

    auc: float
    of_positives: np.ndarray  # (patients,)
    of_negatives: np.ndarray  # (patients,)
    patients: int  # patients with a film
    with_positive: int  # and with a positive one
    with_negative: int

    @property
    def known(self):
        """Whether there are two patients of each class, so that a variance can be told."""
        return min(self.with_positive, self.with_negative) > 1


def influence(y, score, patients=None, among=None):
    """Parts of an AUC by patient (by film where `patients` is None): `Influence`, NaN and zeros with one class.

    Parameters
    ----------
    y, score, patients : as those of `auc_variance`
    among : bool array (n,), the films to take, or None for all; the parts are those of all patients either way, so
        that two AUCs can be compared patient by patient

    The AUC's error is, but for terms of higher order, the sum of independent parts, one of each patient. From them
    follow the variance of an AUC, and the covariance of two that share films or patients.
    """
    y, score = checked(y, score)
    who, everyone = patient_codes(patients, len(y))
    if among is not None:
        y, score, who = y[among], score[among], who[among]
    if not y.any() or y.all():
        return Influence(np.nan, np.zeros(everyone), np.zeros(everyone), 0, 0, 0)
    below, above = placements(y, score)
    area = float(below.mean())
    a = np.bincount(who[y], below - area, everyone) / len(below)
    b = np.bincount(who[~y], above - area, everyone) / len(above)
    present = len(y), len(below), len(above)  # films are their own patients
    if patients is not None:
        present = (int(np.count_nonzero(np.bincount(codes))) for codes in (who, who[y], who[~y]))
    return Influence(area, a, b, *present)


def variance_of(parts):
    """Obuchowski's variance from an `Influence`; NaN with fewer than two patients with a film of each class."""
    if not parts.known:
        return np.nan
    a, b = parts.of_positives, parts.of_negatives
    positives, negatives = bessel(parts.with_positive) * np.sum(a * a), bessel(parts.with_negative) * np.sum(b * b)
    return float(positives + negatives + 2 * bessel(parts.patients) * np.sum(a * b))


def bessel(count):
    """Bessel's correction of a variance from `count` parts, at least 2."""
    return count / (count - 1)


def auc_variance(y, score, patients=None):
    """Variance of the AUC: DeLong's, or Obuchowski's where films of one patient hang together.

    Parameters
    ----------
    y : array (n,) of 0/1
    score : array (n,)
    patients : array (n,), the patient of each film, or None to treat the films as independent

    Returns
    -------
    float, or NaN with fewer than two positives or negatives (with `patients`: patients who have one)

    DeLong et al. 1988 (doi 10.2307/2531595); Obuchowski 1997 (doi 10.2307/2533958), which is DeLong's when
    every patient has one film.
    """
    return variance_of(influence(y, score, patients))


def auc_interval(y, score, level=0.95, patients=None, scale="logit"):
    """Confidence interval of the AUC from `auc_variance`.

    Parameters
    ----------
    y : array (n,) of 0/1
    score : array (n,)
    level : float in (0, 1)
    patients : array (n,), the patient of each film, or None to treat the films as independent
    scale : 'logit', or 'plain' for AUC +- z standard errors cut at 0 and 1, as R's pROC has it

    Returns
    -------
    (low, high), floats in [0, 1]; NaN where the variance is unknown, and where the AUC is 0 or 1, since a
    variance of 0 from a finite sample is no certainty

    The logit keeps the interval within (0, 1) and covers better than the plain one when the AUC is high or
    positives are few (Qin and Hotilovac 2008, doi 10.1177/0962280207087173; a test here measures it).
    """
    if scale not in ("logit", "plain"):
        raise CourseError(f"There is no scale {scale!r}: use 'logit' or 'plain'.")
    parts = influence(y, score, patients)
    return interval_around(parts.auc, variance_of(parts), level, scale)


def interval_around(area, variance, level=0.95, scale="logit"):
    """Interval (low, high) of an AUC whose variance is known; see `auc_interval`."""
    z = normal_quantile(level)
    if not 0 < area < 1 or np.isnan(variance):
        return np.nan, np.nan
    error = np.sqrt(max(variance, 0.0))
    if scale == "plain":
        return float(max(area - z * error, 0)), float(min(area + z * error, 1))
    centre, reach = np.log(area / (1 - area)), z * error / (area * (1 - area))
    return float(1 / (1 + np.exp(reach - centre))), float(1 / (1 + np.exp(-reach - centre)))


def hanley_mcneil_variance(area, positives, negatives):
    """Variance of an AUC expected before any film is scored, from the numbers of films alone.

    Parameters
    ----------
    area : float or array in (0, 1), the AUC that is supposed
    positives, negatives : int or array, at least 1

    Returns
    -------
    float or array. Hanley and McNeil 1982 (doi 10.1148/radiology.143.1.7063747), for exponential scores.
    """
    area, positives, negatives = map(np.asarray, (area, positives, negatives))
    if np.any(positives < 1) or np.any(negatives < 1) or not np.all((area > 0) & (area < 1)):
        raise CourseError(
            "Hanley and McNeil's formula needs an AUC between 0 and 1 and at least one film of each class."
        )
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
    return spread / (positives * negatives)


def auc_table(y, score, patients=None, minimum=MINIMUM, level=0.95, by_patient=False, rounds=1000, seed=0):
    """AUC, intervals and average precision of all 14 findings, one row each, whatever the data hold.

    Parameters
    ----------
    y : DataFrame with the 14 findings as 0/1, or array (n, 14) in the order of FINDINGS
    score : the same, of scores. Where `y` has a column Image, films are found in `score`'s index by name; else the
        rows of both must be of the same films in the same order
    patients : array (n,), the patient of each film, or None to treat the films as independent
    minimum : int, fewest positives and fewest negatives for an AUC to be given
    level : float in (0, 1), of the intervals
    by_patient : bool, short for ``patients=y["PatientId"]``
    rounds, seed : of the patient bootstrap; 0 rounds leave it out

    Returns
    -------
    DataFrame (index: finding, in the order of FINDINGS): films, positives, auc, low, high (DeLong), average_precision
    and its baseline, the prevalence, and note. With patients, low and high are by patient (Obuchowski), and
    delong_low, delong_high, bootstrap_low, bootstrap_high stand beside them. A finding that cannot be judged keeps
    its row, with NaN and a note that says why.

    Raises
    ------
    CourseError : a film or a finding has no score, a film stands twice, a score is NaN, a label is not 0/1, there is
        a single film, or the patients are not one for each film.
    """
    patients = y["PatientId"] if by_patient else patients
    labels, scores = matched(y, score)
    who = None if patients is None else patient_codes(patients, len(labels))[0]
    table = pd.DataFrame(
        [_row(labels[:, k], scores[:, k], finding, minimum, level, who) for k, finding in enumerate(FINDINGS)],
        index=pd.Index(FINDINGS, name="finding"),
    )
    if who is not None and rounds:
        judged = table["auc"].notna().to_numpy()
        draws = bootstrap_aucs(labels[:, judged], scores[:, judged], who, rounds, seed)
        limits = pd.DataFrame(percentile_interval(draws, level), table.index[judged]).reindex(table.index)
        table["bootstrap_low"], table["bootstrap_high"] = limits[0], limits[1]
    last = ["average_precision", "baseline", "note"]
    return table[[*table.columns.drop(last), *last]]


def _row(y, score, finding, minimum, level, who):
    y, score = checked(y, score, finding)
    counts = {"positive": int(y.sum()), "negative": int((~y).sum())}
    rarer = min(counts, key=counts.get)
    ends = ["low", "high"] if who is None else ["low", "high", "delong_low", "delong_high"]
    row = {"films": len(y), "positives": counts["positive"], "auc": np.nan, **dict.fromkeys(ends, np.nan)}
    row |= {"average_precision": np.nan, "baseline": counts["positive"] / len(y), "note": ""}
    if counts[rarer] == 0:
        return row | {"note": f"undefined: no {rarer} film"}
    if counts[rarer] < minimum:
        return row | {"note": f"too few: {counts[rarer]} {rarer}{'s' * (counts[rarer] > 1)}"}
    parts = influence(y, score, who)
    row |= {"auc": parts.auc, "average_precision": average_precision(y, score)}
    row["low"], row["high"] = interval_around(parts.auc, variance_of(parts), level)
    if who is not None:
        row["delong_low"], row["delong_high"] = auc_interval(y, score, level)
    if np.isnan(row["low"]):
        row["note"] = "no interval: the AUC is 0 or 1" if row["auc"] in (0, 1) else "no interval: one film or patient"
    return row


def auc_averages(y, score, patients=None, minimum=MINIMUM, level=0.95):
    """Two averages over findings, each with what it averages. Arguments as those of `auc_table`.

    Returns
    -------
    DataFrame (index: macro, micro): auc, low, high, what. Macro is the mean of the findings' AUCs; micro the AUC of
    all films and findings in one list, as if one threshold served all findings. Intervals are by patient, or by film
    where `patients` is None: a film's 14 answers hang together.
    """
    labels, scores = matched(y, score)
    films = len(labels)
    who, everyone = patient_codes(patients, films)
    rarer = np.minimum(labels.sum(axis=0), films - labels.sum(axis=0))
    judged = np.flatnonzero(rarer >= max(minimum, 1))
    parts = [influence(*checked(labels[:, k], scores[:, k], FINDINGS[k]), who) for k in judged]
    rows = {}
    macro = np.mean([part.auc for part in parts]) if parts else np.nan
    share = sum(part.of_positives + part.of_negatives for part in parts) / max(len(parts), 1)
    spread = bessel(everyone) * np.sum(share**2) if parts and everyone > 1 else np.nan
    what = f"mean of {len(judged)} findings' AUCs, each counting the same however few its films"
    rows["macro"] = (macro, *interval_around(macro, spread, level), what)
    pooled = influence(*checked(labels.ravel(), scores.ravel()), np.repeat(who, labels.shape[1]))
    what = f"one list of all {labels.size:,} films times findings: frequent findings and common thresholds count most"
    rows["micro"] = (pooled.auc, *interval_around(pooled.auc, variance_of(pooled), level), what)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["auc", "low", "high", "what"])


def matched(y, score):
    """Labels and scores of the 14 findings as arrays (n, 14), film by film; see `auc_table` for what is matched."""
    y, score = (table if isinstance(table, pd.DataFrame) else _framed(table) for table in (y, score))
    absent = [finding for finding in FINDINGS if finding not in score.columns or finding not in y.columns]
    if absent:
        raise CourseError(f"No labels or no scores for {', '.join(absent)}: all 14 findings must be there.")
    if "Image" in y:
        score = _by_name(y["Image"], score)
    elif len(y) != len(score) or not (isinstance(y.index, pd.RangeIndex) or y.index.equals(score.index)):
        raise CourseError(f"{len(y)} rows of labels, {len(score)} of scores: both must be of the same films in order.")
    return y[list(FINDINGS)].to_numpy(), score[list(FINDINGS)].to_numpy(dtype=float)


def _framed(array):
    array = np.asarray(array)
    if array.ndim != 2 or array.shape[1] != len(FINDINGS):
        raise CourseError(f"A table has shape {array.shape}: give films (rows) by the 14 findings (columns).")
    return pd.DataFrame(array, columns=list(FINDINGS))


def _by_name(images, score):
    """Rows of `score` in the order of the films: a row taken by position could be another film's."""
    for names, what in ((images, "of labels"), (score.index, "of scores")):
        if names.duplicated().any():
            raise CourseError(f"The film {names[names.duplicated()].tolist()[0]} has more than one row {what}.")
    unscored = images[~images.isin(score.index)]
    if len(unscored):
        count = f"{len(unscored)} of {len(images)} films, {unscored.iloc[0]} for one,"
        raise CourseError(f"{count} have no score: take scores of the same split.")
    return score.loc[images]
