"""What readers' AUCs vary by: covariances of their errors, mean squares, and the components of Obuchowski and Rockette 1995."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from util.errors import CourseError
from util.metrics.auc_intervals import influence
from util.metrics.inputs import patient_codes
from util.metrics.roc import auc

METHODS = ("delong", "jackknife")


class Components(NamedTuple):
    """Variance components of the model of Obuchowski and Rockette, in squared AUC; those of readers may be below 0.

    reader and interaction are NaN with a single reader, interaction also with a single modality; a covariance is NaN where
    no pair of AUCs has it.

    See Also
    --------
    components_of : estimates them
    util.metrics.mrmc_power.power_of : what they say of a study that is still to be made

    Examples
    --------
    >>> Components(0.0015, 0.0002, 0.0008, 0.00035, 0.00034, 0.00024).error
    0.0008

    Taught in lesson 16, section 4.
    """

    reader: float
    interaction: float
    error: float
    cov1: float
    cov2: float
    cov3: float


def checked_ratings(ratings: ArrayLike) -> np.ndarray:
    """Ratings as float (modalities, readers, films); a CourseError says what is wrong with their shape or type.

    See Also
    --------
    covariances_of : what is made of them

    Examples
    --------
    >>> checked_ratings([[[1, 2, 3]]]).shape
    (1, 1, 3)
    """
    try:
        ratings = np.asarray(ratings, dtype=float)
    except (TypeError, ValueError):
        raise CourseError("Ratings must be numbers in an array of modality, reader and film.") from None
    if ratings.ndim != 3 or 0 in ratings.shape:
        raise CourseError(
            f"Ratings have shape {ratings.shape}: give (modalities, readers, films), every film rated by every reader."
        )
    return ratings


def covariances_of(
    y: ArrayLike, ratings: ArrayLike, patients: ArrayLike | None = None, method: str = "delong"
) -> tuple[np.ndarray, np.ndarray]:
    """AUCs (t, r) and the covariances (t, r, t, r) of their errors, which come from the cases that they share.

    Parameters
    ----------
    y, ratings, patients, method : as in `util.metrics.mrmc.mrmc`

    Returns
    -------
    (aucs, covariances). 'delong' adds up products of placements by patient (`util.metrics.auc_intervals.influence`);
    'jackknife' leaves out one patient at a time: (k - 1) / k times the sum of products of deviations from their mean.

    Raises
    ------
    CourseError : as in `util.metrics.mrmc.mrmc`.

    See Also
    --------
    components_of : what is made of them

    Examples
    --------
    >>> aucs, covariances = covariances_of([1, 1, 0, 0], [[[3, 1, 2, 0], [4, 3, 2, 1]]])
    >>> aucs.tolist(), covariances.shape, round(float(covariances[0, 0, 0, 0]), 3)
    ([[0.75, 1.0]], (1, 2, 1, 2), 0.125)

    Taught in lesson 16, section 4.
    """
    ratings = checked_ratings(ratings)
    if method not in METHODS:
        raise CourseError(f"There is no method {method!r}: use 'delong' or 'jackknife'.")
    t, r, n = ratings.shape
    flat = ratings.reshape(t * r, n)
    parts = [influence(y, rating, patients) for rating in flat]
    if min(part.effective for part in parts) <= 1 + 1e-9:
        raise CourseError("Films of at least two patients with the finding and of two without are needed.")
    aucs = np.array([part.auc for part in parts])
    if method == "delong":
        moved = np.array([part.of_positives + part.of_negatives for part in parts])
        products = moved @ moved.T
    else:
        left_out = _left_out(np.asarray(y).astype(bool), flat, patients)
        moved = left_out - left_out.mean(axis=1, keepdims=True)
        products = moved @ moved.T * (left_out.shape[1] - 1) / left_out.shape[1]
    return aucs.reshape(t, r), products.reshape(t, r, t, r)


def _left_out(y, flat, patients):
    """AUCs (k, patients) without each patient in turn."""
    who, everyone = patient_codes(patients, len(y))
    kept = [who != patient for patient in range(everyone)]  # both classes are left: each has at least two patients
    return np.array([[auc(y[rest], rating[rest]) for rest in kept] for rating in flat])


def mean_squares(aucs: ArrayLike) -> dict:
    """Mean squares of a table of AUCs (t, r): of modalities 'T', of readers 'R', and of what is left 'TR'.

    Returns
    -------
    dict of float; NaN without degrees of freedom, as for 'R' and 'TR' with a single reader

    See Also
    --------
    util.metrics.mrmc.mrmc : tests that use them

    Examples
    --------
    >>> {name: round(value, 4) for name, value in mean_squares([[0.8, 0.7], [0.9, 0.7]]).items()}
    {'T': 0.0025, 'R': 0.0225, 'TR': 0.0025}

    Taught in lesson 16, section 4.
    """
    aucs = np.asarray(aucs, dtype=float)
    if aucs.ndim != 2:
        raise CourseError(f"AUCs have shape {aucs.shape}: give (modalities, readers).")
    t, r = aucs.shape
    rows, columns = aucs.mean(axis=1, keepdims=True), aucs.mean(axis=0, keepdims=True)
    sums = {
        "T": r * np.sum((rows - aucs.mean()) ** 2),
        "R": t * np.sum((columns - aucs.mean()) ** 2),
        "TR": np.sum((aucs - rows - columns + aucs.mean()) ** 2),
    }
    freedom = {"T": t - 1, "R": r - 1, "TR": (t - 1) * (r - 1)}
    return {name: float(total / freedom[name]) if freedom[name] else np.nan for name, total in sums.items()}


def components_of(aucs: ArrayLike, covariances: ArrayLike) -> Components:
    """Variance components from AUCs (t, r) and the covariances (t, r, t, r) of their errors.

    Returns
    -------
    Components: error and covariances are plain means of all entries of their kind; Var(TR) = MS(TR) - error + Cov1 +
    max(Cov2 - Cov3, 0), Var(R) = (MS(R) - MS(TR)) / t - Cov1 + Cov3 (Hillis 2014, doi 10.1002/sim.5926)

    See Also
    --------
    covariances_of : both of what it needs

    Examples
    --------
    >>> components = components_of([[0.8, 0.7], [0.9, 0.7]], np.full((2, 2, 2, 2), 0.001))
    >>> round(components.interaction, 4)
    0.0025

    Taught in lesson 16, section 4.
    """
    aucs, covariances = np.asarray(aucs, dtype=float), np.asarray(covariances, dtype=float)
    t, r = aucs.shape
    if covariances.shape != (t, r, t, r):
        raise CourseError(f"Covariances have shape {covariances.shape}; AUCs of shape {(t, r)} need {(t, r, t, r)}.")
    modality, reader = np.eye(t, dtype=bool)[:, None, :, None], np.eye(r, dtype=bool)[None, :, None, :]
    error, cov1, cov2, cov3 = (
        _mean(covariances, kind)
        for kind in (modality & reader, ~modality & reader, modality & ~reader, ~modality & ~reader)
    )
    ms = mean_squares(aucs)
    interaction = ms["TR"] - error + cov1 + max(cov2 - cov3, 0.0)
    return Components((ms["R"] - ms["TR"]) / t - cov1 + cov3, interaction, error, cov1, cov2, cov3)


def _mean(covariances, kind):
    kind = np.broadcast_to(kind, covariances.shape)
    return float(covariances[kind].mean()) if kind.any() else np.nan
