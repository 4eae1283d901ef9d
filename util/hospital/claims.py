"""What a vendor claims of a model, and what is true of each claim in one hospital. Lesson 15.

Every hospital has the same eleven claims. In each hospital some are true and some are false: a false one is a fault that
was planted when the hospital was drawn. A report answers each claim with a verdict, an estimate and its evidence; a grade
compares it with the `Truth`, which never leaves the instructor's machine.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """One kind of claim.

    Attributes
    ----------
    key : str, its name in the claims sheet and in the report
    fault : str, what is wrong where the claim is false
    quantity : str, the one number that the report is to estimate, with its unit
    interval : bool, whether the estimate needs a 95 % interval; False where it is counted or computed exactly
    evidence : "films", "group" or "", what a report names where the claim is false: film names, or the group concerned
    """

    key: str
    fault: str
    quantity: str
    interval: bool
    evidence: str


@dataclass(frozen=True)
class Truth:
    """What is true of one claim in one hospital.

    Attributes
    ----------
    key : str, of the Claim
    holds : bool, whether the claim is true
    value : float, the quantity in truth
    tolerance : float, how far an estimate may be off
    films : frozenset of str, the films that show the fault; empty where the claim is true or needs no films
    group : str, the group concerned, or ""
    """

    key: str
    holds: bool
    value: float
    tolerance: float
    films: frozenset = frozenset()
    group: str = ""


CLAIMS = (
    Claim(
        "patients",
        "patients are in training and test films",
        "test patients who also have training films",
        False,
        "films",
    ),
    Claim(
        "copies",
        "films are in training and test twice",
        "pairs of one exposure, one in training, one in test",
        False,
        "films",
    ),
    Claim(
        "mark",
        "a mark on the film gives a label away",
        "share of marked films with the finding less that without",
        True,
        "films",
    ),
    Claim("statistics", "test films went into the normalization", "mean gray level of the training films", False, ""),
    Claim(
        "threshold", "the threshold was chosen on test films", "the threshold that the validation films give", False, ""
    ),
    Claim(
        "labels",
        "labels are missed more often in one group",
        "share of missed positives in the group less elsewhere",
        True,
        "group",
    ),
    Claim("subgroup", "the AUC is lower in one group", "AUC in the group less AUC elsewhere", True, "group"),
    Claim(
        "calibration",
        "probabilities are wrong at this prevalence",
        "mean probability less share of positives",
        True,
        "",
    ),
    Claim("maps", "heat maps point at something else", "share of maps whose peak is in the outline", True, "films"),
    Claim(
        "better", "a difference is claimed that chance explains", "AUC of the new model less that of the old", True, ""
    ),
    Claim("average", "the mean AUC is averaged wrongly", "plain mean of the AUCs of the findings", False, ""),
)
