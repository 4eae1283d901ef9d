"""One look at everything that may leak in a cohort, with a verdict that can be acted on. Taught in lesson 3."""

from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np

from util.data.cohort import SPLITS, film_by_film
from util.findings import FINDINGS
from util.leaks.giveaways import FILE_COLUMNS, column_aucs, mark_aucs
from util.leaks.near_duplicates import near_duplicates
from util.leaks.overlap import learns_from_test, patient_overlap

CLEAN, LEAK, CONFOUNDER, NOTE, BLIND = "clean", "LEAK", "CONFOUNDER", "note", "not looked at"
FEW = "too few films with and without a finding"
SHOWN = 4  # films of a check
STEP_FILMS, STEP_SIZE = 200, 16  # films, of 16 x 16 pixels, on which a step of a pipeline is tried


class Check(NamedTuple):
    """name, verdict (clean, LEAK, CONFOUNDER, note, not looked at), what was seen, what to do, films to look at and
    their titles."""

    name: str
    verdict: str
    seen: str
    act: str = ""
    images: tuple = ()
    titles: tuple = ()


@dataclass(frozen=True)
class Audit:
    """Checks of a cohort. Printed it is the verdict; `show` draws the films concerned."""

    cohort: object
    checks: tuple

    @property
    def leaks(self):
        """Names of the checks that found a leak."""
        return [check.name for check in self.checks if check.verdict == LEAK]

    def __str__(self):
        lines = []
        for check in self.checks:
            lines.append(f"{check.name:16} {check.verdict:14} {check.seen}")
            lines += [f"{'':31} -> {check.act}"] if check.act else []
        found = f"Leaks: {', '.join(self.leaks)}." if self.leaks else "No leak was found by what was looked at."
        return "\n".join([*lines, found])

    def show(self):
        """Show the films of every check that has some."""
        from util.plots import show_films

        for check in self.checks:
            if check.images:
                alt = f"{check.name}, {check.verdict}: {check.seen}"
                show_films(self.cohort, check.images, check.titles, columns=SHOWN, alt=alt)


def audit(cohort, steps=None, copies=None):
    """Look for every leak the course knows.

    Parameters
    ----------
    cohort : util.data.cohort.Cohort; where no film is on disk, the tables alone are looked at
    steps : dict name -> function of x, y, training, steps of a pipeline that learn something, such as a mean and SD
        (see `util.leaks.overlap.learns_from_test`); they are tried on 200 small films
    copies : DataFrame of near-duplicates, where they are known already (`util.leaks.near_duplicates.near_duplicates`, with
        its ``attrs``), or None to look for them

    Returns
    -------
    Audit. A LEAK makes test scores too good; a CONFOUNDER predicts a finding without showing it, and needs scores within
    its groups; what was not looked at is said, and films that cannot be read are named.
    """
    films, unreadable = cohort.films, {}
    columns = column_aucs(films)
    filed = columns["column"].isin(FILE_COLUMNS)
    checks = [_patients(films)]
    unseen = [Check(name, BLIND, "no film is on disk") for name in ("near-duplicates", "marks")]
    if cohort.paths and copies is None:
        copies = near_duplicates(cohort, unreadable=unreadable)
    checks += unseen[:1] if copies is None else [_copies(cohort, copies, unreadable)]
    checks += [_marks(cohort, unreadable)] if cohort.paths else unseen[1:]
    checks += [_order(columns[filed]), _columns(columns[~filed])]
    checks += [_step(name, fit, cohort, unreadable) for name, fit in (steps or {}).items()]
    return Audit(cohort, (*checks, *_unreadable(films, unreadable)))


def _unreadable(films, unreadable):
    """Films that every check had to leave out, if there are any."""
    if unreadable:
        seen = f"{len(unreadable):,} of {len(films):,} films cannot be read and are left out: {_some(unreadable)}"
        yield Check("films", BLIND, seen, "fetch them again, or remove them from the folder")


def _some(names):
    names = list(names)
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")


def _patients(films):
    """Patients in two splits."""
    present = [split for split in SPLITS if (films["Split"] == split).any()]
    shared = {
        (a, b): patient_overlap(films[films["Split"] == a], films[films["Split"] == b])
        for a, b in combinations(present, 2)
    }
    if len(present) < 2:
        return Check("patients", BLIND, f"all films are in one split, {', '.join(present)}")
    both = np.unique(np.concatenate([*shared.values(), np.array([], films["PatientId"].dtype)]))
    if not len(both):
        return Check("patients", CLEAN, f"no patient is in two of {', '.join(present)}")
    seen = ", ".join(f"{len(who)} in {a} and {b}" for (a, b), who in shared.items() if len(who))
    of_first = films[films["PatientId"] == both[0]].sort_values("Split").groupby("Split").head(SHOWN // 2)
    return Check(
        "patients",
        LEAK,
        f"{len(both)} patients are in two splits: {seen}",
        "split again with split_by_patient",
        tuple(of_first["Image"]),
        tuple(f"{film.Split}: {film.Image}" for film in of_first.itertuples()),
    )


def _copies(cohort, copies, unreadable):
    """One exposure under two names."""
    plain = copies.attrs["plain"]
    compared = len(cohort.films) - len(plain) - len(unreadable)
    but = f"; {len(plain):,} films of one gray have nothing to compare: {_some(plain)}" if plain else ""
    if compared < 2:
        return Check("near-duplicates", BLIND, f"there are no two films to compare{but}")
    if copies.empty:
        return Check("near-duplicates", CLEAN, f"no two of {compared:,} films are one exposure{but}")
    known = cohort.films.set_index("Image")[["Split", "PatientId"]]
    one, other = known.loc[copies["Image"]], known.loc[copies["Other"]]
    across = (one["Split"].to_numpy() != other["Split"].to_numpy()).sum()
    strangers = (one["PatientId"].to_numpy() != other["PatientId"].to_numpy()).sum()
    first = np.argsort(one["Split"].to_numpy() == other["Split"].to_numpy(), kind="stable")[: SHOWN // 2]
    images = [image for pair in copies[["Image", "Other"]].to_numpy()[first] for image in pair]
    return Check(
        "near-duplicates",
        LEAK if across else NOTE,
        f"{len(copies)} pairs of films are one exposure, {across} across splits, {strangers} under two patients{but}",
        "keep one film of each pair" + ("" if across else "; on the same side they only count twice"),
        tuple(images),
        tuple(f"{known.loc[image, 'Split']}: {image}" for image in images),
    )


def _marks(cohort, unreadable):
    """Strokes at one place of the film that go with a finding."""
    marks = mark_aucs(cohort, unreadable=unreadable)
    if marks.empty:
        return Check("marks", BLIND, FEW)
    best = marks.iloc[0]
    where = f"{best['x']:.0%} from the left, {best['y']:.0%} from above"
    if not best["strong"]:
        return Check(
            "marks", CLEAN, f"no place where strokes predict a finding (best: {best['finding']}, {_told(best)})"
        )
    with_it = cohort.films.loc[cohort.films[best["finding"]] == 1, "Image"].head(SHOWN)
    return Check(
        "marks",
        LEAK,
        f"strokes {where} predict {best['finding']}: {_told(best)}",
        "look there; cover that place on all films, or report scores with and without the mark",
        tuple(with_it),
        tuple(f"with {best['finding']}" for _ in with_it),
    )


def _order(columns):
    """The place in the table or the name of the file."""
    if columns.empty:
        return Check("order", BLIND, FEW)
    strong = columns[columns["strong"]]
    if strong.empty:
        best = _tells(columns.iloc[0])
        return Check("order", CLEAN, f"neither row nor file name predicts a finding (best: {best})")
    seen = "; ".join(_tells(row) for _, row in strong.head(2).iterrows())
    return Check("order", LEAK, seen, "shuffle the table with a seed and never give names or numbers to a model")


def _columns(columns):
    """Columns of the table that tell a finding."""
    if columns.empty:
        return Check("columns", BLIND, FEW)
    strong = columns[columns["strong"]]
    if strong.empty:
        return Check("columns", CLEAN, "no column of the table predicts a finding well")
    seen = "; ".join(_tells(row) for _, row in strong.head(3).iterrows())
    more = f"; and {len(strong) - 3} more" if len(strong) > 3 else ""
    return Check("columns", CONFOUNDER, seen + more, "report scores within its groups as well (lesson 8)")


def _step(name, fit, cohort, unreadable):
    """A step of a pipeline that learns something."""
    import cv2

    films = cohort.films.sample(frac=1, random_state=0).groupby("Split").head(STEP_FILMS // 2)
    small = (STEP_SIZE, STEP_SIZE)
    if cohort.paths:
        shrink = partial(cv2.resize, dsize=small, interpolation=cv2.INTER_AREA)
        x = film_by_film(cohort, list(films["Image"]), shrink, "trying a step", unreadable)
        films, x = films[films["Image"].isin(x)], np.array(list(x.values()))
    else:
        x = np.random.default_rng(0).integers(0, 256, (len(films), *small), dtype=np.uint8)
    training = (films["Split"] == "train").to_numpy()
    if training.all() or not training.any():
        return Check(name, BLIND, "there are no films to learn from, or no others")
    if learns_from_test(fit, x.astype(float), films[list(FINDINGS)].to_numpy(int), training):
        return Check(name, LEAK, "other test films would change what is learned", "fit it on the training films alone")
    return Check(name, CLEAN, "what is learned does not depend on the test films")


def _tells(row):
    return f"{row['column']} predicts {row['finding']}, {_told(row)}"


def _told(row):
    return f"AUC {row['auc']:.2f}"
