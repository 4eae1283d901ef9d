"""Make the embedded weights `nih-finetuned`: the phantom's DenseNet-121, fine-tuned on real films.

    python -m util nih-finetuned FOLDER FOLDER FOLDER --out build/nih-finetuned

Name first the folder whose films come nearest to those that shall be read: they are met twice as often. Each patient is held out once: what is reported of the weights is what models of the same recipe reach on patients that
they have not met. The released model then learns from all films. Finished folds are kept, so the same command goes on
after an interruption. Needs PyTorch (pip install torch). Takes ten minutes on a GPU; without one a night on two cores.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from util.command import argument_parser, command
from util.data.cohort import PHANTOM, load_cohort
from util.data.images import resize
from util.errors import CourseError
from util.files import whole
from util.findings import FINDINGS
from util.models.contamination import film_hashes
from util.models.preprocessing import Preprocessing
from util.models.weights import WEIGHTS, read_passport
from util.progress import progress
from util.training.real_films import folds, read_real_films, simulated_films
from util.training.report import auc_tables, calibration, pointing_table, reliability_table, shift_table

NAME, FOLDS = "nih-finetuned", 3
# Pixels, views, step size; the model of all films sees half as many views more.
STAGES = ((128, 80_000, 8e-4), (224, 48_000, 3e-4))
BATCH = 64
SIMULATED, DRAWN_WITH = 16_000, 77  # films drawn to be mixed in, and their seed
SHOWN = 300  # films of each kind in the picture of the features


def stages(share=1.0):
    from util.training.finetune import Stage

    return [Stage(size, round(views * share), rate, 2 * rate, BATCH) for size, views, rate in STAGES]


def trained(films, rows, start, file, seed, simulated, share=1.0):
    """Weights fine-tuned on the films `rows` through all stages, from `file` where an earlier call has left them."""
    from safetensors.numpy import load_file, save_file

    from util.training.finetune import finetune
    from util.training.network import device_name

    if not file.is_file():
        for stage in stages(share):
            steps = progress(range(stage.views // stage.batch), f"{file.stem}, {stage.size} pixels")
            bar = iter(steps)
            start = finetune(films, rows, stage, start, seed, lambda *_, bar=bar: next(bar, None), simulated)
        half = {name: array.astype(np.float16 if array.ndim == 4 else np.float32) for name, array in start.items()}
        with whole(file) as part:
            save_file(half, part, {"device": device_name()})
    return load_file(file)


def held_out(films, fold_of, phantom, out, simulated, before):
    """What the models say of films whose patients they have not met, kept in a small file from which the tables are made.

    A dict of arrays: image, fold, logits and those of `phantom` (films, 14), rows of the films with boxes and their
    maps (rows, 14, h, w). `before` gives the films' pixels at the size that `phantom` reads.
    """
    from util.training.network import read_maps, read_out

    file = out / f"{NAME}_held_out.npz"
    if not file.is_file():
        boxed = films.table["Image"].isin(films.boxes["Image"]).to_numpy()
        logits, maps = np.zeros((len(fold_of), len(FINDINGS)), np.float32), {}
        for fold in range(FOLDS):
            learned, rows = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
            arrays = trained(films, learned, phantom, out / f"fold-{fold}.safetensors", fold, simulated)
            logits[rows] = read_out(arrays, films.pixels[rows])[0]
            mine = rows[boxed[rows]]
            maps |= dict(zip(mine, read_maps(arrays, films.pixels[mine]), strict=True))
        keep_said(file, films.table["Image"], fold_of, logits, read_out(phantom, before())[0], maps)
    return dict(np.load(file))


def keep_said(file, images, fold_of, logits, phantom, maps):
    """Write what is needed for the tables, logits and maps in half precision."""
    rows = np.array(sorted(maps), int)
    half = {"logits": logits, "phantom": phantom, "maps": np.stack([maps[row] for row in rows])}
    half = {name: array.astype(np.float16) for name, array in half.items()}
    with whole(file) as part, part.open("wb") as stream:
        np.savez_compressed(
            stream, image=np.array(images, "U"), fold=fold_of.astype(np.int8), rows=rows.astype(np.int32), **half
        )


def write_tables(films, said, out):
    """Write all tables but that of the features; return the calibration of the released weights."""
    scores = {"phantom": said["phantom"].astype(float), NAME: said["logits"].astype(float)}
    auc_tables(films.table, scores).to_csv(out / f"{NAME}_auc.csv", index=False)
    maps = dict(zip(said["rows"], said["maps"].astype(float), strict=True))
    pointing_table(films, said["fold"], maps).to_csv(out / f"{NAME}_pointing.csv", index=False)
    return write_reliability(films, said["fold"], scores, read_passport("phantom"), out)


def made_on(file):
    """The device on which the weights in a file of `trained` were made."""
    from safetensors import safe_open

    with safe_open(file, "numpy") as kept:
        return kept.metadata()["device"]


def release(arrays, films, line, out, command, device, roots):
    """Write weights and passport of the released model."""
    from util.training.finetune import learned_prevalence
    from util.training.network import MEAN, STD
    from util.training.release import write_release

    seen = sorted(films.table["Image"])
    paths = {image: path for root in roots for image, path in load_cohort("nih", root).paths.items()}
    prevalence = learned_prevalence(films.labels, films.counts)
    file = out / f"{NAME}.safetensors"
    write_release(
        file,
        arrays,
        Preprocessing(STAGES[-1][0], MEAN, STD),
        read_passport("phantom")["known_film"]["image"],
        name=NAME,
        origin="the course's phantom-trained DenseNet-121, fine-tuned by the course on films of ChestX-ray14 provided "
        "by the NIH Clinical Center (https://nihcc.app.box.com/v/ChestXray-NIHCC; Wang et al., CVPR 2017)",
        films="real",
        training=f"simulated films, then {len(films.table):,} real films of {films.table['PatientId'].nunique():,} "
        "patients of ChestX-ray14 with mined labels, simulated ones among them",
        command=command,
        device=f"{device}, bfloat16; seeds are fixed, yet a GPU does not repeat itself bit for bit",
        prevalence=dict(zip(FINDINGS, prevalence.round(4).tolist(), strict=True)),
        calibration=line,
        training_films=seen,
        training_hashes=film_hashes([paths[image] for image in seen]),
    )
    return file


@command()
def main(arguments=None):
    """Run the command; returns the exit code, 2 after a mistake in the arguments."""
    parser = argument_parser("nih-finetuned", __doc__)
    parser.add_argument("roots", nargs="+", help="folders of real films in NIH's format; the first counts most")
    parser.add_argument("--out", default="build/nih-finetuned", type=Path, help="folder (build/nih-finetuned)")
    parser.add_argument("--leave-out", nargs="*", default=(), metavar="FILM", help="names of films not to read")
    parser.add_argument("--tables", action="store_true", help="only make the tables again from what the models said")
    options = parser.parse_args(arguments)
    (tables if options.tables else make)(options.roots, options.out, options.leave_out)
    print(f"Weights, passport and tables: {options.out}. To embed them, copy {NAME}* to data/weights.")


def tables(roots, out, leave_out=()):
    """Make the tables again from the embedded file of what the models said of held-out films; no pixel is read."""
    out.mkdir(parents=True, exist_ok=True)
    said = dict(np.load(WEIGHTS / f"{NAME}_held_out.npz"))
    films = read_real_films(roots, None, leave_out)
    if list(films.table["Image"]) != list(said["image"]):
        raise CourseError(
            f"{NAME}_held_out.npz speaks of {len(said['image']):,} other films than these folders hold: name the folders "
            "and --leave-out as in the passport's command."
        )
    write_tables(films, said, out)


def make(roots, out, leave_out=()):
    """The whole making: folds, tables, released weights, all into the folder `out`."""
    from safetensors.numpy import load_file

    out.mkdir(parents=True, exist_ok=True)
    phantom, size = load_file(WEIGHTS / "phantom.safetensors"), STAGES[-1][0]
    films = read_real_films(roots, size, leave_out)
    fold_of = folds(films.table, FOLDS)
    simulated = simulated_films(out / "simulated", SIMULATED, DRAWN_WITH, size)
    own = read_passport("phantom")["preprocessing"]["size"]

    @lru_cache(1)
    def before():
        return read_real_films(roots, own, leave_out).pixels

    line = write_tables(films, held_out(films, fold_of, phantom, out, simulated, before), out)
    write_shift(films, fold_of, phantom, out, before)
    everything = np.arange(len(films.table))
    arrays = trained(films, everything, phantom, out / "all.safetensors", FOLDS, simulated, share=1.5)
    command = [
        "python -m util nih-finetuned",
        *("FOLDER" for _ in roots),
        *(["--leave-out", *leave_out] if leave_out else []),
    ]
    release(arrays, films, line, out, " ".join(command), made_on(out / "all.safetensors"), roots)


def write_reliability(films, fold_of, scores, own, out):
    """Write the table of said and observed shares; return the calibration of the released weights."""
    from util.losses.weighted import undo_weighting

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


def write_shift(films, fold_of, phantom, out, before):
    """Write the two components of features of some simulated and some held-out real films, before and after."""
    from safetensors.numpy import load_file

    from util.training.network import read_out

    cohort = load_cohort("phantom", PHANTOM)
    shown = cohort.split("test").iloc[:SHOWN]
    mine = np.flatnonzero(fold_of == 0)  # by the model that has not met them
    rows = np.random.default_rng(0).choice(mine, min(SHOWN, len(mine)), replace=False)
    kinds = {}
    for name, arrays, real in (
        ("phantom", phantom, before()[rows]),
        (NAME, load_file(out / "fold-0.safetensors"), films.pixels[rows]),
    ):
        side = real.shape[1]
        drawn = np.stack([resize(cohort.read(image), side).round().astype(np.uint8) for image in shown["Image"]])
        kinds[name] = read_out(arrays, drawn)[1], read_out(arrays, real)[1]
    views = shown["View"].to_numpy(), films.table["View"].to_numpy()[rows]
    shift_table(kinds, views).to_csv(out / f"{NAME}_shift.csv", index=False)
