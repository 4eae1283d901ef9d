"""Make the embedded weights `nih-finetuned`: the phantom's DenseNet-121, fine-tuned on real films.

    python -m util.nih_finetuned ../shared/nih ../shared/nih-more --out build/nih-finetuned

Each patient is held out once: what is reported of the weights is what models of the same recipe reach on patients that
they have not met. The released model then learns from all films. Finished folds are kept, so the same command goes on
after an interruption. Needs PyTorch (pip install torch) and takes about an hour on two cores.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from util.cohort import PHANTOM, load_cohort
from util.errors import CourseError
from util.evidence import auc_tables, calibration, pointing_table, reliability_table, shift_table
from util.findings import FINDINGS
from util.images import Preprocessing, read_film, resize
from util.progress import progress
from util.real_films import folds, read_real_films
from util.weights import WEIGHTS, read_passport, release_arrays

NAME, FOLDS = "nih-finetuned", 3
# Pixels, views, step size; the model of all films sees half as many views more.
STAGES = ((128, 80_000, 8e-4), (224, 48_000, 3e-4))
BATCH = 64
SIMULATED, DRAWN_WITH = 16_000, 77  # films drawn to be mixed in, and their seed
SHOWN = 300  # films of each kind in the picture of the features


def stages(share=1.0):
    from util.finetune import Stage

    return [Stage(size, round(views * share), rate, 2 * rate, BATCH) for size, views, rate in STAGES]


def trained(films, rows, start, file, seed, simulated, share=1.0):
    """Weights fine-tuned on the films `rows` through all stages, from `file` where an earlier call has left them."""
    from safetensors.numpy import load_file, save_file

    from util.finetune import finetune

    if not file.is_file():
        for stage in stages(share):
            steps = progress(range(stage.views // stage.batch), f"{file.stem}, {stage.size} pixels")
            bar = iter(steps)
            start = finetune(films, rows, stage, start, seed, lambda *_, bar=bar: next(bar, None), simulated)
        half = {name: array.astype(np.float16 if array.ndim == 4 else np.float32) for name, array in start.items()}
        save_file(half, file.with_suffix(".part"))
        file.with_suffix(".part").replace(file)
    return load_file(file)


def held_out(films, fold_of, start, out, simulated):
    """Logits (films, 14) and features (films, 1024) of each film by the model that has not met its patient."""
    from util.finetune import read_out

    file = out / "held-out.npz"
    if not file.is_file():
        logits, features = np.zeros((len(fold_of), len(FINDINGS))), np.zeros((len(fold_of), 1024))
        for fold in range(FOLDS):
            arrays = trained(
                films, np.flatnonzero(fold_of != fold), start, out / f"fold-{fold}.safetensors", fold, simulated
            )
            rows = fold_of == fold
            logits[rows], features[rows] = read_out(arrays, sized(films.pixels[rows], STAGES[-1][0]))
        np.savez(file, logits=logits.astype(np.float32), features=features.astype(np.float16))
    kept = np.load(file)
    return kept["logits"], kept["features"].astype(np.float32)


def sized(pixels, size):
    """Films uint8 (n, h, h) shrunk to (n, size, size)."""
    if pixels.shape[1] == size:
        return pixels
    return np.stack([resize(film, size).round().astype(np.uint8) for film in pixels])


def write_pointing(films, fold_of, out):
    """Write the pointing game on the films with boxes, each read by the model that has not met its patient."""
    from safetensors.numpy import load_file

    from util.finetune import read_maps

    boxed, maps = films.table["Image"].isin(films.boxes["Image"]).to_numpy(), {}
    for fold in range(FOLDS):
        rows = np.flatnonzero(boxed & (fold_of == fold))
        maps |= dict(zip(rows, read_maps(load_file(out / f"fold-{fold}.safetensors"), films.pixels[rows]), strict=True))
    pointing_table(films, fold_of, maps).to_csv(out / f"{NAME}_pointing.csv", index=False)


def release(arrays, films, line, out, command):
    """Write weights and passport of the released model."""
    from util.finetune import MEAN, STD, learned_prevalence
    from util.model import predict_films

    size = STAGES[-1][0]
    file, preprocessing = out / f"{NAME}.safetensors", Preprocessing(size, MEAN, STD)
    model, sha256 = release_arrays(arrays, size, file)
    image = read_passport("phantom")["known_film"]["image"]
    known = predict_films(model, preprocessing(read_film(PHANTOM / "films" / image))[None])[0]
    prevalence = learned_prevalence(films.labels, films.counts)
    passport = {
        "name": NAME,
        "sha256": sha256,
        "bytes": file.stat().st_size,
        "origin": "the course's phantom-trained DenseNet-121, fine-tuned by the course on films of ChestX-ray14 provided "
        "by the NIH Clinical Center (https://nihcc.app.box.com/v/ChestXray-NIHCC; Wang et al., CVPR 2017)",
        "films": "real",
        "training": f"simulated films, then {len(films.table):,} real films of {films.table['PatientId'].nunique():,} "
        "patients of ChestX-ray14 with mined labels",
        "command": command,
        "findings": list(FINDINGS),
        "preprocessing": asdict(preprocessing),
        "prevalence": dict(zip(FINDINGS, prevalence.round(4).tolist(), strict=True)),
        "calibration": line,
        "output": "logits; because of the weighted loss the sigmoid assumes a prevalence of one half",
        "licence": "MIT",
        "known_film": {"image": image, "logits": [round(float(value), 5) for value in known]},
        "training_films": sorted(films.table["Image"]),
    }
    text = json.dumps(passport, indent=2)
    (out / f"{NAME}.json").write_text(text + "\n", encoding="utf-8")
    return file


def main(arguments=None):
    """Run the command; returns the exit code, 2 after a mistake in the arguments."""
    parser = argparse.ArgumentParser(prog="python -m util.nih_finetuned", description=__doc__.split("\n")[0])
    parser.add_argument("roots", nargs="+", help="folders of real films in NIH's format")
    parser.add_argument("--out", default="build/nih-finetuned", type=Path, help="folder (build/nih-finetuned)")
    parser.add_argument("--leave-out", nargs="*", default=(), metavar="FILM", help="names of films not to read")
    options = parser.parse_args(arguments)
    try:
        make(options.roots, options.out, options.leave_out)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Weights, passport and tables: {options.out}. To embed them, copy {NAME}* to data/weights.")
    return 0


def make(roots, out, leave_out=()):
    """The whole making: folds, tables, released weights, all into the folder `out`."""
    from safetensors.numpy import load_file

    from util.finetune import read_out

    out.mkdir(parents=True, exist_ok=True)
    phantom = load_file(WEIGHTS / "phantom.safetensors")
    own = read_passport("phantom")
    films = read_real_films(roots, STAGES[-1][0], leave_out)
    fold_of = folds(films.table, FOLDS)
    logits, features = held_out(films, fold_of, phantom, out)
    before = read_real_films(roots, own["preprocessing"]["size"], leave_out)
    old_logits, old_features = read_out(phantom, before.pixels)
    scores = {"phantom": old_logits, NAME: logits}
    auc_tables(films.table, scores).to_csv(out / f"{NAME}_auc.csv", index=False)
    line = write_reliability(films, fold_of, scores, own, out)
    write_shift(films, fold_of, phantom, (old_features, features), out)
    write_pointing(films, fold_of, out)
    everything = np.arange(len(films.table))
    arrays = trained(films, everything, phantom, out / "all.safetensors", FOLDS, share=1.5)
    command = [
        "python -m util.nih_finetuned",
        *("FOLDER" for _ in roots),
        *(["--leave-out", *leave_out] if leave_out else []),
    ]
    release(arrays, films, line, out, " ".join(command))


def write_reliability(films, fold_of, scores, own, out):
    """Write the table of said and observed shares; return the calibration of the released weights."""
    from util.loss import undo_weighting

    share = np.array([own["prevalence"][finding] for finding in FINDINGS])
    said = {"phantom as it is": undo_weighting(scores["phantom"], share)}
    for model, name in (("phantom", "phantom, calibrated"), (NAME, "fine-tuned, calibrated")):
        said[name] = np.zeros(scores[model].shape)
        for fold in range(FOLDS):  # a film's calibration is fitted on the other folds
            rest, here = fold_of != fold, fold_of == fold
            line = calibration(films.labels[rest], scores[model][rest], films.counts[rest], natural=False)
            said[name][here] = scores[model][here] * line["slope"] + line["intercept"]
    probabilities = {name: 1 / (1 + np.exp(-z)) for name, z in said.items()}
    table = reliability_table(films.labels, probabilities, films.counts)
    table.to_csv(out / f"{NAME}_reliability.csv", index=False)
    return calibration(films.labels, scores[NAME], films.counts)


def write_shift(films, fold_of, phantom, real_features, out):
    """Write the two components of features of some simulated and some held-out real films, before and after."""
    from safetensors.numpy import load_file

    from util.finetune import read_out

    cohort = load_cohort("phantom", PHANTOM)
    rng = np.random.default_rng(0)
    shown = cohort.split("test").iloc[:SHOWN]
    rows = rng.choice(np.flatnonzero(fold_of == 0), SHOWN, replace=False)  # of fold 0, by the model that has not met it
    size = {"phantom": read_passport("phantom")["preprocessing"]["size"], NAME: STAGES[-1][0]}
    arrays = {"phantom": phantom, NAME: load_file(out / "fold-0.safetensors")}
    kinds = {}
    for name, of_real in zip(arrays, real_features, strict=True):
        pixels = np.stack([resize(cohort.read(image), size[name]).round().astype(np.uint8) for image in shown["Image"]])
        kinds[name] = read_out(arrays[name], pixels)[1], of_real[rows]
    views = shown["View"].to_numpy(), films.table["View"].to_numpy()[rows]
    shift_table(kinds, views).to_csv(out / f"{NAME}_shift.csv", index=False)


if __name__ == "__main__":
    sys.exit(main())
