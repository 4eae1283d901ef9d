"""Twins of many patients, read by the course's networks: the tables of lesson 12.

    python -m util twins --out data/twins                 writes effects.csv.gz and maps.npz (about ten minutes on two idle cores)
    python -m util twins --out build/twins --people 4     a smaller study

The films are simulated, and drawn while they are read; none is kept. Not for clinical use.
"""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd

from util.command import argument_parser, command
from util.data.cohort import HOME
from util.errors import CourseError
from util.files import whole
from util.findings import FINDINGS
from util.phantom.twins import Patient, body_of, family, people, twins
from util.progress import progress

SEED = 12  # of the people; not a seed of the embedded cohort
COUNT = 12
MARKED = 0.6  # severity of a finding in the table of effects
DOSES = 0.1, 0.3, 0.9  # and of the further severities
DOSED = (
    "Consolidation",
    "Effusion",
    "Mass",
    "Nodule",
)  # findings that are drawn at these severities, on bedside films, too
FOLDER = HOME / "data" / "twins"
SETTINGS = {  # what is not a finding: name in the tables -> change
    "AP view alone": {"view": "AP"},
    "bedside film": {"bedside": True},
    "word PORTABLE": {"portable": True},
    "chest tube": {"chest_tube": True},
    "leads": {"leads": True},
    "no side marker": {"marker": False},
    "other sex": {"sex": None},
    "80 years old": {"age": 80},
    "brighter": {"level": 0.15},
}
MAPPED = (  # one pair for each; radiologists outlined these findings in ChestX-ray14
    "Cardiomegaly", "Effusion", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
)  # fmt: skip
CELLS = 5, 5  # each is 64 pixels wide: patches that hold most of a finding, and few enough passes through the network


def changes_of(patient: Patient, doses: bool = False) -> dict:
    """The changes of the study for one patient: dict name in the tables -> change.

    Parameters
    ----------
    patient : Patient
    doses : bool, whether the findings DOSED come at the severities DOSES as well, as 'Mass 0.3'

    See Also
    --------
    measure : reads them

    Examples
    --------
    >>> changes_of(Patient(3, seed=24))["other sex"]
    {'sex': 'F'}

    Taught in lesson 12, section 2.
    """
    changes = {finding: {finding: MARKED} for finding in FINDINGS}
    changes |= SETTINGS | {"other sex": {"sex": "F" if patient.sex == "M" else "M"}}
    if doses:
        changes |= {f"{finding} {dose}": {finding: dose} for finding in DOSED for dose in DOSES}
    return changes


def read_family(pretrained, patient, changes, size=320):
    """Logits of a patient's film and of its twins.

    Parameters
    ----------
    pretrained : util.models.weights.Pretrained
    patient : Patient
    changes : dict name -> change, as for util.phantom.twins.twins
    size : int, pixels of the films drawn

    Returns
    -------
    DataFrame, index 'as is' and the names, one column of logits for each finding. Exposure is held.

    See Also
    --------
    measure : of many patients

    Examples
    --------
    Not run by the tests, since it needs Keras and a trained network.

    >>> read_family(load_pretrained("phantom"), people(1, seed=12)[0], SETTINGS)  # doctest: +SKIP

    Taught in lesson 12, section 2.
    """
    from util.models.predict import BATCH_SIZE, predict_films

    pairs = family(patient, changes.values(), size=size)
    films = []
    for number, pair in enumerate(pairs):
        films += [pair.film.pixels] * (number == 0) + [pair.twin.pixels]
    ready = np.stack([pretrained.preprocessing(film) for film in films])
    parts = [predict_films(pretrained.model, ready[k : k + BATCH_SIZE]) for k in range(0, len(ready), BATCH_SIZE)]
    return pd.DataFrame(np.concatenate(parts), pd.Index(["as is", *changes], name="change"), list(pretrained.findings))


def measure(count=COUNT, seed=SEED, networks=("phantom", "nih-finetuned"), size=320):
    """The table of the study: a row for each network, patient and film.

    Returns
    -------
    DataFrame: network, view, patient, age, sex, fat, change, and 14 logits. Severities at the bedside are of the first
    network alone, as are those besides MARKED.

    See Also
    --------
    load_effects : the table that comes with the course

    Examples
    --------
    Not run by the tests, since it needs Keras and a trained network.

    >>> table = measure(count=2)  # doctest: +SKIP

    Taught in lesson 12, section 2.
    """
    from util.models.weights import load_pretrained

    parts = []
    for network in networks:
        pretrained, first = load_pretrained(network), network == networks[0]
        for view in ("PA", "AP")[: 1 + first]:
            for patient in progress(people(count, seed, view), f"{network}, {view}"):
                chosen = changes_of(patient, doses=first)
                if view == "AP":
                    chosen = {name: change for name, change in chosen.items() if name.split(" ")[0] in DOSED}
                rows = read_family(pretrained, patient, chosen, size).reset_index()
                about = {"network": network, "view": view, "patient": patient.number, "age": patient.age}
                about |= {"sex": patient.sex, "fat": round(body_of(patient).fat, 2)}
                parts.append(pd.DataFrame([about] * len(rows)).join(rows))
    return pd.concat(parts, ignore_index=True)


def measure_maps(seed=SEED, network="phantom", mapped=MAPPED, size=320):
    """Maps of one pair of twins for each finding, a different patient for each, and what really changed.

    Returns
    -------
    dict of arrays: finding (n,), patient (n,), logit (n, 2) before and after; 'what changed' and 'what moved the logit'
    (n, rows, columns), 'outline' (n, rows, columns) as a share of each cell; and the map of each of util.explain.heat_maps.METHODS.

    See Also
    --------
    load_maps : those that come with the course

    Examples
    --------
    Not run by the tests, since it needs Keras and a trained network.

    >>> maps = measure_maps(mapped=("Mass",))  # doctest: +SKIP

    Taught in lesson 12, section 2.
    """
    from util.explain.evidence import by_cell, restoration
    from util.explain.heat_maps import METHODS, _logits
    from util.models.weights import load_pretrained

    pretrained = load_pretrained(network)
    chosen = people(len(mapped), seed + 1)
    pairs = [twins(patient, {finding: MARKED}, size=size) for patient, finding in zip(chosen, mapped, strict=True)]
    films, changed = (
        np.stack([pretrained.preprocessing(getattr(pair, which).pixels) for pair in pairs])
        for which in ("film", "twin")
    )
    numbers, each = [pretrained.findings.index(finding) for finding in mapped], np.arange(len(mapped))
    before, after = (_logits(pretrained.model, some, 8)[each, numbers] for some in (films, changed))
    found = {
        "finding": np.array(mapped),
        "patient": np.array([patient.number for patient in chosen]),
        "logit": np.stack([before, after], 1),
        "what changed": np.stack([by_cell(np.abs(pair.difference), CELLS) for pair in pairs]),
        "outline": np.stack([by_cell(pair.outline, CELLS) for pair in pairs]),
        "what moved the logit": restoration(pretrained.model, films, changed, numbers, CELLS),
    }
    gray = np.zeros_like(changed)  # a standardized film that is mid-gray everywhere
    for name, method in METHODS.items():
        if name == "occlusion":  # what the method does, on these larger patches
            found[name] = restoration(pretrained.model, gray, changed, numbers, CELLS)
        else:
            maps = method(pretrained.model, changed)[1][each, numbers]
            found[name] = np.stack([by_cell(one, CELLS) for one in maps])
    return {name: np.float32(value) if value.dtype.kind == "f" else value for name, value in found.items()}


def load_effects(folder=FOLDER):
    """The table of `measure` that comes with the course: DataFrame. Raises CourseError where it is missing.

    See Also
    --------
    before_and_after : takes it apart

    Examples
    --------
    >>> sorted(load_effects()["network"].unique())
    ['nih-finetuned', 'phantom']

    Taught in lesson 12, section 2.
    """
    path = Path(folder) / "effects.csv.gz"
    if not path.is_file():
        raise CourseError(f"The table of twins {path} is missing: write it with python -m util twins --out {folder}.")
    return pd.read_csv(path)


def before_and_after(table, change, finding):
    """Logits of one finding before and after one change, patient by patient.

    Parameters
    ----------
    table : DataFrame, rows of one network and one view of `load_effects`
    change : str, as in the column `change`. For 'other sex' the film as a woman is before and the film as a man after.
    finding : str

    Returns
    -------
    (before, after) : float arrays (patients,)

    See Also
    --------
    load_effects : the table

    Examples
    --------
    >>> table = load_effects()
    >>> table = table[(table["network"] == "phantom") & (table["view"] == "PA")]
    >>> before, after = before_and_after(table, "bedside film", "Edema")
    >>> bool((after > before).all())
    True

    Taught in lesson 12, section 2.
    """
    rows = table.set_index(["change", "patient"]).sort_index()
    before, after = (rows.loc[name, finding].to_numpy() for name in ("as is", change))
    if change == "other sex":
        men = rows.loc["as is", "sex"].to_numpy() == "M"
        before, after = np.where(men, after, before), np.where(men, before, after)
    return before, after


def load_maps(folder=FOLDER):
    """The maps of `measure_maps` that come with the course: dict. Raises CourseError where they are missing.

    See Also
    --------
    util.explain.evidence.agreement : scores them

    Examples
    --------
    Not run by the tests, since it needs the stored maps.

    >>> load_maps()["what changed"].shape  # doctest: +SKIP
    (6, 5, 5)

    Taught in lesson 12, section 2.
    """
    path = Path(folder) / "maps.npz"
    if not path.is_file():
        raise CourseError(f"The maps of twins {path} are missing: write them with python -m util twins --out {folder}.")
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


@command()
def main(arguments=None):
    """The command.

    See Also
    --------
    measure : the first table

    Examples
    --------
    Not run by the tests, since it needs Keras and trained networks.

    >>> main(["--out", "build/twins", "--people", "2"])  # doctest: +SKIP

    Taught in lesson 12, section 2.
    """
    parser = argument_parser("twins", __doc__)
    parser.add_argument("--out", required=True, type=Path, help="the folder to write to")
    parser.add_argument("--people", type=int, default=COUNT, help="patients of the table (default: %(default)s)")
    parser.add_argument("--only", choices=("effects", "maps"), help="write one of the two files")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.only != "maps":
        table = measure(options.people)
        text = table.to_csv(index=False, float_format="%.3f", lineterminator="\n")
        with whole(options.out / "effects.csv.gz") as part:
            part.write_bytes(gzip.compress(text.encode(), mtime=0))
        print(f"{len(table):,} films of {options.people} simulated people: {options.out / 'effects.csv.gz'}")
    if options.only != "effects":
        found = measure_maps()
        with whole(options.out / "maps.npz") as part, part.open("wb") as stream:
            np.savez_compressed(stream, **found)
        print(f"{len(found['finding'])} pairs of twins: {options.out / 'maps.npz'}")
