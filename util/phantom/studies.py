"""Draw the table of a simulated cohort: who comes, how often, with which findings and which labels; no pixels.

Every film has a latent severity per finding, a correlated Gaussian as in a multivariate probit model
(Ashford and Sowden 1970, doi 10.2307/2529107). A finding is present where its latent value exceeds a threshold,
so prevalences hold by construction. Part of the value belongs to the patient, part follows an autoregressive
Markov process from film to film.
"""

import numpy as np
import pandas as pd
from scipy.special import betaincinv, ndtr, ndtri  # scipy.stats would cost each process a second and 60 MB

from util.errors import CourseError
from util.findings import FINDINGS
from util.phantom import epidemiology

# Films per patient: P(N > j) = (1 + j / SCALE) ** -TAIL, at most MOST_FILMS; 57 % have one film, the mean is 2.6.
TAIL, SCALE, MOST_FILMS = 1.6, 1.44, 30
PERSISTENCE = 0.5  # lag-one correlation of the day's part of the latent severity
DRIFT = 0.15  # share of a chronic finding's severity that drifts from film to film
# Severity where a finding is present is Beta(2, 1.2): mean .62, a twentieth below .2, an eighth above .9.
SEVERITY = 2.0, 1.2
CARRIED_FORWARD = 0.7  # share of a chronic finding's label error that belongs to the patient
MALE_SHARE = 0.56  # 63,340 of 112,120 films
AGEING = 0.1  # years between follow-ups, on average
PORTABLE_SHARE = 0.5  # of AP films that carry the PORTABLE marker
TUBE_WITH, TUBE_WITHOUT = 0.35, 0.02  # share of films with a chest tube, with and without Pneumothorax

# Quantiles of the age over the films of ChestX-ray14.
AGE_LEVELS = (0, 0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 1)
AGE_YEARS = (0, 8, 18, 23, 34, 49, 59, 67, 72, 79, 95)

IS_CHRONIC = np.array([finding in epidemiology.CHRONIC for finding in FINDINGS])
EPISODES = [f"{finding}_episode" for finding in FINDINGS]
MINED = [f"{finding}_mined" for finding in FINDINGS]


def sample_studies(n_films, seed, enriched=False, confounding=1.0, severity=SEVERITY):
    """Draw the table of ``n_films`` simulated films.

    Parameters
    ----------
    n_films : int, at least 1
    seed : int or sequence of ints, as ``numpy.random.default_rng`` takes it
    enriched : bool, raise the rare findings (``epidemiology.ENRICHED_FLOOR``); or a number, the least prevalence
    confounding : float in [-1, 1], how view and chest tubes go with the findings: 1 as in ChestX-ray14,
        0 not at all, -1 reversed
    severity : the two parameters of the Beta distribution of a finding's severity where it is present

    Returns
    -------
    DataFrame, one row per film, sorted by patient and follow-up: Image, PatientId (from 1), FollowUp (from 0),
    Age (years), Sex ('M', 'F'), View ('PA', 'AP'), Portable and ChestTube (bool), BaseAge (age at the first
    film), the 14 true severities (0 absent, else in (0, 1]), 14 ``<finding>_episode`` (0 absent, else which
    spell of the finding this is, from 1) and 14 ``<finding>_mined`` labels (0, 1).

    Errors: CourseError when ``n_films`` or ``confounding`` is out of range.
    Simplification: the number of films does not depend on illness, as it does in life.
    """
    if n_films < 1:
        raise CourseError(f"n_films is {n_films}; ask for at least one film")
    rng = np.random.default_rng(seed)
    counts = _films_per_patient(n_films, rng)
    patient_factor, day_factor = epidemiology.latent_factors(confounding)
    patient = rng.standard_normal((len(counts), len(patient_factor))) @ patient_factor.T
    who, follow_up, latent, wander = _follow(patient, counts, day_factor, rng)

    limits = epidemiology.thresholds(enriched)
    severity = _severities(latent[:, : epidemiology.VIEW], wander, limits[: epidemiology.VIEW], severity)
    table = _persons(patient, who, follow_up, rng)
    table["View"] = np.where(latent[:, epidemiology.VIEW] > limits[epidemiology.VIEW], "AP", "PA")
    _add_confounders(table, severity[:, FINDINGS.index("Pneumothorax")] > 0, confounding, enriched, rng)
    mined = mine_labels(severity > 0, who, enriched, rng)
    blocks = [(severity, list(FINDINGS)), (_episodes(severity > 0, follow_up), EPISODES), (mined, MINED)]
    return pd.concat([table, *(pd.DataFrame(values, columns=names) for values, names in blocks)], axis=1)


def mine_labels(present, who, enriched, rng):
    """Labels with the documented errors, uint8 (films, 14), from truth ``present`` bool (films, 14).

    ``who`` int (films,) numbers the patients from 0. Given the truth, errors are independent of severity. Errors
    on chronic findings partly persist per patient, as when a report repeats the last one.
    """
    share = np.where(IS_CHRONIC, CARRIED_FORWARD, 0.0)
    habit = rng.standard_normal((who.max() + 1, len(FINDINGS)))[who]
    slip = np.sqrt(share) * habit + np.sqrt(1 - share) * rng.standard_normal(present.shape)
    miss, false = epidemiology.error_rates(enriched)
    wrong = ndtr(-slip) < np.where(present, miss, false)
    return (present ^ wrong).astype(np.uint8)


def _films_per_patient(n_films, rng):
    """Numbers of films of as many patients as it takes; the last patient is cut to give exactly n_films."""
    tail = rng.random(n_films)  # as many patients as films always suffice
    counts = 1 + np.floor(SCALE * ((1 - tail) ** (-1 / TAIL) - 1)).astype(int)
    counts = np.minimum(counts, MOST_FILMS)
    last = int(np.searchsorted(counts.cumsum(), n_films))
    counts = counts[: last + 1]
    counts[-1] -= counts.sum() - n_films
    return counts


def _follow(patient, counts, day_factor, rng):
    """Follow each patient's latent values from film to film.

    Returns patient number (films,), follow-up (films,), latent (films, 16) and the drift of severity (films, 14),
    sorted by patient and follow-up.
    """
    day = drift = 0.0
    steps = []
    for step in range(counts.max()):
        shape = (len(counts), len(day_factor))
        carry, fresh = (PERSISTENCE, np.sqrt(1 - PERSISTENCE**2)) if step else (0.0, 1.0)
        day = carry * day + fresh * (rng.standard_normal(shape) @ day_factor.T)
        drift = carry * drift + fresh * rng.standard_normal((len(counts), len(FINDINGS)))
        latent = patient.copy()
        latent[:, epidemiology.FILM_LEVEL] += day
        here = np.flatnonzero(counts > step)
        steps.append((here, np.full(len(here), step), latent[here], drift[here]))
    who, follow_up, latent, drift = (np.concatenate(parts) for parts in zip(*steps, strict=False))
    order = np.lexsort((follow_up, who))
    return who[order], follow_up[order], latent[order], drift[order]


def _severities(latent, drift, limits, beta):
    """True severities (films, 14): 0 where absent, else the latent excess mapped to the Beta distribution."""
    tail = ndtr(-latent) / ndtr(-limits)  # uniform on (0, 1) where the finding is present
    present = latent > limits
    score = -ndtri(np.clip(tail, 1e-9, 1 - 1e-9))
    score = np.where(IS_CHRONIC, np.sqrt(1 - DRIFT) * score + np.sqrt(DRIFT) * drift, score)
    severity = np.maximum(betaincinv(*beta, ndtr(score)).round(3), 0.02)
    return np.where(present, severity, 0.0)


def _episodes(present, follow_up):
    """Number (films, 14) of the spell of each finding within its patient, from 1; 0 where absent."""
    before = np.roll(present, 1, axis=0) & (follow_up > 0)[:, None]
    begun = np.cumsum(present & ~before, axis=0)
    first = np.maximum.accumulate(np.where(follow_up == 0, np.arange(len(follow_up)), 0))
    earlier = begun[first] - (present & ~before)[first]
    return np.where(present, begun - earlier, 0)


def _persons(patient, who, follow_up, rng):
    """Image, PatientId, FollowUp, Age, Sex and BaseAge of every film."""
    base_age = np.interp(ndtr(patient[:, epidemiology.AGE]), AGE_LEVELS, AGE_YEARS).astype(int)
    male = rng.random(len(patient)) < MALE_SHARE
    birthday = rng.random(len(patient))
    age = np.floor(base_age[who] + birthday[who] * (follow_up > 0) + AGEING * follow_up).astype(int)
    return pd.DataFrame({
        "Image": image_names(who + 1, follow_up),
        "PatientId": who + 1,
        "FollowUp": follow_up,
        "Age": age,
        "Sex": np.where(male, "M", "F")[who],
        "BaseAge": base_age[who],
    })  # fmt: skip


def image_names(patients, follow_ups):
    """File names such as '00000012_003.jpg', a list, from patient and follow-up numbers."""
    return [f"{patient:08d}_{follow_up:03d}.jpg" for patient, follow_up in zip(patients, follow_ups, strict=False)]


def _add_confounders(table, pneumothorax, confounding, enriched, rng):
    """Add the columns Portable and ChestTube; the overall share of tubes is the same for every confounding."""
    share = epidemiology.true_prevalence(enriched)[FINDINGS.index("Pneumothorax")]
    overall = share * TUBE_WITH + (1 - share) * TUBE_WITHOUT
    with_it = max(0.0, overall + confounding * (TUBE_WITH - overall))
    without = (overall - share * with_it) / (1 - share)
    table["Portable"] = (table["View"] == "AP") & (rng.random(len(table)) < PORTABLE_SHARE)
    table["ChestTube"] = rng.random(len(table)) < np.where(pneumothorax, with_it, without)
