"""Score a folder of films with trained weights: one command from films to a table, and to AUCs where labels are there.

    python -m util.score --cohort nih --root folder-of-the-films --model nih-finetuned --out scores.csv

The table has the name of each film, 14 calibrated logits (logit_...) and 14 probabilities (prob_...). An AUC is printed
only for films that the model has not met in training, nor another film of their patients. Not for clinical use.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from util import nih
from util.cohort import Cohort, load_cohort
from util.errors import CourseError
from util.evaluation import auc_table
from util.findings import FINDINGS
from util.weights import WEIGHTS, contamination, load_pretrained, weights_for


def films_to_score(name, root):
    """The cohort in a folder, with its labels; of real films without a label file, names and pixels alone."""
    if name != "nih" or not root or not Path(root).expanduser().is_dir():
        return load_cohort(name, root)
    root = Path(root).expanduser().resolve()
    if nih.find_file(root, nih.LABEL_FILES):
        return load_cohort(name, root)
    paths = nih.find_films(root)
    if not paths:
        raise CourseError(f"No film and no label file under {root}: put films into {root / 'images'}.")
    films = pd.DataFrame({"Image": sorted(paths)})
    return Cohort("nih", films, pd.DataFrame(columns=nih.BOX_COLUMNS), notes=("No label file.",), paths=paths)


def calibrated(passport, logits):
    """Calibrated logits, and a sentence on what the probabilities made of them assume.

    Parameters
    ----------
    passport : dict; `calibration` holds slope and intercept (14 each), fitted on films of held-out patients. Weights
        trained with the weighted loss without it are moved from a prevalence of one half to `prevalence`
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
        from util.loss import undo_weighting

        share = np.array([passport["prevalence"][finding] for finding in FINDINGS])
        text = "Probabilities assume the prevalences of the model's training films; nobody has calibrated them."
        return pd.DataFrame(undo_weighting(logits, share), logits.index, logits.columns), text
    return logits, "Nobody has calibrated these outputs: read the probabilities as ranks, not as chances."


def score_table(logits):
    """One row per film: Image, logit_ and prob_ of the 14 findings."""
    probabilities = 1 / (1 + np.exp(-logits))
    return pd.concat([logits.add_prefix("logit_"), probabilities.add_prefix("prob_")], axis=1).rename_axis("Image")


def judgement(cohort, logits, passport):
    """What may be said of the model on these films, as text: AUCs on the films that it had not met, or why there are none."""
    met = contamination(
        passport, () if cohort.simulated else logits.index, cohort
    )  # names of both cohorts may be alike
    unmet = logits.drop(index=[*met.seen, *met.related])
    lines = [] if cohort.simulated else [str(met)]
    if not set(FINDINGS) <= set(cohort.films):
        return "\n".join([*lines, "No labels, so nothing to judge the scores by."])
    if unmet.empty:
        return "\n".join([*lines, "So this is no evaluation, and no AUC is given."])
    films = cohort.films[cohort.films["Image"].isin(unmet.index)]
    table = auc_table(films, unmet, by_patient=True, rounds=0)
    if len(unmet) < len(logits):
        lines.append(f"AUCs of the other {len(unmet):,} films only:")
    lines.append(f"{'finding':20}{'positives':>10}{'AUC':>8}   95 % interval, by patient")
    for finding, row in table.iterrows():
        known = (
            f"{row['auc']:8.3f}   {row['low']:.3f} to {row['high']:.3f}"
            if row["auc"] == row["auc"]
            else f"   {row['note']}"
        )
        lines.append(f"{finding:20}{row['positives']:10,}{known}")
    count = table["auc"].count()
    if count:
        lines.append(f"{'mean':20}{'':10}{table['auc'].mean():8.3f}   of {count} findings")
    return "\n".join(lines)


def main(arguments=None):
    """Run the command; returns the exit code, 2 after a mistake in the arguments."""
    parser = argparse.ArgumentParser(prog="python -m util.score", description=__doc__.split("\n")[0])
    parser.add_argument("--cohort", default=os.environ.get("COHORT") or "phantom", help="phantom (default) or nih")
    parser.add_argument("--root", default=os.environ.get("CXR_ROOT") or None, help="folder of the films (or CXR_ROOT)")
    parser.add_argument("--model", help="phantom, nih-finetuned, xrv-all, or the path of a weights file")
    parser.add_argument("--out", default="scores.csv", type=Path, help="table to write (scores.csv)")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2


def _run(options):
    if not options.out.parent.is_dir():
        raise CourseError(f"There is no folder {options.out.parent}: make it, or name another with --out.")
    cohort = films_to_score(options.cohort, options.root)
    model = options.model or weights_for(cohort)
    is_file = Path(model).suffix or (Path(model).exists() and not (WEIGHTS / f"{model}.json").is_file())
    pretrained = load_pretrained(path=model) if is_file else load_pretrained(model)
    print(pretrained.describe(cohort))
    from util.model import predict

    images = [image for image in cohort.films["Image"] if image in cohort.paths]
    if not images:
        raise CourseError("None of the listed films is on disk, so there is nothing to score.")
    logits, sentence = calibrated(pretrained.passport, predict(pretrained, cohort, images))
    partial = options.out.with_name(options.out.name + ".part")
    try:
        score_table(logits).to_csv(partial, float_format="%.6g")
        partial.replace(options.out)
    except OSError as error:
        raise CourseError(
            f"{options.out} cannot be written ({error.strerror}): name another file with --out."
        ) from None
    print(
        f"\n{len(logits):,} films scored: {options.out}. {sentence}\n\n{judgement(cohort, logits, pretrained.passport)}"
    )
    print("Not for clinical use.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
