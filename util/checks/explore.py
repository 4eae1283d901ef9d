"""Checks of lesson 2: patients with a finding, prevalence by view, one scale for all films."""

import numpy as np
import pandas as pd

from util.checks.answers import Check

# --- patients_with ---


def _tables():
    made = []
    for seed, (films, people) in enumerate([(53, 19), (31, 23), (37, 5)]):
        rng = np.random.default_rng([5, seed])
        table = pd.DataFrame(
            {"PatientId": rng.integers(100, 100 + people, films), "FollowUp": rng.integers(0, 9, films)}
        )
        table["Mass"], table["Edema"] = rng.random(films) < 0.31, rng.random(films) < 0.17
        table = table.astype(int).sample(frac=1, random_state=seed)
        made.append((table, ["Mass", "Edema", "Mass"][seed]))
    made.append((made[0][0].assign(Mass=0), "Mass"))
    return made


def _with(films, finding):
    return films.loc[films[finding] == 1, "PatientId"]


check_patients_with = Check(
    "patients_with",
    lambda films, finding: _with(films, finding).nunique(),
    _tables,
    returns="one number of patients",
    mistakes=[
        (lambda f, k: f[k].sum(), "These are the films with the finding. A patient with three such films is one patient."),
        (lambda f, k: f["PatientId"].nunique(), "These are all patients of the table; count those with the finding."),
        (lambda f, k: len(f), "This is the number of rows, and a row is a film."),
        (lambda f, k: f[k].nunique(), "You count the different values in the finding's column; count patients."),
        (lambda f, k: _with(f, k).nunique() / f["PatientId"].nunique(), "This is a share of the patients; their number is asked for."),
        (lambda f, k: f[k].mean(), "This is the share of films, the prevalence; a number of patients is asked for."),
        (lambda f, k: _with(f, k).max(), "This is a PatientId; count how many different ones there are."),
        (lambda f, k: (f.groupby("PatientId")[k].min() == 1).sum(), "You count patients with the finding on all of their "
         "films; one film is enough."),
        (lambda f, k: f.drop_duplicates("PatientId")[k].sum(), "You look at one film of each patient only. The finding may be "
         "on a later one."),
        (lambda f, k: f.drop_duplicates("PatientId", keep="last")[k].sum(), "You look at one film of each patient only, the last "
         "one of the table."),
        (lambda f, k: (f.groupby("PatientId")[k].sum() == 1).sum(), "You count patients with exactly one such film; those "
         "with several have the finding, too."),
        (lambda f, k: (f.groupby("PatientId")[k].sum() > 1).sum(), "You count patients with several such films; one is enough."),
        (lambda f, k: f.loc[f[k] == 0, "PatientId"].nunique(), "These are the patients with a film **without** the finding."),
        (lambda f, k: f["PatientId"].nunique() - _with(f, k).nunique(), "These are the patients who never have the finding."),
        (lambda f, k: _with(f, "Mass").nunique(), "The answer is the same for each finding: use the argument `finding`."),
        (lambda f, k: f.groupby("PatientId")[k].mean().sum(), "A patient with the finding on half of the films counts as half. "
         "Count each patient once, or not at all."),
        (lambda f, k: f.sort_values("FollowUp").drop_duplicates("PatientId")[k].sum(), "You look at one film of each patient "
         "only, the earliest."),
        (lambda f, k: f.loc[f["FollowUp"] == 0, k].sum(), "You count films with FollowUp 0 only; the finding may come later."),
    ],
    idea="Keep the rows with the finding. Whose films are they, and how many different people is that?",
    right="each patient counts once, however many films there are.",
)  # fmt: skip

# --- view_ratio ---


def _views():
    made = []
    for seed, (films, ap, pa) in enumerate([(53, 0.61, 0.23), (71, 0.11, 0.57), (37, 0.55, 0.31)]):
        rng = np.random.default_rng([6, seed])
        view = rng.choice(["AP", "PA"], films, p=[0.31, 0.69])
        shares = np.where(view == "AP", ap, pa)
        table = pd.DataFrame({"View": view, "Edema": rng.random(films) < shares, "Mass": rng.random(films) < shares})
        made.append(
            (
                table.astype({"Edema": int, "Mass": int}).sample(frac=1, random_state=seed),
                ["Edema", "Mass", "Edema"][seed],
            )
        )
    return made


def _share(films, finding, view):
    return films.loc[films["View"] == view, finding].mean()


def _count(films, finding, view):
    return films.loc[films["View"] == view, finding].sum()


def _odds(share):
    return share / (1 - share)


check_view_ratio = Check(
    "view_ratio",
    lambda films, k: _share(films, k, "AP") / _share(films, k, "PA"),
    _views,
    returns="one number, a ratio",
    mistakes=[
        (lambda f, k: _count(f, k, "AP") / _count(f, k, "PA"), "You divide numbers of films. There are fewer AP than PA films, "
         "so first divide each number by the films of its view."),
        (lambda f, k: _share(f, k, "PA") / _share(f, k, "AP"), "This is PA over AP, the other way round."),
        (lambda f, k: (f.loc[f[k] == 1, "View"] == "AP").mean(), "This is the share of AP among films with the finding. Asked "
         "for are shares of films with the finding within each view."),
        (lambda f, k: _share(f, k, "AP") - _share(f, k, "PA"), "This is the difference of the two prevalences; their ratio is "
         "asked for."),
        (lambda f, k: _share(f, k, "AP") / f[k].mean(), "You compare AP with all films, which include the AP films; compare it "
         "with PA."),
        (lambda f, k: _share(f, k, "AP"), "This is the prevalence on AP films; divide it by the one on PA films."),
        (lambda f, k: _share(f, k, "PA"), "This is the prevalence on PA films only."),
        (lambda f, k: _odds(_share(f, k, "AP")) / _odds(_share(f, k, "PA")), "This is the ratio of the odds; the ratio of the "
         "shares is asked for."),
        (lambda f, k: (f["View"] == "AP").sum() / (f["View"] == "PA").sum(), "This is the ratio of the numbers of AP and PA "
         "films; the finding plays no part."),
        (lambda f, k: (_count(f, k, "AP") / len(f)) / _share(f, k, "PA"), "You divide the AP films with the finding by all "
         "films; divide them by the AP films."),
        (lambda f, k: _share(f, "Edema", "AP") / _share(f, "Edema", "PA"), "The answer is the same for each finding: use the "
         "argument `finding`."),
        (lambda f, k: _share(f, k, "AP") / (_share(f, k, "AP") + _share(f, k, "PA")), "You divide by the sum of both "
         "prevalences; divide by the one on PA films."),
        (lambda f, k: (1 - _share(f, k, "AP")) / (1 - _share(f, k, "PA")), "These are the films without the finding."),
        (lambda f, k: np.log(_share(f, k, "AP") / _share(f, k, "PA")), "This is the logarithm of the ratio."),
    ],
    idea="Two numbers first: among the AP films, which share has the finding? And among the PA films? Then divide.",
    right="the share of AP films with the finding, divided by the share of PA films with it.",
)  # fmt: skip

# --- standardise ---


def _stacks():
    made = []
    for seed, (films, training, size) in enumerate([(2, 5, (7, 9)), (3, 11, (5, 6)), (1, 2, (4, 13))]):
        rng = np.random.default_rng([7, seed])
        levels = rng.integers(55, 190, (training, 1, 1))
        stack = (levels + rng.integers(-37, 41, (training, *size))).astype(np.uint8)
        other = (rng.integers(70, 170, (films, 1, 1)) + rng.integers(-43, 47, (films, *size))).astype(np.uint8)
        made.append((other, stack))
    return made


EACH = {"axis": (1, 2), "keepdims": True}

check_standardise = Check(
    "standardise",
    lambda films, training: (films - training.mean()) / training.std(),
    _stacks,
    returns="an array of films like the one that went in",
    mistakes=[
        (lambda x, t: (x - x.mean(**EACH)) / x.std(**EACH), "Each film is standardized by itself. Then a dark and a bright "
         "film look alike; use the mean and SD of the training films for every film."),
        (lambda x, t: (x - x.mean()) / x.std(), "The mean and SD come from the films that are to be standardized. Then what a "
         "network reads from a film depends on which films come with it."),
        (lambda x, t: (x - t.mean(axis=0)) / t.std(axis=0), "There is one mean for each pixel position. A chest may be shifted "
         "by a centimeter: take one mean over all pixels of all training films."),
        (lambda x, t: (x - t.mean()) / t.var(), "You divide by the variance; the SD is its square root."),
        (lambda x, t: x - t.mean(), "The mean is removed; divide by the SD as well."),
        (lambda x, t: x / t.std(), "You divide by the SD; subtract the mean first."),
        (lambda x, t: x / 255, "This divides by 255, whatever the training films are like."),
        (lambda x, t: (x - t.mean()) / t.std(**EACH).mean(), "You average the SDs of single films. That leaves out how much films "
         "differ from each other: take the SD of all training pixels at once."),
        (lambda x, t: (x - t.min()) / (float(t.max()) - t.min()), "This maps the darkest pixel to 0 and the brightest to 1; mean "
         "and SD are asked for."),
        (lambda x, t: x - t.mean() / t.std(), "Only the mean is divided by the SD: mind the brackets."),
        (lambda x, t: (x - t.mean()) * t.std(), "You multiply by the SD; divide by it."),
        (lambda x, t: (x + t.mean()) / t.std(), "The mean is added; subtract it."),
        (lambda x, t: (t - t.mean()) / t.std(), "These are the training films; return `films` on their scale."),
        (lambda x, t: (x - x.mean()) / t.std(), "The mean comes from the films that are to be standardized, only the SD from the "
         "training films."),
        (lambda x, t: (x - t.mean()) / x.std(), "The SD comes from the films that are to be standardized, only the mean from the "
         "training films."),
        (lambda x, t: (x - np.uint8(t.mean())) / t.std(), "The mean is made a uint8, and the difference wraps around: 3 - 5 "
         "becomes 254. Subtract a float."),
        (lambda x, t: ((x - t.mean()) / t.std()).astype(int), "The values are cut to whole numbers; keep the decimals."),
        (lambda x, t: np.abs(x - t.mean()) / t.std(), "The signs are lost: dark pixels should be below 0."),
        (lambda x, t: (x - t.mean()) / t.std(axis=0), "There is one SD for each pixel position; take one over all pixels."),
        (lambda x, t: (x - np.median(t)) / t.std(), "You subtract the median; the mean is asked for."),
        (lambda x, t: (x - t[0].mean()) / t[0].std(), "Mean and SD come from the first training film only."),
        (lambda x, t: (x - np.concatenate([x, t]).mean()) / np.concatenate([x, t]).std(), "Mean and SD come from all films "
         "together; the training films alone should give them."),
    ],
    idea="Two numbers describe the scale: the mean and the SD of all pixels of all training films. Put every film on it: "
    "subtract the one, divide by the other.",
    right="one mean and one SD, from the training films, for every film.",
)  # fmt: skip
