"""How well scores rank films, and how sure that is: ROC curve, AUC with intervals, the table (notebook 4).

Throughout, `y` holds one finding's labels (n,), 0 or 1, and `score` its scores (n,), higher meaning more
likely; logits serve as well as probabilities, since only the order counts. Every function raises CourseError for
labels other than 0/1, NaN scores, shapes that differ, and fewer than two films.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from util.errors import CourseError
from util.findings import FINDINGS
from util.matching import matched, matched_patients
from util.resampling import bootstrap_aucs, percentile_interval
from util.stats import checked, effective_number, normal_quantile, patient_codes, student_quantile

# The fewest patients (films, where no patients are given) of either class for an AUC. Patients are counted, not patients of
# equal weight: the interval allows for those. It holds the truth with five, too, but then reaches over up to half of the
# scale (data/coverage.csv).
MINIMUM = 10
ADDED = 2  # hits, and as many misses, that an interval adds to those that an AUC is worth


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
    falling = score[order]  # compared, not subtracted: two infinite scores are a tie, their difference is NaN
    ends = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(y) - 1)  # tied films pass the threshold together
    return falling[ends], ends + 1, np.cumsum(y[order])[ends]


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
    """What each patient adds to the error of an AUC, and which share of the films is his or hers."""

    auc: float
    of_positives: np.ndarray  # (patients,): sums of placements less the AUC, over the number of positives, corrected
    of_negatives: np.ndarray
    positives: np.ndarray  # (patients,): shares of the positive films, which add up to 1, or 0 without any
    negatives: np.ndarray

    @property
    def effective(self):
        """Patients of equal weight that are worth as much as these, in the class where they are fewer; 0 of none."""
        return min(effective_number(self.positives), effective_number(self.negatives))


def influence(y, score, patients=None, among=None):
    """Parts of an AUC by patient (by film where `patients` is None): `Influence`, NaN and zeros with one class.

    Parameters
    ----------
    y, score, patients : as those of `auc_variance`
    among : bool array (n,), the films to take, or None for all; the parts are those of all patients either way, so
        that two AUCs can be compared patient by patient

    The AUC's error is, but for terms of higher order, the sum of independent parts, one of each patient. The sum of
    their squares is its variance, and the sum of products that of two AUCs that share films or patients.
    """
    y, score = checked(y, score)
    who, everyone = patient_codes(patients, len(y))
    if among is not None:
        y, score, who = y[among], score[among], who[among]
    if not y.any() or y.all():
        return Influence(np.nan, *np.zeros((4, everyone)))
    below, above = placements(y, score)
    area = float(below.mean())
    parts, shares = [], []
    for mine, placed in ((who[y], below), (who[~y], above)):
        share = np.bincount(mine, minlength=everyone) / len(placed)
        part = np.bincount(mine, placed - area, everyone) / len(placed)
        parts.append(np.divide(part, np.sqrt(1 - share), out=part, where=share < 1))
        shares.append(share)
    return Influence(area, *parts, *shares)


def variance_of(parts):
    """Variance from an `Influence`; NaN with fewer than two patients with a film of each class."""
    return float(np.sum((parts.of_positives + parts.of_negatives) ** 2)) if parts.effective > 1 + 1e-9 else np.nan


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

    DeLong et al. 1988 (doi 10.2307/2531595) where every patient has one film. By patient the placements of a patient
    are added up first, as by Obuchowski 1997 (doi 10.2307/2533958). Her factor I / (I - 1) corrects for the mean being
    taken from the same I patients, each with equally many films; here each patient's sum is divided by the root of 1 -
    his or her share of the films, which is the same for equal shares, and right for a patient who has half of all
    films and draws the AUC after him (CR2: Bell and McCaffrey 2002, Survey Methodology 28:169-181).
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
    (low, high), floats in [0, 1] with the AUC between them; NaN where the variance is unknown, and where the AUC is 0
    or 1, since a variance of 0 from a finite sample is no certainty
    """
    if scale not in ("logit", "plain"):
        raise CourseError(f"There is no scale {scale!r}: use 'logit' or 'plain'.")
    return interval_of(influence(y, score, patients), level, scale)


def interval_of(parts, level=0.95, scale="logit"):
    """Interval (low, high) of the AUC of an `Influence`; see `auc_interval`."""
    return interval_around(parts.auc, variance_of(parts), level, scale, parts.effective)


def interval_around(area, variance, level=0.95, scale="logit", effective=np.inf):
    """Interval (low, high) of an AUC whose variance is known.

    Parameters
    ----------
    area, variance : floats or arrays; level, scale : as those of `auc_interval`
    effective : float, `Influence.effective`: of how many patients of equal weight the variance is known; infinite for
        the interval of large samples, logit(AUC) +- z standard errors

    The logit keeps the interval within (0, 1) and covers better than the plain one when the AUC is high or positives
    are few (Qin and Hotilovac 2008, doi 10.1177/0962280207087173). Two things more where patients are few, each of which
    vanishes where they are many. The quantile is Student's, since the standard error is known from few patients, too, and
    patients with different numbers of films count as Kish's effective number. And the middle moves towards one half: few
    positives that by luck all rank high also look alike, and the interval of large samples is then too high and too
    narrow at once. AUC (1 - AUC) / variance is how many independent hits and misses would tell as much; to them
    hits and misses are added, as to a share by Agresti and Coull 1998 (doi 10.1080/00031305.1998.10480550). That Student's
    degrees are the effective number itself, for the other class adds to those of the rarer one, and how many are added,
    was settled by simulation: `python -m util.coverage`.
    """
    area, variance, quantile = np.asarray(area, dtype=float), np.asarray(variance, dtype=float), normal_quantile(level)
    known = (area > 0) & (area < 1) & (variance > 0)
    share, variance = np.where(known, area, 0.5), np.where(known, variance, 1.0)
    if scale == "plain":
        reach = quantile * np.sqrt(variance)
        low, high = np.maximum(share - reach, 0), np.minimum(share + reach, 1)
    else:
        centre = share
        if not np.isinf(effective):
            films, quantile = share * (1 - share) / variance, student_quantile(level, effective)
            centre = (films * share + ADDED) / (films + 2 * ADDED)
        reach = quantile * np.sqrt(variance) / (share * (1 - share))
        low = np.minimum(expit(logit(centre) - reach), share)
        high = np.maximum(expit(logit(centre) + reach), share)
    low, high = np.where(known, low, np.nan), np.where(known, high, np.nan)
    return (low, high) if low.ndim else (float(low), float(high))


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


def shortage(y, patients=None, minimum=MINIMUM):
    """Why no AUC is given of labels: a note such as 'too few: 3 positive patients', or '' where there are enough.

    y : bool array (n,); patients : array (n,), or None to count films; minimum : int, the fewest of either class
    """
    who, _ = patient_codes(patients, len(y))
    counts = {"positive": len(np.unique(who[y])), "negative": len(np.unique(who[~y]))}
    rarer = min(counts, key=counts.get)
    if counts[rarer] == 0:
        return f"undefined: no {rarer} film"
    if counts[rarer] >= minimum:
        return ""
    many = "s" * (counts[rarer] > 1)
    return f"too few: {counts[rarer]} {rarer}{many if patients is None else f' patient{many}'}"


def auc_table(y, score, patients=None, minimum=MINIMUM, level=0.95, by_patient=False, rounds=1000, seed=0):
    """AUC, intervals and average precision of all 14 findings, one row each, whatever the data hold.

    Parameters
    ----------
    y : DataFrame with the 14 findings as 0/1, or array (n, 14) in the order of FINDINGS
    score : the same, of scores; `util.matching.matched` says how the rows of both find each other
    patients : array (n,), the patient of each film, or None to treat the films as independent
    minimum : int, fewest patients (films where `patients` is None) of either class for an AUC to be given
    level : float in (0, 1), of the intervals
    by_patient : bool, short for ``patients=y["PatientId"]``
    rounds, seed : of the patient bootstrap; 0 rounds leave it out

    Returns
    -------
    DataFrame (index: finding, in the order of FINDINGS): films, positives, auc, low, high (DeLong), average_precision
    and its baseline, the prevalence, and note. With patients there is positive_patients, how many have a positive film,
    low and high are by patient (Obuchowski), and delong_low, delong_high, bootstrap_low, bootstrap_high stand beside
    them, to be compared with. A finding that cannot be judged keeps its row, with NaN and a note that says why.

    Raises
    ------
    CourseError : the tables do not match, a score is NaN, a label is not 0/1, there is a single film, or the patients
        are not one for each film.
    """
    patients = matched_patients(y, patients, by_patient)
    labels, scores = matched(y, score)
    who = None if patients is None else patient_codes(patients, len(labels))[0]
    columns = [checked(labels[:, k], scores[:, k], finding) for k, finding in enumerate(FINDINGS)]
    table = pd.DataFrame(
        [_row(*column, minimum, level, who) for column in columns], index=pd.Index(FINDINGS, name="finding")
    )
    if who is not None and rounds:
        judged = table["auc"].notna().to_numpy()
        draws = bootstrap_aucs(labels[:, judged], scores[:, judged], who, rounds, seed)
        effective = [influence(*column, who).effective for column in np.array(columns, dtype=object)[judged]]
        limits = percentile_interval(draws, level, effective)
        limits = pd.DataFrame(limits, table.index[judged]).reindex(table.index)
        table["bootstrap_low"], table["bootstrap_high"] = limits[0], limits[1]
    last = ["average_precision", "baseline", "note"]
    return table[[*table.columns.drop(last), *last]]


def _row(y, score, minimum, level, who):
    row = {"films": len(y), "positives": int(y.sum())}
    if who is not None:
        row["positive_patients"] = len(np.unique(who[y]))
    ends = ["low", "high"] if who is None else ["low", "high", "delong_low", "delong_high"]
    row |= dict.fromkeys(["auc", *ends, "average_precision"], np.nan)
    row |= {"baseline": row["positives"] / len(y), "note": shortage(y, who, minimum)}
    if row["note"]:
        return row
    parts = influence(y, score, who)
    row |= {"auc": parts.auc, "average_precision": average_precision(y, score)}
    row["low"], row["high"] = interval_of(parts, level)
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
    patients = matched_patients(y, patients)
    labels, scores = matched(y, score)
    who, _ = patient_codes(patients, len(labels))
    columns = [checked(labels[:, k], scores[:, k], finding) for k, finding in enumerate(FINDINGS)]
    parts = [influence(*column, who) for column in columns if not shortage(column[0], patients, minimum)]
    macro = Influence(*(np.mean(part, axis=0) for part in zip(*parts, strict=True))) if parts else None
    what = f"mean of {len(parts)} findings' AUCs, each counting the same however few its films"
    ends = interval_of(macro, level) if parts else (np.nan, np.nan)
    rows = {"macro": (macro.auc if parts else np.nan, *ends, what)}
    pooled = influence(labels.ravel(), scores.ravel(), np.repeat(who, labels.shape[1]))
    what = f"one list of all {labels.size:,} films times findings: frequent findings and common thresholds count most"
    rows["micro"] = (pooled.auc, *interval_of(pooled, level), what)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["auc", "low", "high", "what"])
