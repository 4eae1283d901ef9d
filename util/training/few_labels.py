"""The field's few-label test on ChestX-ray14: learn from a published list of 785 or 7,847 films, read 22,433 others.

    python -m util few-labels FOLDER --percent 1

FOLDER holds all films of ChestX-ray14 with NIH's label table. The lists are those of REFERS and MRM (Zhou et al. 2022 and
2023), the films to be read those of the published CheXNet predictions; they are fetched from pinned commits, or named with
--train and --test. The training is that of `nih-finetuned`, begun with `phantom`; boxes are not used. Needs PyTorch (pip
install torch).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from util.command import argument_parser, command
from util.data.cohort import load_cohort
from util.data.download import Remote, download, raw
from util.data.fetch_nih import PREDICTIONS
from util.data.images import resize
from util.errors import CourseError
from util.files import whole
from util.findings import FINDINGS
from util.metrics.auc_tables import auc_averages, auc_table
from util.progress import progress
from util.training.real_films import RealFilms, simulated_films

MRM = "RL4M/MRM-pytorch", "e2f458e4ec743fb56c672af9019d984113e76f1a"
FILMS = {1: 785, 10: 7847}  # in the list of each percentage
LISTS = {
    percent: Remote(raw(*MRM, f"DatasetsSplits/NIH_ChestX-ray/train_{percent}.txt"), f"train_{percent}.txt", 45 * films)
    for percent, films in FILMS.items()
}
# The findings in the order of the 0/1 in those lists; a list whose labels are not NIH's is another list.
LISTED = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
    "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia",
)  # fmt: skip
# Mean AUC with 1 % and 10 % of the labels. The first five rows were computed again from the prediction files of REFERS; the
# others stand in table 1 of doi 10.1038/s41467-024-51749-0.
PUBLISHED = {
    "ImageNet": (0.697, 0.745), "Context Restoration": (0.677, 0.739), "Model Genesis": (0.703, 0.757),
    "TransVW": (0.713, 0.740), "C2L (other chest films)": (0.711, 0.764), "ConVIRT (reports)": (0.662, 0.766),
    "GLoRIA (reports)": (0.671, 0.766), "BioViL (reports)": (0.695, 0.753), "MedKLIP (reports)": (0.772, 0.789),
    "REFERS (reports)": (0.767, 0.809), "MaCo (reports)": (0.793, 0.838), "MRM (reports)": (0.794, 0.840),
}  # fmt: skip
USUAL, LEAST = 2600, 0.3  # films of a fold of nih-finetuned; the least share of its views (chosen, not measured)
CHUNK = 500  # films in memory at a time while the test films are read


def read_list(path):
    """Film names, and labels int (films, 14) in the order of LISTED or None where the lines hold a name alone.

    Raises
    ------
    CourseError : the file is missing or empty, a line is neither a name nor a name and 14 times 0 or 1, or a film stands
        twice.
    """
    path = Path(path)
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise CourseError(f"The list {path} cannot be read: name a text file with one film a line.") from None
    widths = {len(line) for line in lines}
    if widths not in ({1}, {1 + len(LISTED)}) or any(set(line[1:]) - {"0", "1"} for line in lines):
        raise CourseError(f"{path} is no list of films: each line holds a name, or a name and 14 times 0 or 1.")
    names = [line[0] for line in lines]
    if len(set(names)) < len(names):
        raise CourseError(f"{path}: the film {next(n for n in names if names.count(n) > 1)} stands twice.")
    return names, np.array([line[1:] for line in lines], int) if widths != {1} else None


def listed_films(cohort, names, labels=None):
    """Rows of `cohort.films` of a list, in its order; CourseError where a film is not on disk or has other labels."""
    films = cohort.films.set_index("Image", drop=False)
    absent = [name for name in names if name not in films.index]
    if absent:
        raise CourseError(
            f"{len(absent):,} of {len(names):,} listed films are not on disk, {absent[0]} for one: the test needs them all."
        )
    rows = films.loc[names].reset_index(drop=True)
    if labels is not None:
        other = (rows[list(LISTED)].to_numpy() != labels).any(axis=1)
        if other.any():
            raise CourseError(
                f"The list gives {names[int(other.argmax())]} other labels than NIH's table: is it another list?"
            )
    return rows


def pixels_of(cohort, images, size):
    """uint8 (films, size, size)."""
    return np.stack([resize(cohort.read(image), size).round().astype(np.uint8) for image in images])


def learn(cohort, rows, out):
    """Weights trained from `phantom` on the films `rows`; views grow as the root of the number of films."""
    from safetensors.numpy import load_file

    from util.models.weights import WEIGHTS
    from util.training.finetune import finetune
    from util.training.nih_finetuned import DRAWN_WITH, SIMULATED, STAGES, stages

    size = STAGES[-1][0]
    no_boxes = pd.DataFrame(columns=["Image", "finding", "x", "y", "w", "h"])
    counts = np.ones((len(rows), len(FINDINGS)), bool)
    films = RealFilms(
        rows.assign(Folder=0), counts, pixels_of(cohort, progress(rows["Image"], "reading"), size), no_boxes
    )
    arrays = load_file(WEIGHTS / "phantom.safetensors")
    simulated = simulated_films(out / "simulated", SIMULATED, DRAWN_WITH, size)
    for stage in stages(max(LEAST, np.sqrt(len(rows) / USUAL))):
        bar = iter(progress(range(stage.views // stage.batch), f"{stage.size} pixels"))
        arrays = finetune(films, np.arange(len(rows)), stage, arrays, 0, lambda *_, bar=bar: next(bar, None), simulated)
    return arrays


def read_all(cohort, images, arrays, size):
    """Logits DataFrame of films, read a chunk at a time."""
    from util.training.network import read_out

    images = list(images)
    chunks = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]
    logits = [read_out(arrays, pixels_of(cohort, chunk, size))[0] for chunk in progress(chunks, "test films")]
    return pd.DataFrame(np.concatenate(logits), index=images, columns=list(FINDINGS))


def report(rows, logits, percent, shared):
    """Our AUCs, and our row among the published ones, as text."""
    table = auc_table(rows, logits, by_patient=True, rounds=0)
    mean = auc_averages(rows, logits, rows["PatientId"]).loc["macro"]
    column = list(FILMS).index(percent)
    known = {name: f"{row[column]:.3f}" for name, row in PUBLISHED.items()}
    known["**phantom (simulated films)**"] = f"{mean['auc']:.3f} ({mean['low']:.3f} to {mean['high']:.3f})"
    ranked = sorted(known.items(), key=lambda pair: pair[1][:5])
    lines = [f"| start | {FILMS[percent]:,} films ({percent} %) |", "|---|---|", *(f"| {n} | {v} |" for n, v in ranked)]
    note = f"{len(rows):,} test films; {shared:,} of them are of patients with a film in the training list."
    return "\n".join([table[["positives", "auc", "low", "high", "note"]].round(3).to_string(), "", *lines, "", note])


def run(root, percent, out, train=None, test=None):
    """The whole test; returns the report."""
    from safetensors.numpy import load_file, save_file

    from util.training.nih_finetuned import STAGES

    out.mkdir(parents=True, exist_ok=True)
    cohort = load_cohort("nih", root)
    names, labels = read_list(train or download(LISTS[percent], out))
    if len(names) != FILMS[percent] and train is None:
        raise CourseError(f"The list holds {len(names):,} films, not {FILMS[percent]:,}: fetch it again.")
    test = Path(test) if test else download(PREDICTIONS, out)
    tested = pd.read_csv(test)["Image Index"].tolist() if test.suffix == ".csv" else read_list(test)[0]
    both = set(names) & set(tested)
    if both:
        raise CourseError(f"{len(both):,} films are in both lists, {min(both)} for one: nothing would be held out.")
    rows, held = listed_films(cohort, names, labels), listed_films(cohort, tested)
    file = out / f"few-{percent}.safetensors"
    if not file.is_file():
        learned = learn(cohort, rows, out)
        with whole(file) as part:
            save_file(learned, part)
    logits = read_all(cohort, held["Image"], load_file(file), STAGES[-1][0])
    logits.to_csv(out / f"few-{percent}_logits.csv", float_format="%.4f")
    return report(held, logits, percent, int(held["PatientId"].isin(rows["PatientId"]).sum()))


@command()
def main(arguments=None):
    """Run the command; returns the exit code, 2 after a mistake in the arguments."""
    parser = argument_parser("few-labels", __doc__)
    parser.add_argument("root", help="folder of ChestX-ray14")
    parser.add_argument("--percent", type=int, choices=FILMS, default=1, help="of the training films (1)")
    parser.add_argument("--train", type=Path, help="the training list, where it is not to be fetched")
    parser.add_argument(
        "--test", type=Path, help="the test list or chexnet_predictions.csv, where it is not to be fetched"
    )
    parser.add_argument("--out", type=Path, default=Path("build/few-labels"), help="folder (build/few-labels)")
    options = parser.parse_args(arguments)
    print(run(options.root, options.percent, options.out, options.train, options.test))
