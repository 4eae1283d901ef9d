"""The table of AUCs with intervals, finding by finding, and averages over findings. Lesson 6."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from util.findings import FINDINGS
from util.metrics.auc_intervals import Influence, auc_interval, influence, interval_of
from util.metrics.bootstrap import bootstrap_aucs, percentile_interval
from util.metrics.inputs import checked, patient_codes
from util.metrics.matching import matched, matched_patients
from util.metrics.roc import average_precision

# The fewest patients (films, where no patients are given) of either class for an AUC. These are plain counts, not
# effective numbers: the interval allows for unequal weights. It would cover the truth with five patients as well, but
# would then span up to half of the scale (data/coverage.csv).
MINIMUM = 10


def shortage(y: np.ndarray, patients: ArrayLike | None = None, minimum: int = MINIMUM) -> str:
    """Why these labels are too few for an AUC: a note such as 'too few: 3 positive patients'; '' if they suffice.

    Parameters
    ----------
    y : bool array (n,)
    patients : array (n,), or None to count films
    minimum : int, the fewest of either class

    See Also
    --------
    auc_table : shows the note beside each finding

    Examples
    --------
    >>> shortage(np.array([True] * 3 + [False] * 50))
    'too few: 3 positives'

    Taught in lesson 6, section 4.
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


def auc_table(
    y: pd.DataFrame | ArrayLike,
    score: pd.DataFrame | ArrayLike,
    patients: ArrayLike | None = None,
    minimum: int = MINIMUM,
    level: float = 0.95,
    by_patient: bool = False,
    rounds: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """AUC, intervals and average precision of all 14 findings, one row each.

    Parameters
    ----------
    y : DataFrame with the 14 findings as 0/1, or array (n, 14) in the order of FINDINGS
    score : the same, of scores; `util.metrics.matching.matched` explains how the rows are matched
    patients : array (n,), the patient of each film, or None to treat the films as independent
    minimum : int, fewest patients (films where `patients` is None) of either class for an AUC to be given
    level : float in (0, 1), of the intervals
    by_patient : bool, short for ``patients=y["PatientId"]``
    rounds, seed : of the patient bootstrap; with 0 rounds it is left out

    Returns
    -------
    DataFrame (index: finding, in the order of FINDINGS): films, positives, auc, low, high (DeLong), average_precision
    and its baseline, the prevalence, and note. With patients, there is also positive_patients, the number of patients
    with a positive film; low and high are by patient (Obuchowski), and delong_low, delong_high, bootstrap_low and
    bootstrap_high are there for comparison. A finding that cannot be judged keeps its row, with NaN and a note on why.

    Raises
    ------
    CourseError : the tables do not match, a score is NaN, a label is not 0/1, there is a single film, or there is not
        one patient for each film.

    See Also
    --------
    auc_averages : the averages over the findings
    util.metrics.comparison.compare_table : two models side by side

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, (60, 14))
    >>> table = auc_table(y, y + rng.normal(size=y.shape))
    >>> table.shape, bool(table["auc"].between(0.5, 1).all())
    ((14, 8), True)

    Taught in lesson 6, section 4.
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


def auc_text(row: pd.Series) -> str:
    """A row of `auc_table` as text: the AUC with its interval, or its note where there is no AUC.

    See Also
    --------
    auc_table : the rows

    Examples
    --------
    >>> auc_text({"auc": 0.8123, "low": 0.7451, "high": 0.8642, "note": ""})
    '0.812 (0.745 to 0.864)'

    Taught in lesson 6.
    """
    return row["note"] if np.isnan(row["auc"]) else f"{row['auc']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def auc_averages(
    y: pd.DataFrame | ArrayLike,
    score: pd.DataFrame | ArrayLike,
    patients: ArrayLike | None = None,
    minimum: int = MINIMUM,
    level: float = 0.95,
) -> pd.DataFrame:
    """Two averages over findings, each with a note on what it averages. The arguments are those of `auc_table`.

    Returns
    -------
    DataFrame (index: macro, micro): auc, low, high, what. Macro is the mean of the findings' AUCs; micro is the AUC of
    all films and findings in one list, as if one threshold served all findings. The intervals are by patient, or by
    film where `patients` is None, since the 14 scores of a film are not independent.

    See Also
    --------
    auc_table : the findings one by one

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, (60, 14))
    >>> list(auc_averages(y, y + rng.normal(size=y.shape)).index)
    ['macro', 'micro']

    Taught in lesson 17.
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
