"""Four scripted auditors of a hospital: a good one, and three whose report should be worth little. Lesson 15.

The good auditor holds what a student holds and uses what the course taught: counting, perceptual hashes, strokes of printed
words, intervals by patient. It is not told which claims are false. `util.hospital.difficulty` measures it.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from util.data.cohort import film_by_film
from util.hospital import estimates
from util.hospital.claims import CLAIMS, GROUPS, KEYS, other_group
from util.hospital.estimates import Estimate
from util.hospital.folder import Hospital
from util.hospital.scores import SENSITIVITY
from util.leaks.near_duplicates import near_duplicates

ACTIONS = {
    "patients": "Split by patient, train again and report the new AUC.",
    "copies": "Remove the copies from training, train again and report the new AUC.",
    "mark": "Cover the printed words in all films and train again.",
    "statistics": "Take mean and standard deviation from the training films and normalize again.",
    "threshold": "Use the threshold of the validation films, and report what it does on the test films.",
    "labels": "Have the films of this group reread, and train and test with the new labels.",
    "subgroup": "Do not use the model for this group until it is as good there.",
    "calibration": "Recalibrate the probabilities on films of this hospital.",
    "maps": "Do not show the heat maps to readers; find out what the model looks at.",
    "better": "Keep the old model, or compare both on more patients.",
    "average": "Report the AUC of each finding with its interval, and their plain mean.",
}
PIXELS = ("copies", "mark", "statistics", "maps")  # claims for which films or heat maps are read
# How far a number may be from the claim before the auditor accuses; beyond its interval, where there is one.
MARGIN = {"mark": 0.15, "statistics": 0.5, "threshold": 0.02, "labels": 0.05, "subgroup": 0.03, "calibration": 0.03,
          "maps": 0.05, "average": 0.006}  # fmt: skip
PLATE = 24  # gray levels: darker is the plate behind a printed word
BRIGHT = 200  # and brighter its letters
STRIP = 0.08  # height of the strips at the upper and the lower edge where words are sought, as a share of the film


def audit(hospital: Hospital, pixels: bool = True) -> dict[str, dict[str, Any]]:
    """Answer all claims of a hospital as a careful student would.

    Parameters
    ----------
    hospital : Hospital
    pixels : bool, whether films and heat maps are read; if not, the claims `PIXELS` are left out

    Returns
    -------
    dict key -> answer: verdict ('holds', 'fails'), estimate, low, high (None where the estimate is counted or computed
    exactly), films (list of names), group, action

    See Also
    --------
    util.hospital.difficulty : measures how good the auditors are

    Examples
    --------
    Not run by the tests, since it needs a hospital's folder.

    >>> audit(open_hospital("anna"))["copies"]["verdict"]  # doctest: +SKIP

    Taught in lesson 15, section 8.
    """
    asked = [key for key in KEYS if pixels or key not in PIXELS]
    return {key: AUDITS[key](hospital, hospital.claims.loc[key]) for key in asked}


def careless(hospital: Hospital) -> dict[str, dict[str, Any]]:
    """Believe every claim, with the vendor's numbers.

    See Also
    --------
    paranoid : the opposite

    Examples
    --------
    Not run by the tests, since it needs a hospital's folder.

    >>> careless(open_hospital("anna"))["copies"]["verdict"]  # doctest: +SKIP
    """
    return _with_vendors_numbers(hospital, lambda: False)


def paranoid(hospital: Hospital) -> dict[str, dict[str, Any]]:
    """Accuse every claim, without evidence.

    See Also
    --------
    careless : the opposite

    Examples
    --------
    Not run by the tests, since it needs a hospital's folder.

    >>> paranoid(open_hospital("anna"))["copies"]["verdict"]  # doctest: +SKIP
    """
    return _with_vendors_numbers(hospital, lambda: True)


def lucky(hospital: Hospital, rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """Accuse each claim with a chance of 5 in 11, the average share of false ones.

    See Also
    --------
    careless : believes everything

    Examples
    --------
    Not run by the tests, since it needs a hospital's folder.

    >>> lucky(open_hospital("anna"), np.random.default_rng(0))["copies"]["verdict"]  # doctest: +SKIP
    """
    return _with_vendors_numbers(hospital, lambda: rng.random() < 5 / len(KEYS))


def _with_vendors_numbers(hospital, fails):
    """An answer to each claim that gives the vendor's number back; `fails` is asked for each verdict in turn."""
    return {key: _answer(key, fails(), Estimate(row["claimed"])) for key, row in hospital.claims.iterrows()}


def _answer(key: str, fails: bool, estimate: Estimate, films: Iterable[str] = (), group: str = "") -> dict[str, Any]:
    """An answer as a report has it; low and high are None where no interval is asked for."""
    value, low, high = (None if np.isnan(number) else float(number) for number in estimate)
    if not next(claim for claim in CLAIMS if claim.key == key).interval:
        low = high = None
    return {
        "verdict": "fails" if fails else "holds",
        "estimate": value,
        "low": low,
        "high": high,
        "films": sorted(films) if fails else [],
        "group": group,
        "action": ACTIONS[key] if fails else "",
    }


def _patients(hospital, row):
    films, shared = hospital.films, estimates.shared_patients(hospital)
    concerned = films["PatientId"].isin(shared) & films["Split"].isin(["train", "test"])
    return _answer("patients", len(shared) > 0, Estimate(len(shared)), films.loc[concerned, "Image"])


def _copies(hospital, row):
    split = hospital.films.set_index("Image")["Split"]
    images = [image for image in split.index if split[image] in ("train", "test")]
    pairs = near_duplicates(hospital.cohort, images)
    across = pairs[split[pairs["Image"]].to_numpy() != split[pairs["Other"]].to_numpy()]
    films = set(across["Image"]) | set(across["Other"])
    return _answer("copies", len(across) > 0, Estimate(len(across)), films)


def _carries_word(film: np.ndarray) -> bool:
    """Whether a word is printed in white on a dark plate at the lower edge of a film, uint8 (h, w).

    The plate is looked for, as many letters high and wide as a word is: a dark rectangle that has bright strokes in it.
    """
    import cv2

    height, width = film.shape
    strip = film[round((1 - STRIP) * height) :]
    letters, plate = (strip >= BRIGHT).astype(np.uint8), (strip <= PLATE).astype(np.uint8)
    kernel = np.ones((max(3, height // 64), max(3, width // 64)), np.uint8)
    word = cv2.morphologyEx(letters, cv2.MORPH_CLOSE, kernel) & cv2.dilate(plate, np.ones((3, 3), np.uint8))
    found = cv2.connectedComponentsWithStats(cv2.dilate(word, kernel))[2][1:]
    return any(
        stats[2] >= 0.08 * width and stats[3] >= 0.02 * height
        and 0.1 < letters[_window(stats)].mean() < 0.6 and plate[_window(stats)].mean() > 0.25
        for stats in found
    )  # fmt: skip


def _window(stats):
    left, top, wide, high = stats[:4]
    return slice(top, top + high), slice(left, left + wide)


def _mark(hospital, row):
    images = list(hospital.films["Image"])
    found = film_by_film(hospital.cohort, images, _carries_word, "looking for words")
    carries = np.array([found[image] for image in images])
    if not 0 < carries.sum() < len(carries):
        return _answer("mark", False, Estimate(0.0, 0.0, 0.0))
    gap = estimates.word_gap(hospital, carries, row["finding"])
    fails = max(gap.low, -gap.high) > MARGIN["mark"]
    return _answer("mark", fails, gap, hospital.films.loc[carries, "Image"])


def _statistics(hospital, row):
    images = list(hospital.split("train")["Image"])
    means = film_by_film(hospital.cohort, images, np.mean, "measuring gray levels")
    mean = float(np.mean(list(means.values())))
    return _answer("statistics", abs(mean - row["claimed"]) > MARGIN["statistics"], Estimate(mean))


def _threshold(hospital, row):
    found = estimates.threshold_of(hospital, row["finding"], SENSITIVITY)
    return _answer("threshold", abs(found - row["claimed"]) > MARGIN["threshold"], Estimate(found))


def _labels(hospital, row):
    group = GROUPS[row["attribute"]][0]
    gap = estimates.missed_gap(hospital, row["finding"], group)
    if gap.value < 0:  # the other group is missed more often
        gap, group = Estimate(-gap.value, -gap.high, -gap.low), other_group(group)
    return _answer("labels", gap.low > MARGIN["labels"], gap, group=group)


def _subgroup(hospital, row):
    group = GROUPS[row["attribute"]][0]
    gap = estimates.group_gap(hospital, row["finding"], group)
    if gap.value > 0:  # the other group is worse off
        gap, group = Estimate(-gap.value, -gap.high, -gap.low), other_group(group)
    return _answer("subgroup", gap.high < -MARGIN["subgroup"], gap, group=group)


def _calibration(hospital, row):
    found = estimates.excess(hospital, row["finding"])
    return _answer("calibration", max(found.low, -found.high) > MARGIN["calibration"], found)


def _maps(hospital, row):
    films, size = hospital.films.set_index("Image"), hospital.read(next(iter(hospital.maps))).shape[0]
    boxes = dict(iter(hospital.boxes.groupby("Image")))
    hits = pd.Series({
        image: estimates.inside_any(estimates.peak_of(heat, size), boxes[image]) for image, heat in hospital.maps.items()
    })  # fmt: skip
    found = estimates.hit_share(hits, films.loc[hits.index, "PatientId"])
    return _answer("maps", found.high < row["claimed"] - MARGIN["maps"], found, hits.index[~hits])


def _better(hospital, row):
    found = estimates.gain(hospital, row["finding"])
    return _answer("better", found.low <= 0, found)


def _average(hospital, row):
    found = estimates.mean_auc(hospital)
    return _answer("average", abs(found - row["claimed"]) > MARGIN["average"], Estimate(found))


AUDITS = {
    "patients": _patients, "copies": _copies, "mark": _mark, "statistics": _statistics, "threshold": _threshold,
    "labels": _labels, "subgroup": _subgroup, "calibration": _calibration, "maps": _maps, "better": _better,
    "average": _average,
}  # fmt: skip
