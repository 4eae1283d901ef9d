"""How often findings occur, which occur together, and how well reports were read: the constants of the phantom.

Prevalence, co-occurrence and view were measured on the label table of ChestX-ray14 (``Data_Entry_2017_v2020``,
112,120 films; Wang et al. 2017, arXiv 1705.02315). Only such aggregates are kept here, no row of that table.
"""

import numpy as np
from scipy.special import ndtri

from util.data.chestxray14 import AP_SHARE, NATURAL_PREVALENCE
from util.errors import CourseError
from util.findings import FINDINGS

# Rare findings are raised so that a test split of a few hundred films can say something about each of them.
ENRICHED_FLOOR = 0.09

# A chronic finding belongs to the patient; every other one comes and goes from film to film.
CHRONIC = ("Cardiomegaly", "Emphysema", "Hernia", "Mass", "Nodule", "Pleural_Thickening", "Fibrosis")
ACUTE = tuple(finding for finding in FINDINGS if finding not in CHRONIC)


# Tetrachoric correlations of the mined labels in ChestX-ray14, those of at least .10 in size.
CO_OCCURRENCE = {
    ("Effusion", "Cardiomegaly"): 0.39, ("Effusion", "Atelectasis"): 0.37, ("Effusion", "Consolidation"): 0.28,
    ("Effusion", "Infiltration"): 0.25, ("Effusion", "Edema"): 0.23, ("Effusion", "Pleural_Thickening"): 0.23,
    ("Effusion", "Mass"): 0.20, ("Effusion", "Pneumothorax"): 0.15, ("Effusion", "Pneumonia"): 0.12,
    ("Edema", "Pneumonia"): 0.56, ("Edema", "Infiltration"): 0.31, ("Edema", "Cardiomegaly"): 0.16,
    ("Edema", "Pneumothorax"): -0.20, ("Edema", "Fibrosis"): -0.19, ("Edema", "Consolidation"): 0.11,
    ("Infiltration", "Pneumonia"): 0.29, ("Infiltration", "Atelectasis"): 0.21,
    ("Infiltration", "Consolidation"): 0.14, ("Infiltration", "Nodule"): 0.12,
    ("Consolidation", "Atelectasis"): 0.31, ("Consolidation", "Mass"): 0.25,
    ("Consolidation", "Pneumonia"): 0.15, ("Consolidation", "Pleural_Thickening"): 0.13,
    ("Consolidation", "Nodule"): 0.12, ("Consolidation", "Hernia"): -0.11,
    ("Atelectasis", "Pneumonia"): 0.14, ("Atelectasis", "Emphysema"): 0.13, ("Atelectasis", "Hernia"): 0.11,
    ("Atelectasis", "Pneumothorax"): 0.10, ("Atelectasis", "Pleural_Thickening"): 0.10,
    ("Pneumothorax", "Emphysema"): 0.51, ("Pneumothorax", "Cardiomegaly"): -0.17,
    ("Pneumothorax", "Pleural_Thickening"): 0.14, ("Pneumothorax", "Mass"): 0.12,
    ("Mass", "Nodule"): 0.30, ("Mass", "Pleural_Thickening"): 0.24, ("Mass", "Hernia"): 0.13,
    ("Mass", "Emphysema"): 0.11, ("Pleural_Thickening", "Fibrosis"): 0.26,
    ("Pleural_Thickening", "Nodule"): 0.19, ("Pleural_Thickening", "Emphysema"): 0.14,
    ("Fibrosis", "Nodule"): 0.12, ("Fibrosis", "Hernia"): 0.12,
}  # fmt: skip

# Correlation with the AP view. A little stronger than measured on ChestX-ray14's mined labels (Edema .53,
# Consolidation .32, ...), because false labels, which know nothing of the view, pull the mined ratios towards 1.
VIEW_CORRELATION = {
    "Edema": 0.60, "Consolidation": 0.40, "Infiltration": 0.28, "Pneumonia": 0.19, "Effusion": 0.18,
    "Atelectasis": 0.17, "Pneumothorax": -0.05, "Cardiomegaly": 0.04, "Nodule": -0.09,
    "Pleural_Thickening": -0.16, "Fibrosis": -0.32, "Hernia": -0.22,
}  # fmt: skip

# Correlation with the patient's age, from the mean age of the films with each label.
AGE_CORRELATION = {
    "Hernia": 0.31, "Fibrosis": 0.14, "Atelectasis": 0.13, "Effusion": 0.10, "Pleural_Thickening": 0.10,
    "Emphysema": 0.09, "Nodule": 0.08, "Mass": 0.05,
}  # fmt: skip

# The mined label against the truth: chosen, not measured. Reports are read at about .94 (Wang 2017, table 18),
# and worse against the film itself, most of all for the vague words (Oakden-Rayner, arXiv 1907.12720).
SENSITIVITY = {
    "Cardiomegaly": 0.92, "Emphysema": 0.90, "Effusion": 0.93, "Hernia": 0.95, "Infiltration": 0.85,
    "Mass": 0.90, "Nodule": 0.88, "Atelectasis": 0.89, "Pneumothorax": 0.93, "Pleural_Thickening": 0.88,
    "Pneumonia": 0.85, "Fibrosis": 0.88, "Edema": 0.91, "Consolidation": 0.86,
}  # fmt: skip
TYPICAL = 0.8  # sensitivity and PPV of a finding that is not listed
PPV = {
    "Cardiomegaly": 0.93, "Emphysema": 0.90, "Effusion": 0.94, "Hernia": 0.95, "Infiltration": 0.80,
    "Mass": 0.91, "Nodule": 0.89, "Atelectasis": 0.90, "Pneumothorax": 0.94, "Pleural_Thickening": 0.88,
    "Pneumonia": 0.80, "Fibrosis": 0.87, "Edema": 0.92, "Consolidation": 0.82,
}  # fmt: skip

ACUTE_PATIENT_SHARE = 0.55  # how much of an acute finding's latent severity is the patient, not the day

# Dimensions of the latent Gaussian: the 14 findings, then the view, then the age.
VIEW, AGE = len(FINDINGS), len(FINDINGS) + 1
FILM_LEVEL = np.array([finding in ACUTE for finding in FINDINGS] + [True, False])


def latent_correlation(confounding=1.0):
    """Correlation matrix (16, 16), float64, of the latent severities of the 14 findings, AP view and age.

    ``confounding`` in [-1, 1] scales the correlations with the view: 1 as in ChestX-ray14, 0 none, -1 reversed.
    """
    if not -1 <= confounding <= 1:
        raise CourseError(f"confounding is {confounding}; it must lie between -1 (reversed) and 1 (as observed)")
    matrix = np.eye(len(FINDINGS) + 2)
    index = {finding: i for i, finding in enumerate(FINDINGS)}
    pairs = [(index[a], index[b], r) for (a, b), r in CO_OCCURRENCE.items()]
    pairs += [(index[a], VIEW, confounding * r) for a, r in VIEW_CORRELATION.items()]
    pairs += [(index[a], AGE, r) for a, r in AGE_CORRELATION.items()]
    for i, j, r in pairs:
        matrix[i, j] = matrix[j, i] = r
    return matrix


def latent_factors(confounding=1.0):
    """Two Cholesky factors: of the patient's part (16, 16), and of the day's part (k, k) of ``FILM_LEVEL``.

    Their products add up to ``latent_correlation``: chronic findings and age lie wholly in the patient's part,
    acute findings and view are split by ``ACUTE_PATIENT_SHARE``.
    """
    total = latent_correlation(confounding)
    block = np.ix_(FILM_LEVEL, FILM_LEVEL)
    patient = total.copy()
    patient[block] *= ACUTE_PATIENT_SHARE
    return np.linalg.cholesky(patient), np.linalg.cholesky((1 - ACUTE_PATIENT_SHARE) * total[block])


def mined_prevalence(enriched=False):
    """Prevalence of the mined labels, float64 (14,), in the order of FINDINGS.

    ``enriched``: False for the natural one, True for at least ENRICHED_FLOOR, or the least prevalence as a number.
    """
    floor = ENRICHED_FLOOR if enriched is True else float(enriched)
    return np.array([max(NATURAL_PREVALENCE[finding], floor) for finding in FINDINGS])


def true_prevalence(enriched=False):
    """Prevalence of the findings themselves, float64 (14,): what yields the mined one after the label errors."""
    ratio = np.array([PPV.get(finding, TYPICAL) / SENSITIVITY.get(finding, TYPICAL) for finding in FINDINGS])
    return mined_prevalence(enriched) * ratio


def error_rates(enriched=False):
    """Miss rate P(unlabelled | present) and false-alarm rate P(labelled | absent), each float64 (14,).

    The false-alarm rate follows the prevalence, so that the PPV is the documented one in every sample.
    """
    sensitivity = np.array([SENSITIVITY.get(finding, TYPICAL) for finding in FINDINGS])
    ppv = np.array([PPV.get(finding, TYPICAL) for finding in FINDINGS])
    false = mined_prevalence(enriched) * (1 - ppv) / (1 - true_prevalence(enriched))
    return 1 - sensitivity, false


def thresholds(enriched=False):
    """Latent values above which a finding is present (14) or the view AP (the 15th), float64 (15,)."""
    return -ndtri(np.append(true_prevalence(enriched), AP_SHARE))
