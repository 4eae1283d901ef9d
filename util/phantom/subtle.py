"""Studies for training whose findings show less than the released cohort's, as those of many real films do.

Many findings of real films are faint, and a report names some that the film does not show: the labels mined from
reports are a good deal worse against the film than against the report (Oakden-Rayner 2020, arXiv 1907.12720). A
network that has met gross findings only trusts what it sees too much: every shadow of a real film speaks for something,
and nothing is left to what view and age tell. Nothing of this is in the released cohort.
"""

import numpy as np

from util.findings import FINDINGS
from util.phantom.studies import sample_studies

SEVERITY = 0.7, 1.3  # of the Beta distribution: mean .35, two in five below .2, one in twelve above .8
# Share of films with a finding that do not show it: chosen, most for the vague and the faint, not measured.
UNSEEN = {
    "Cardiomegaly": 0.10, "Emphysema": 0.35, "Effusion": 0.10, "Hernia": 0.10, "Infiltration": 0.35, "Mass": 0.15,
    "Nodule": 0.20, "Atelectasis": 0.30, "Pneumothorax": 0.20, "Pleural_Thickening": 0.60, "Pneumonia": 0.40,
    "Fibrosis": 0.50, "Edema": 0.15, "Consolidation": 0.25,
}  # fmt: skip
# Share of films with the label Emphysema whose air lies in the chest wall, as reports do not tell apart: chosen, by view.
WALL_AIR = {"AP": 0.55, "PA": 0.2}
DRAINED = 0.6  # of them have a chest tube
STOUTEST = 1.7  # shoulders and arms of a patient are up to so many times as thick as the released cohort's


def subtle_studies(n_films, seed, enriched=False, confounding=1.0):
    """Two tables like that of `sample_studies`, with columns Shoulders and WallAir: what is present, what is drawn."""
    table = sample_studies(n_films, seed, enriched, confounding, SEVERITY)
    rng = np.random.default_rng([29, *np.atleast_1d(seed)])
    patients = table["PatientId"].to_numpy()
    table["Shoulders"] = rng.uniform(1, STOUTEST, patients.max() + 1)[patients]
    unseen = rng.random((n_films, len(FINDINGS))) < np.array([UNSEEN[finding] for finding in FINDINGS])
    share = table["View"].map(WALL_AIR) * (table["Emphysema"] > 0)
    table["WallAir"] = rng.random(n_films) < share
    table["ChestTube"] |= table["WallAir"] & (rng.random(n_films) < DRAINED)
    drawn = table.copy()
    drawn[list(FINDINGS)] = table[list(FINDINGS)].where(~unseen, 0.0)
    drawn.loc[table["WallAir"], "Emphysema"] = 0.0
    return table, drawn
