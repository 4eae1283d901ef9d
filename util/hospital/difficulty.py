"""Are hospitals equally hard, and what are a good, a careless, a paranoid and a lucky auditor worth in them? Lesson 15.

python -m util hospitals --hospitals 200 --drawn 20 --out data/hospitals.csv

The good auditor answers all claims where the films are drawn, and those that need no film in the other hospitals. A fifth
one, halfway, answers these as the good one does and believes the rest: it shows how much the marks of one who knows half
depend on which faults a hospital happens to have.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from util.command import argument_parser, command
from util.data.cohort import HOME, Cohort
from util.files import whole
from util.hospital import auditors
from util.hospital.claims import CLAIMS, Truth
from util.hospital.draw import draw_hospital
from util.hospital.folder import Hospital, open_hospital
from util.hospital.plan import Plan, plan_hospital
from util.hospital.tables import fingerprint
from util.hospital.truth import truth_of_plan
from util.metrics.proportions import wilson_interval
from util.progress import progress

TABLE = HOME / "data" / "hospitals.csv"
SECRET = b"of the hospitals whose difficulty was measured"  # not a secret: these hospitals are no student's
FOUND = 0.8  # least overlap (F1) of the films named with those that show the fault
COLUMNS = ["student", "drawn", "faults", "found", "sound", "accused", "missed", "wrongly_accused", "unsupported",
           "halfway", "careless", "paranoid", "lucky"]  # fmt: skip


def _judged(answers: dict, truth: dict[str, Truth]) -> pd.DataFrame:
    """Compare answers with the truth.

    Parameters
    ----------
    answers : dict key -> answer, as of `util.hospital.auditors.audit`
    truth : dict key -> Truth

    Returns
    -------
    DataFrame, index key: holds (bool, whether the claim is true), right (bool, the verdict), supported (bool: the verdict is
    right, the estimate within its tolerance, the interval holds the value, and the films or the group are those concerned)

    Taught in lesson 15, section 8.
    """
    rows = {}
    for key, given in answers.items():
        true = truth[key]
        right = (given["verdict"] == "holds") == true.holds
        rows[key] = {"holds": true.holds, "right": right, "supported": right and _supported(given, true)}
    return pd.DataFrame.from_dict(rows, orient="index")


def _supported(given, true):
    claim = next(claim for claim in CLAIMS if claim.key == true.key)
    same = claim.evidence != "group" or given["group"] == true.group
    value = true.value if same else -true.value
    if abs(given["estimate"] - value) > true.tolerance + 1e-12:
        return False
    if claim.interval and not (given["low"] is not None and given["low"] <= value <= given["high"]):
        return False
    if true.holds or not claim.evidence:
        return True
    if claim.evidence == "group":
        return same
    named = set(given["films"])
    return 2 * len(named & true.films) >= FOUND * (len(named) + len(true.films))


def _balance(table: pd.DataFrame) -> float:
    """Share of faults found less share of true claims accused, of a table of `_judged`: 1 at best, about 0 for a guess.

    Examples
    --------
    >>> _balance(pd.DataFrame({"holds": [True, True, False], "right": [True, False, True]}))
    0.5

    Taught in lesson 15, section 8.
    """
    holds, right = table["holds"].astype(bool), table["right"].astype(bool)
    found = right[~holds].mean() if (~holds).any() else 1.0
    return float(found - ((~right[holds]).mean() if holds.any() else 0.0))


def _without_films(plan: Plan) -> Hospital:
    """A planned hospital as a student holds it, but without films and heat maps."""
    boxes = pd.DataFrame(columns=["Image", "finding", "x", "y", "w", "h"])
    cohort = Cohort("phantom", plan.films, boxes)
    claims = plan.claims.set_index("key")
    return Hospital(
        plan.student, fingerprint(plan), Path(), plan.films, plan.scores, plan.reread, boxes, {}, claims, cohort
    )


def _measure(number: int, drawn: bool) -> dict:
    """One row of the table: the hospital of a made-up student, audited by all four.

    Parameters
    ----------
    number : int, of the student
    drawn : bool, whether its films are drawn, which takes most of a minute, and all claims are judged

    Returns
    -------
    dict of COLUMNS; missed, wrongly_accused and unsupported name the good auditor's claims; halfway, careless, paranoid
    and lucky are each one's `_balance`

    Taught in lesson 15, section 8.
    """
    student = f"student-{number:03d}"
    plan = plan_hospital(student, SECRET)
    truth, hospital = truth_of_plan(plan), _without_films(plan)
    answers = auditors.audit(hospital, pixels=False)
    others = {"halfway": auditors.careless(hospital) | answers, "careless": auditors.careless(hospital),
              "paranoid": auditors.paranoid(hospital), "lucky": auditors.lucky(hospital, np.random.default_rng(number))}  # fmt: skip
    if drawn:
        with tempfile.TemporaryDirectory() as folder:
            draw_hospital(student, SECRET, Path(folder) / student)
            answers = auditors.audit(open_hospital(Path(folder) / student))
    good = _judged(answers, truth)
    faults, sound = good[~good["holds"]], good[good["holds"]]
    row = {
        "student": student, "drawn": int(drawn), "faults": len(faults), "found": int(faults["right"].sum()),
        "sound": len(sound), "accused": int((~sound["right"]).sum()), "missed": " ".join(faults.index[~faults["right"]]),
        "wrongly_accused": " ".join(sound.index[~sound["right"]]),
        "unsupported": " ".join(good.index[good["right"] & ~good["supported"]]),
    }  # fmt: skip
    return row | {name: round(_balance(_judged(answers, truth)), 3) for name, answers in others.items()}


def _summary(table: pd.DataFrame) -> list[str]:
    """The table in sentences: one list entry each.

    Taught in lesson 15, section 8.
    """
    said = [f"{len(table)} hospitals, {table['drawn'].sum()} of them with films."]
    for what, part in (("with films, all claims", table[table["drawn"] == 1]),
                       ("all hospitals, claims without films or all", table)):  # fmt: skip
        found, faults, accused, sound = (int(part[name].sum()) for name in ("found", "faults", "accused", "sound"))
        if not faults or not sound:
            continue
        shares = (part["found"] / part["faults"].where(part["faults"] > 0)).dropna()
        (low, high), (least, most) = wilson_interval(found, faults), wilson_interval(accused, sound)
        said.append(
            f"The good auditor, {what}: finds {found} of {faults} faults ({found / faults:.3f}, {low:.3f} to {high:.3f}); "
            f"accuses {accused} of {sound} true claims ({accused / sound:.3f}, {least:.3f} to {most:.3f}); the share found "
            f"has a standard deviation of {shares.std():.3f} between students."
        )
    for name in ("missed", "wrongly_accused", "unsupported"):
        counts = pd.Series(" ".join(table[name].fillna("")).split()).value_counts()
        listed = ", ".join(f"{key} {number}" for key, number in counts.items())
        said.append(f"{name.replace('_', ' ').capitalize()}: {listed or 'none'}.")
    for name in ("halfway", "careless", "paranoid", "lucky"):
        said.append(
            f"The {name} auditor's balance: {table[name].mean():.3f} on average, with a standard deviation of "
            f"{table[name].std():.3f} between students."
        )
    return said


@command()
def main(arguments: Sequence[str] | None = None) -> int | None:
    """Run the command; returns the exit code.

    See Also
    --------
    util.hospital.auditors.audit : the good auditor

    Examples
    --------
    Not run by the tests, since it writes a file.

    >>> main(["--hospitals", "2", "--drawn", "0", "--out", "build/hospitals.csv"])  # doctest: +SKIP
    """
    parser = argument_parser("hospitals", __doc__)
    parser.add_argument("--hospitals", type=int, default=200, help="how many (200)")
    parser.add_argument("--drawn", type=int, default=20, help="of so many, the first ones, films are drawn (20)")
    parser.add_argument("--out", default=TABLE, help="table to write (data/hospitals.csv)")
    options = parser.parse_args(arguments)
    numbers = progress(range(options.hospitals), "Auditing hospitals")
    table = pd.DataFrame([_measure(number, number < options.drawn) for number in numbers], columns=COLUMNS)
    with whole(options.out) as part:
        table.to_csv(part, index=False, lineterminator="\n")
    print("\n".join(_summary(table)))
