"""Synthetic truths of a hospital, and scripted students who report on it: no film is drawn for them."""

import json
from types import SimpleNamespace

import numpy as np

from util.hospital import auditors
from util.hospital.claims import CLAIMS, Truth
from util.hospital.grade import Sealed
from util.hospital.report import new_report
from util.hospital.tables import fingerprint
from util.hospital.truth import truth_of_plan

NAMES = {claim.key: [f"{claim.key}{i:02d}.png" for i in range(20)] for claim in CLAIMS}


def truths(seed, faults=None):
    """Truths of the eleven claims; five or six of them are false, or those whose keys are named."""
    rng = np.random.default_rng(seed)
    keys = [claim.key for claim in CLAIMS]
    false = set(rng.permutation(keys)[: rng.integers(5, 7)]) if faults is None else set(faults)
    made = {}
    for claim in CLAIMS:
        films = frozenset(NAMES[claim.key]) if claim.key in false and claim.evidence == "films" else frozenset()
        group = "women" if claim.evidence == "group" else ""
        value, width = float(rng.normal(0.3, 0.2)), 0.1 if claim.interval else 0.0
        made[claim.key] = Truth(claim.key, claim.key not in false, value, 0.01, films, group, width)
    return made


def sealed(seed, **more):
    films = frozenset(name for names in NAMES.values() for name in names)
    return Sealed(f"fingerprint-{seed}", films, truths(seed, **more))


def report_of(student, key, **changes):
    """The report of a student who has found out everything; `changes` replace whole answers, by key."""
    report = new_report(student, key.fingerprint)
    for name, truth in key.truth.items():
        report["claims"][name] = right_answer(truth)
    report["claims"] |= changes
    return report


def right_answer(truth):
    half = truth.width / 2
    low, high = (truth.value - half, truth.value + half) if half else (None, None)
    return {
        "verdict": "holds" if truth.holds else "fails",
        "estimate": truth.value,
        "low": low,
        "high": high,
        "films": sorted(truth.films),
        "group": truth.group,
        "action": "Repair it.",
    }


def accepts_all(key, rng):
    """Believes the vendor, whose numbers are right where the claim is true."""
    return {
        name: {**right_answer(truth), "verdict": "holds", "estimate": truth.value if truth.holds else truth.value + 1}
        for name, truth in key.truth.items()
    }


def accuses_all(key, rng):
    """Measures everything rightly, and calls everything a fault."""
    return {name: {**right_answer(truth), "verdict": "fails"} for name, truth in key.truth.items()}


def guesses(key, rng):
    """Tosses a coin for each verdict, guesses estimates that are right one time in three, and names half of the films."""
    made = {}
    for name, truth in key.truth.items():
        off = 0 if rng.random() < 1 / 3 else 0.5
        wide = {"low": -9.0, "high": 9.0} if truth.width else {}
        verdict = ("holds", "fails")[int(rng.integers(2))]
        made[name] = right_answer(truth) | wide | {"verdict": verdict, "estimate": truth.value + off}
        made[name]["films"] = made[name]["films"][::2]
    return made


def handed_in(folder, plan, answers):
    """Write the report of the student of a plan with these answers."""
    report = new_report(plan.student, fingerprint(plan))
    report["claims"] = answers
    path = folder / f"{plan.student}.json"
    path.write_text(json.dumps(report), encoding="utf-8")
    return path


def good(plan):
    """What the good auditor says of the tables, and of the films what is true: drawing eight hospitals would take minutes."""
    truth = truth_of_plan(plan)
    films = {key: right_answer(truth[key]) for key in auditors.PIXELS}
    return films | auditors.audit(with_index(plan), pixels=False)


def with_index(plan):
    return SimpleNamespace(
        films=plan.films, scores=plan.scores, reread=plan.reread, claims=plan.claims.set_index("key")
    )
