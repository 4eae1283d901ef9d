"""What can be measured on a simulated film because its anatomy is known: the cardiothoracic ratio."""

import json

import pandas as pd

from util.errors import CourseError
from util.phantom.embedded import root_seed, sample_cohort
from util.phantom.films import draw


def cardiothoracic_ratios(cohort, images):
    """Width of the heart over the inner width of the chest, on films of a phantom cohort.

    Parameters
    ----------
    cohort : util.data.cohort.Cohort, simulated, whose folder has the cohort.json it was written with
    images : names of films

    Returns
    -------
    Series of floats between 0 and 1, index the names. The films are drawn again from their seed, about 0.1 seconds
    each, and the ratio is that of the silhouette drawn: above 0.5 the heart counts as enlarged on a PA film.

    Raises
    ------
    CourseError : the cohort is not simulated, or has no such film.
    """
    recipe = cohort.root / "cohort.json" if cohort.simulated and cohort.root else None
    if recipe is None or not recipe.is_file():
        raise CourseError("Only a simulated cohort with its cohort.json knows the anatomy behind its films.")
    made = json.loads(recipe.read_text(encoding="utf-8"))
    table = sample_cohort(made["sizes"], made["seed"], made["enriched"], made["confounding"]).set_index("Image")
    unknown = [image for image in images if image not in table.index]
    if unknown:
        raise CourseError(f"The cohort has no film {unknown[0]!r}.")
    rows = [table.loc[image].to_dict() for image in images]
    seed = root_seed(made["seed"], "cohort")
    films = [draw(row | {"FollowUp": row["Exposure"]}, seed, made["size"]) for row in rows]
    return pd.Series([film.measures["cardiothoracic_ratio"] for film in films], index=list(images))
