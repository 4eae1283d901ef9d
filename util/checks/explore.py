"""Checks of notebook 1: prevalence by view, one scale for all films, shared patients, what test films must not teach."""

import numpy as np
import pandas as pd

from util.checks.answers import CheckFailed, expect, run

VIEW_HINTS = {
    "counts": "You divided numbers of films. There are more PA than AP films, so first divide each number by the "
    "films of its view: prevalence, not counts.",
    "inverse": "This is PA over AP, the other way round.",
    "given finding": "This is the share of AP among films with the finding, P(AP | finding); asked for are shares of "
    "films with the finding within each view, P(finding | AP) and P(finding | PA).",
    "difference": "This is the difference of the two prevalences; asked for is their ratio.",
    "all films": "You compare AP with all films, which hold the AP films too; compare it with PA.",
    "AP only": "This is the prevalence on AP films; divide it by that on PA films.",
    "name": "The ratio of one finding comes out whatever finding is asked for: use the argument `finding`.",
}
SCALE_HINTS = {
    "each": "You standardise each film by itself. Then a dark and a bright film look alike, and a network trained on "
    "one scale meets another; take the training films' mean and SD for every film.",
    "own": "The mean and SD come from the films to be standardised, so what the network reads from a film would depend "
    "on the company it comes in; take the training films'.",
    "pixelwise": "There is one mean for each pixel position. A chest may lie a centimetre aside: take one mean over "
    "all pixels of all training films.",
    "variance": "You divide by the variance; take its square root, the SD.",
    "no SD": "The mean is removed; divide by the SD as well.",
    "no mean": "You divide by the SD; subtract the mean first.",
    "255": "This scales by 255, not by what the training films are like.",
    "mean SD": "You average the SDs of single films. That leaves out how much films differ from each other: take the "
    "SD of all training pixels at once.",
}
OVERLAP_HINTS = {
    "nobody": "You find nobody, yet two patients stand in both tables. Do you compare the names of the films? Two "
    "films of one patient have different names: compare PatientId.",
    "index": "`x in series` asks the index of a pandas Series, not its values; use a set, `isin` or np.intersect1d.",
    "mask": "This is a mask of rows; return the PatientIds it selects, each once.",
    "union": "These are all patients of either table (the union); asked for are those in both.",
    "difference": "These are patients that stand in only one table; asked for are those in both.",
    "rows": "You return rows of the table; return the column PatientId, each patient once.",
    "repeats": "A patient with several films appears several times; return each PatientId once.",
    "number": "This is one number or word; return the PatientIds themselves, so that one can go and look.",
}
LEARNS_HINTS = {
    "always": "A step that reads training films only is called a leak. Change films and labels where `training` is "
    "False, and leave those where it is True as they are.",
    "never": "A step that takes its mean over ALL films is not found. Change the test films, call `fit` again, and say "
    "True if what it learned has changed.",
    "swapped": "True and False are exchanged: True is a leak, where what is learned DID change.",
    "labels only": "A step that takes its mean over all films is not found: you change the test films' labels, but not "
    "their pixels.",
    "films only": "A step that counts labels over all films is not found: you change the test films, but not their labels.",
    "in place": "Your function changes the caller's films or labels, and the next cell would work with them. Change a "
    "copy: `x.copy()`.",
    "part": "A step that leaks in one of several numbers is not found: compare all that was learned, not the first number.",
    "loose": "A small leak is not found: a single test film moved a mean a little. Compare exactly; the same films give "
    "the same numbers.",
    "number": "Answer with one True or False.",
}


def check_view_ratio(view_ratio):
    """`view_ratio(films, finding)` -> prevalence on AP films divided by prevalence on PA films."""
    edema, fibrosis = np.zeros(50, int), np.zeros(50, int)
    edema[:8], edema[40:46] = 1, 1  # 8 of 40 PA films, 6 of 10 AP films
    fibrosis[:20], fibrosis[40:41] = 1, 1  # 20 of 40 PA films, 1 of 10 AP films
    films = pd.DataFrame({"View": np.repeat(["PA", "AP"], [40, 10]), "Edema": edema, "Fibrosis": fibrosis})
    films = films.sample(frac=1, random_state=0)
    mistakes = [
        (6 / 8, VIEW_HINTS["counts"]),
        (1 / 3, VIEW_HINTS["inverse"]),
        (6 / 14, VIEW_HINTS["given finding"]),
        (0.6 - 0.2, VIEW_HINTS["difference"]),
        (0.6 / (14 / 50), VIEW_HINTS["all films"]),
        (0.6, VIEW_HINTS["AP only"]),
        (0.2, VIEW_HINTS["name"]),
    ]
    otherwise = (
        "A made-up table has a finding on 6 of 10 AP films and on 8 of 40 PA films: the ratio is 0.60 / 0.20 = 3. "
        "Divide the share of AP films that have the finding by the share of PA films that have it."
    )
    expect(run(view_ratio, films, "Edema"), 3.0, mistakes, otherwise)
    expect(run(view_ratio, films, "Fibrosis"), 0.2, [], VIEW_HINTS["name"])
    print("Right: the share of AP films with the finding, divided by the share of PA films with it.")


def check_standardise(standardise):
    """`standardise(films, training)` -> films minus the mean of all training pixels, divided by their SD."""
    random = np.random.default_rng(0)
    levels = np.array([60, 90, 120, 150, 180])[:, None, None]
    training = (levels + random.integers(-30, 31, (5, 8, 8))).astype(np.uint8)
    films = (np.array([100, 190])[:, None, None] + random.integers(-40, 41, (2, 8, 8))).astype(np.uint8)
    mean, sd, each = training.mean(), training.std(), {"axis": (1, 2), "keepdims": True}
    mistakes = [
        ((films - films.mean(**each)) / films.std(**each), SCALE_HINTS["each"]),
        ((films - films.mean()) / films.std(), SCALE_HINTS["own"]),
        ((films - training.mean(axis=0)) / training.std(axis=0), SCALE_HINTS["pixelwise"]),
        ((films - mean) / sd**2, SCALE_HINTS["variance"]),
        (films - mean, SCALE_HINTS["no SD"]),
        (films / sd, SCALE_HINTS["no mean"]),
        (films / 255, SCALE_HINTS["255"]),
        ((films - mean) / training.std(**each).mean(), SCALE_HINTS["mean SD"]),
    ]
    otherwise = (
        "The mean and the SD are one number each, over all pixels of all training films; subtract the one from the "
        "films, divide by the other."
    )
    expect(run(standardise, films, training), (films - mean) / sd, mistakes, otherwise)
    print("Right: one mean and one SD, from the training films, for every film.")


def check_patient_overlap(patient_overlap):
    """`patient_overlap(films_a, films_b)` -> the PatientIds that stand in both tables, each once."""
    a = _table([10, 10, 20, 30, 30], index=[0, 1, 2, 3, 4])
    b = _table([30, 30, 10, 40, 50], index=[20, 0, 1, 2, 3], first=100)
    answer = run(patient_overlap, a, b)
    if np.ndim(answer) == 0 and not isinstance(answer, set | frozenset):
        raise CheckFailed(OVERLAP_HINTS["number"])
    found = pd.Series(list(answer)).tolist()
    mistakes = [
        ([], "nobody"),
        ([20], "index"),
        (a["PatientId"].isin(b["PatientId"]).tolist(), "mask"),
        ([10, 20, 30, 40, 50], "union"),
        ([20, 40, 50], "difference"),
        ([20, 40, 50, 10, 30], "union"),
        (list(a), "rows"),
        ([30, 30, 10], "repeats"),
        ([10, 10, 30, 30], "repeats"),
    ]
    for wrong, hint in mistakes:
        if found == wrong:
            raise CheckFailed(OVERLAP_HINTS[hint])
    if sorted(found, key=str) != [10, 30]:
        raise CheckFailed(
            "For patients 10, 10, 20, 30, 30 on one side and 30, 30, 10, 40, 50 on the other the answer is 10 and 30, "
            f"not {found}."
        )
    if len(run(patient_overlap, a, _table([60, 70], index=[10, 20], first=200))):
        raise CheckFailed("Two tables that share no patient must give an empty answer.")
    print("Right: the patients of both tables, each once, whatever their films are called.")


def check_learns_from_test(learns_from_test):
    """`learns_from_test(fit, x, y, training)` -> whether other test films or labels change what `fit` learns."""
    random = np.random.default_rng(0)
    training = np.arange(40) % 4 > 0
    x, y = random.normal(size=(40, 3)), random.integers(0, 2, (40, 2))
    x[~training], y[~training] = 5 * x[~training] + 3, 1  # so that any way to change them shows
    steps = {
        "clean": lambda x, y, training: np.append(x[training].mean(axis=0), y[training].mean(axis=0)),
        "films": lambda x, y, training: x.mean(axis=0),
        "labels": lambda x, y, training: y.mean(axis=0),
        "part": lambda x, y, training: np.array([*x[training].mean(axis=0), x.std()]),
        "little": lambda x, y, training: x[training].mean(axis=0) + 1e-7 * x[~training].sum(),
    }
    found = {}
    for name, fit in steps.items():
        given = x.copy(), y.copy(), training.copy()
        answer = run(learns_from_test, fit, *given)
        if np.ndim(answer) or not isinstance(answer, bool | np.bool_ | int):
            raise CheckFailed(LEARNS_HINTS["number"])
        if not all(np.array_equal(a, b) for a, b in zip(given, (x, y, training), strict=True)):
            raise CheckFailed(LEARNS_HINTS["in place"])
        found[name] = bool(answer)
    for hint, wrong in {
        "swapped": found["clean"] and not any([found["films"], found["labels"], found["part"]]),
        "always": found["clean"],
        "never": not any(found.values()),
        "labels only": not found["films"],
        "films only": not found["labels"],
        "part": not found["part"],
        "loose": not found["little"],
    }.items():
        if wrong:
            raise CheckFailed(LEARNS_HINTS[hint])
    print("Right: what is learned from training films cannot depend on which test films there are.")


def _table(patients, index, first=0):
    """Films with different names, numbered from `first`."""
    images = [f"{first + i:08d}_000.png" for i in range(len(patients))]
    return pd.DataFrame({"Image": images, "PatientId": patients}, index=index)
