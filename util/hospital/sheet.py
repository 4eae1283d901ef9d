"""The vendor's claims sheet: eleven sentences with their numbers, the same in form whether they are true or not. Lesson 15."""

import numpy as np
import pandas as pd

from util.hospital.claims import GROUPS, KEYS, attribute_of
from util.hospital.cohort import Roles
from util.hospital.estimates import Tables, gain, mean_auc, pooled_auc, threshold_of
from util.hospital.scores import SENSITIVITY

CLAIMED_HITS = 0.90


def claims_of(tables: Tables, people: pd.DataFrame, roles: Roles) -> pd.DataFrame:
    """The claims sheet of a hospital.

    Parameters
    ----------
    tables : util.hospital.estimates.Tables
    people : DataFrame with Gray and Split, in the order of `films`
    roles : util.hospital.cohort.Roles

    Returns
    -------
    DataFrame in the order of CLAIMS: key, claim, finding, attribute, claimed

    See Also
    --------
    sheet_text : the sheet to read

    Examples
    --------
    >>> from util.hospital.plan import plan_hospital
    >>> from util.hospital.seal import OPEN
    >>> plan_hospital("anna", OPEN).claims.columns.tolist()
    ['key', 'claim', 'finding', 'attribute', 'claimed']
    """
    found = roles.findings
    claimed = dict.fromkeys(KEYS, 0.0) | {"maps": CLAIMED_HITS}
    train = people.loc[people["Split"] == "train", "Gray"]
    told = people["Gray"] if "statistics" in roles.false else train
    # The spread is that of the training films in every hospital: that of all films is larger, and would give the fault away.
    claimed["statistics"], spread = round(float(told.mean()), 1), round(float(train.std(ddof=0)), 1)
    split = "test" if "threshold" in roles.false else "valid"
    claimed["threshold"] = threshold_of(tables, found["threshold"], SENSITIVITY, split)
    claimed["better"] = round(gain(tables, found["better"]).value, 3)
    claimed["average"] = round(pooled_auc(tables) if "average" in roles.false else mean_auc(tables), 3)
    attributes = {key: attribute_of(group) for key, group in roles.groups.items()}
    sentences = _sentences(found, attributes, claimed, spread, len(roles.scored))
    rows = [
        {"key": key, "claim": sentences[key], "finding": found.get(key, ""), "attribute": attributes.get(key, ""),
         "claimed": np.round(claimed[key], 4)}
        for key in KEYS
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _sentences(found, attributes, claimed, spread, findings):
    def pair(key):
        return " and ".join(GROUPS[attributes[key]])

    names = {key: finding.replace("_", " ").lower() for key, finding in found.items()}
    return {
        "patients": "No patient has films both in training and in test.",
        "copies": "No exposure is both in training and in test, under any name.",
        "mark": f"Words printed on the films are no clue to {names['mark']}: films with its label and films without it "
        "carry them equally often.",
        "statistics": f"Gray levels were normalized with the training films alone: a film's mean gray level is "
        f"{claimed['statistics']:.1f} on average, with a standard deviation of {spread:.1f} between films.",
        "threshold": f"The threshold for {names['threshold']}, {claimed['threshold']:.4f}, was chosen on the validation "
        f"films: it is the highest with a sensitivity of at least {SENSITIVITY:.2f} there.",
        "labels": f"Reports miss {names['labels']} equally often in both groups of patients: {pair('labels')}.",
        "subgroup": f"The new model's AUC for {names['subgroup']} is the same in both groups of test films: "
        f"{pair('subgroup')}.",
        "calibration": f"The new model's probabilities of {names['calibration']} are right on average in this hospital: "
        "their mean equals the share of positive test films.",
        "maps": f"On {100 * claimed['maps']:.0f} % of the test films with {names['maps']} outlined, the heat map's peak is in an "
        "outline.",
        "better": f"The new model is better than the old one for {names['better']}: its AUC on the test films is higher by "
        f"{claimed['better']:.3f}, which is more than chance explains.",
        "average": f"The new model's mean AUC over the {findings} scored findings is {claimed['average']:.3f} on the test "
        "films.",
    }  # fmt: skip


def sheet_text(student: str, claims: pd.DataFrame) -> str:
    """The claims sheet as Markdown, to read.

    See Also
    --------
    claims_of : the sheet as a table

    Examples
    --------
    >>> print(sheet_text("anna", pd.DataFrame({"key": ["copies"], "claim": ["No copies."]})).splitlines()[-1])
    1. **copies**: No copies.
    """
    lines = [
        f"# What the vendor claims: hospital of {student}",
        "",
        "Simulated films, patients and scores. Not for clinical use.",
        "",
        "Labels are those of films.csv. Test films are those of the split 'test'.",
        "",
    ]
    lines += [f"{number}. **{row.key}**: {row.claim}" for number, row in enumerate(claims.itertuples(), 1)]
    return "\n".join(lines) + "\n"
