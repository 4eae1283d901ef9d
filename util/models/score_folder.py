"""Score a folder of films with trained weights: one command from films to a table, and to AUCs if there are labels.

    python -m util score --cohort nih --root folder-of-the-films --model nih-finetuned --out scores.csv
    python -m util score --cohort nih --root folder --model own.h5 --size 320 --mean 123.7 --std 58.4

A folder without a label table may hold PNG, JPEG and DICOM films. Weights of your own without a passport need the
preprocessing of their training films. The table has the name of each film, 14 calibrated logits (logit_...) and 14
probabilities (prob_...). AUCs are computed only on films of patients that were not in the training data. The same
command resumes after an interruption. Not for clinical use.
"""

from __future__ import annotations

import hashlib
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from util import settings
from util.command import argument_parser, command
from util.data import nih
from util.data.cohort import Cohort, load_cohort
from util.data.own_film import SUFFIXES, read_own_film
from util.errors import CourseError
from util.files import alone, check_place, sweep, whole
from util.findings import FINDINGS
from util.metrics.auc_tables import auc_table, auc_text
from util.models.contamination import contamination
from util.models.preprocessing import Preprocessing
from util.models.weights import WEIGHTS, load_pretrained, weights_for
from util.notes import note
from util.progress import progress

if TYPE_CHECKING:
    from util.models.weights import Pretrained

KEEP = 100  # films between two savings
OPTIONS = "--size 320 --mean 123.7 --std 58.4 (or three numbers, 1,2,3), --aspect crop, --findings Mass,Nodule,..."


# --- Films -----------------------------------------------------------------------------------------


class OwnFilms(Cohort):
    """Films without a label table, each read as a film of your own: PNG, JPEG or DICOM."""

    def read(self, image: str) -> np.ndarray:
        """Pixels of one film by name: uint8 (h, w)."""
        return read_own_film(self.paths[image])


def films_to_score(name: str, root: Path | str | None) -> Cohort:
    """The cohort in a folder, with its labels; for real films without a label file, only names and pixels."""
    if name == "phantom" and root and not (Path(root).expanduser() / "films.csv").is_file():
        raise CourseError(f"The simulated films are embedded; for the films in {root} add --cohort nih (COHORT=nih).")
    if name != "nih" or not root or not Path(root).expanduser().is_dir():
        return load_cohort(name, root)
    root = Path(root).expanduser().resolve()
    if nih.find_file(root, nih.LABEL_FILES):
        return load_cohort(name, root)
    paths = own_films(root)
    if not paths:
        raise CourseError(
            f"There is no film in {root} nor in {root / 'images'}, and no label file: put PNG, JPEG or DICOM files "
            "there."
        )
    films = pd.DataFrame({"Image": sorted(paths)})
    return OwnFilms(
        "nih", films, pd.DataFrame(columns=nih.BOX_COLUMNS), notes=("No label file.",), paths=paths, root=root
    )


def own_films(root: Path) -> dict[str, Path]:
    """Paths by name of the films under `root`: files with the suffix of a film, or DICOM files without a suffix."""
    paths = {}
    folders = [root, root / "images", *sorted(root.glob("images_0*")), *sorted(root.glob("images_0*/images"))]
    for path in (path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())):
        if not path.name.startswith(".") and _is_film(path):
            if path.name in paths:
                raise CourseError(f"There are two films {path.name}, {paths[path.name]} and {path}: keep one of them.")
            paths[path.name] = path
    return paths


def _is_film(path):
    if path.suffix or not path.is_file():
        return path.suffix.lower() in SUFFIXES and path.is_file()
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


# --- Scores ----------------------------------------------------------------------------------------


class Kept:
    """Logits of the films scored so far, in a folder next to the table, until the table is written.

    A row is valid for the same weights, preprocessing and film only: it is kept under a hash of them, including the
    film's path, size and time of change. Rows that no longer match anything are ignored.

    Parameters
    ----------
    out : Path of the table
    pretrained : util.models.weights.Pretrained
    cohort : util.data.cohort.Cohort
    """

    def __init__(self, out: Path, pretrained: Pretrained, cohort: Cohort) -> None:
        self.folder, self.paths = out.with_name(f".{out.name}.kept"), cohort.paths
        labels = pretrained.passport.get("labels", FINDINGS)
        self.model = f"{pretrained.passport['sha256']} {pretrained.preprocessing} {list(labels)}"
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise CourseError(f"{self.folder} cannot be written ({error.strerror}): name another --out.") from None

    def key(self, image: str) -> str:
        """The name under which a film's row is kept."""
        path = self.paths[image].resolve()
        state = f"{path.stat().st_size} {path.stat().st_mtime_ns}" if path.is_file() else "absent"
        text = f"{self.model}\n{path}\n{state}"
        return hashlib.sha256(text.encode()).hexdigest()

    def parts(self) -> list[Path]:
        """Paths of what has been kept."""
        return [path for path in sorted(self.folder.iterdir()) if re.fullmatch(r"\d{6}\.csv", path.name)]

    def rows(self, images: Sequence[str]) -> dict[str, np.ndarray]:
        """Dict image -> float32 (14,), for the films that are kept."""
        kept = {}
        for path in self.parts():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                key, *values = line.split(",")
                if len(values) == len(FINDINGS):
                    kept[key] = values
        keys = {image: self.key(image) for image in images}
        return {image: np.array(kept[key], np.float32) for image, key in keys.items() if key in kept}

    def add(self, rows: Mapping[str, np.ndarray]) -> None:
        """Keep rows, a dict image -> float32 (14,)."""
        if rows:
            lines = [",".join([self.key(image), *(f"{value:.9g}" for value in row)]) for image, row in rows.items()]
            with whole(self.folder / f"{len(self.parts()):06}.csv") as part:
                part.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def remove(self) -> None:
        """Remove the folder and what this class has written there."""
        sweep(self.folder)
        for path in self.parts():
            path.unlink()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()


def score_films(pretrained: Pretrained, cohort: Cohort, images: Sequence[str], kept: Kept) -> pd.DataFrame:
    """Logits of films, as in ``util.models.predict.predict``, but an interruption loses nothing that was scored.

    Returns
    -------
    DataFrame float32, index Image in the order given, without the films that cannot be read, which are named
    """
    from util.models.predict import BATCH_SIZE, batches, predict_films

    rows, fresh, unreadable = kept.rows(images), {}, {}
    if rows:
        note(f"{len(rows):,} of these {len(images):,} films are scored already; going on with the others.")
    waiting = [image for image in images if image not in rows]
    films_by_batch = batches(cohort, waiting, pretrained.preprocessing, BATCH_SIZE, unreadable)
    try:
        for names, films in progress(films_by_batch, "scoring films", total=-(-len(waiting) // BATCH_SIZE)):
            fresh |= dict(zip(names, predict_films(pretrained.model, films, BATCH_SIZE), strict=True))
            if len(fresh) >= KEEP:
                kept.add(fresh)
                rows, fresh = rows | fresh, {}
    finally:
        kept.add(fresh)
    rows |= fresh
    if not rows:
        raise CourseError(f"None of the {len(images)} films can be read. {next(iter(unreadable.values()))}")
    if unreadable:
        told = "\n".join(unreadable.values())
        note(f"{len(unreadable)} of {len(images)} films cannot be read and have no scores:\n{told}")
    names = [image for image in images if image in rows]
    return pd.DataFrame(np.stack([rows[n] for n in names]), pd.Index(names, name="Image"), list(FINDINGS))


def calibrated(passport: Mapping[str, Any], logits: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Calibrated logits, and a sentence on what the probabilities made of them assume.

    Parameters
    ----------
    passport : dict; `calibration` holds slope and intercept (14 each), fitted on films of held-out patients. Without
        it, logits of weights trained with the weighted loss are moved from a prevalence of one half to `prevalence`
    logits : DataFrame (films, 14)

    Returns
    -------
    (DataFrame, str)
    """
    if "calibration" in passport:
        line = passport["calibration"]
        text = f"Probabilities assume {line['prevalence']}; the calibration was fitted on {line['fitted_on']}."
        return logits * np.array(line["slope"]) + np.array(line["intercept"]), text
    if "prevalence" in passport:
        from util.losses.weighted import undo_weighting

        share = np.array([passport["prevalence"][finding] for finding in FINDINGS])
        text = "Probabilities assume the prevalences of the model's training films; nobody has calibrated them."
        return pd.DataFrame(undo_weighting(logits, share), logits.index, logits.columns), text
    return logits, "Nobody has calibrated these outputs: read the probabilities as ranks, not as chances."


def score_table(logits: pd.DataFrame) -> pd.DataFrame:
    """One row per film: Image, logit_ and prob_ of the 14 findings."""
    from scipy.special import expit

    return pd.concat([logits.add_prefix("logit_"), expit(logits).add_prefix("prob_")], axis=1).rename_axis("Image")


def judgement(cohort: Cohort, logits: pd.DataFrame, passport: Mapping[str, Any]) -> str:
    """What can be said about the model on these films, as text: AUCs on films that it does not know, or why none."""
    images = () if cohort.simulated else logits.index  # the names of both cohorts may be alike
    met = contamination(passport, images, cohort)
    unmet = logits.drop(index=[*met.seen, *met.related])
    lines = [] if cohort.simulated else [str(met)]
    if not set(FINDINGS) <= set(cohort.films):
        return "\n".join([*lines, "No labels, so nothing to judge the scores by."])
    if unmet.empty:
        return "\n".join([*lines, "So this is no evaluation, and no AUC is given."])
    films = cohort.films[cohort.films["Image"].isin(unmet.index)]
    if len(unmet) == 1:
        return "\n".join(
            [*lines, "One film can be scored but not judged: an AUC compares films with and without a finding."]
        )
    try:
        table = auc_table(films, unmet, by_patient=True, rounds=0)
    except CourseError as error:  # the scores are valid all the same
        return "\n".join([*lines, f"No AUC is given: {error}"])
    if len(unmet) < len(logits):
        lines.append(f"AUCs of the other {len(unmet):,} films only:")
    lines.append(f"{'finding':20}{'positives':>10}   AUC (95 % interval, by patient)")
    for finding, row in table.iterrows():
        lines.append(f"{finding:20}{row['positives']:10,}   {auc_text(row)}")
    count = table["auc"].count()
    if count:
        lines.append(f"{'mean':20}{'':10}   {table['auc'].mean():.3f} of {count} findings")
    return "\n".join(lines)


# --- The command -----------------------------------------------------------------------------------


@command("Stopped. The same command goes on where it was.")
def main(arguments: Sequence[str] | None = None) -> int | None:
    """Run the command; returns the exit code, 2 after a mistake in the arguments, 130 when it was stopped."""
    return run(_parser().parse_args(arguments))


def _parser():
    parser = argument_parser("score", __doc__)
    add_arguments(parser)
    return parser


def add_arguments(parser: ArgumentParser) -> None:
    """The options of a table of scores, for the command that `util.archive.score` offers."""
    parser.add_argument("--cohort", default=settings.cohort_name() or "phantom", help="phantom (default) or nih")
    parser.add_argument("--root", default=settings.films_folder(), help="folder of the films (or CXR_ROOT)")
    parser.add_argument("--model", help="phantom, nih-finetuned, xrv-all, or the path of a weights file")
    parser.add_argument("--out", default="scores.csv", type=Path, help="table to write (scores.csv)")
    own = parser.add_argument_group("for a weights file that no passport describes")
    own.add_argument("--size", type=int, help="pixels of the square input")
    own.add_argument("--mean", help="gray level that becomes 0, or three with commas: that of the training films")
    own.add_argument("--std", help="gray levels that become 1, or three with commas")
    own.add_argument("--aspect", choices=["stretch", "crop"], help="whether a film is stretched to a square (default)")
    own.add_argument("--findings", help="names of the outputs in their order, with commas")


def run(options: Namespace) -> int:
    """Score a cohort into a table; returns the exit code."""
    preprocessing = preprocessing_of(options)
    check_place(options.out)
    cohort = films_to_score(options.cohort, options.root)
    images = [image for image in cohort.films["Image"] if image in cohort.paths]
    if not images:
        raise CourseError("None of the listed films is on disk, so there is nothing to score.")
    model = options.model or weights_for(cohort)
    _no_input(options.out, cohort, model, options.root)
    pretrained = load(model, preprocessing, options.findings and tuple(options.findings.split(",")))
    print(pretrained.describe(cohort), flush=True)
    kept = Kept(options.out, pretrained, cohort)
    with alone(kept.folder):
        logits, sentence = calibrated(pretrained.passport, score_films(pretrained, cohort, images, kept))
        with whole(options.out) as part:
            packing = "gzip" if options.out.suffix == ".gz" else None
            score_table(logits).to_csv(part, float_format="%.6g", compression=packing)
        kept.remove()
    print(f"\n{len(logits):,} films scored: {options.out}. {sentence}\n")
    print(judgement(cohort, logits, pretrained.passport))
    print("Not for clinical use.")
    return 0


def _no_input(out, cohort, model, root):
    """Refuse to write the table over a file that the command reads."""
    root = Path(root or ".").expanduser()
    files = [cohort.paths.get(out.name), *(nih.find_file(root, names) for names in (nih.LABEL_FILES, nih.BOX_FILES))]
    if out.exists() and any(path and path.exists() and path.samefile(out) for path in [*files, Path(model)]):
        raise CourseError(f"{out} is one of the files that are read: name another with --out.")


def preprocessing_of(options: Namespace) -> Preprocessing | None:
    """What the options say of the preprocessing, or None where they say nothing of it."""
    given = (options.size, options.mean, options.std, options.aspect)
    if given == (None,) * 4:
        return None
    if None in given[:3]:
        raise CourseError(
            "--size, --mean and --std go together: give all three, as the films of the training had them."
        )
    constants = []
    for name, text in (("--mean", options.mean), ("--std", options.std)):
        try:
            values = tuple(float(value) for value in text.split(","))
        except ValueError:
            values = ()
        if len(values) not in (1, 3):
            raise CourseError(f"{name} is {text!r}, not one number or three with commas.")
        constants.append(values if len(values) == 3 else values[0])
    if not 32 <= options.size <= 2048:
        raise CourseError(f"--size is {options.size}, not a number of pixels from 32 to 2048.")
    return Preprocessing(options.size, *constants, options.aspect or "stretch")


def load(
    model: str, preprocessing: Preprocessing | None = None, findings: tuple | None = None, network: bool = True
) -> Pretrained:
    """Weights by name or from a file; a CourseError that names the options where something of them must be said."""
    named = {"preprocessing": preprocessing, "findings": findings}
    named = {name: value for name, value in named.items() if value is not None}
    named |= {} if network else {"network": False}
    is_file = Path(model).suffix or (Path(model).exists() and not (WEIGHTS / f"{model}.json").is_file())
    if not is_file:
        return load_pretrained(model, **named)
    if not Path(model).exists() and not Path(f"{model}.index").exists():
        raise CourseError(f"There is no weights file {model}: name another with --model.")
    try:
        return load_pretrained(path=model, **named)
    except CourseError as error:
        here = f" With this command: {OPTIONS}." if re.search("preprocessing=|findings=", str(error)) else ""
        raise CourseError(f"{error}{here}") from None
