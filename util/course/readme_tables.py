"""The results of the README: AUC of the embedded model on films that it has not met, and the README's picture.

python -m util results                                             simulated films
COHORT=nih CXR_ROOT=FOLDER python -m util results                   real films
python -m util results --finetuned                                 nih-finetuned, patients held out
python -m util results --picture data/course.png
"""

import pandas as pd

from util.command import argument_parser, command
from util.course.lessons import all_lessons, path_picture, path_table
from util.data.cohort import SPLITS, load_cohort
from util.findings import FINDINGS
from util.metrics.auc_tables import auc_table, auc_text
from util.models.scores import cohort_scores
from util.models.weights import WEIGHTS


def results(cohort):
    """Markdown table: finding, positives, AUC with interval by patient, against mined labels and, where known, truth.

    Of simulated films it counts the test split; of real ones all, by the weights that have met none or hardly any of
    them (`util.models.weights.weights_for`).
    """
    splits = ("test",) if cohort.simulated else SPLITS
    test = pd.concat([cohort.split(split) for split in splits], ignore_index=True)
    scores = pd.concat([cohort_scores(cohort, split) for split in splits])
    tables = {"mined labels": auc_table(test, scores, by_patient=True, rounds=0)}
    if cohort.truth is not None:
        truth = test.drop(columns=list(FINDINGS)).merge(cohort.truth, on="Image", validate="one_to_one")
        tables["truth"] = auc_table(truth, scores, by_patient=True, rounds=0)
    kind = "simulated" if cohort.simulated else "real"
    heads = " | ".join(f"AUC, {name}" for name in tables)
    lines = [f"| {len(test)} {kind} films | positives (patients) | {heads} |", "|---|---|" + "---|" * len(tables)]
    for finding in FINDINGS:
        cells = " | ".join(auc_text(table.loc[finding]) for table in tables.values())
        lines.append(f"| {finding} | {_positives(tables['mined labels'].loc[finding])} | {cells} |")
    means = " | ".join(f"{table['auc'].mean():.3f} ({table['auc'].count()} findings)" for table in tables.values())
    return "\n".join([*lines, f"| **mean** | | {means} |"])


def finetuned_results():
    """Markdown table: AUC on real films before and after fine-tuning, of patients held out; see util.training.nih_finetuned."""
    table = pd.read_csv(WEIGHTS / "nih-finetuned_auc.csv")
    table = table[table["part"] == "all"].set_index(["model", "finding"])
    films = table["films"].iloc[0]
    lines = [
        f"| {films:,} real films | positives{' (patients)' * ('positive_patients' in table)} | AUC, phantom | AUC, nih-finetuned, patients held out |",
        "|---|---|---|---|",
    ]
    for finding in FINDINGS:
        before, after = (table.loc[(model, finding)] for model in ("phantom", "nih-finetuned"))
        lines.append(f"| {finding} | {_positives(before)} | {auc_text(before)} | {auc_text(after)} |")
    means = [f"{table.loc[model, 'auc'].mean():.3f} (14 findings)" for model in ("phantom", "nih-finetuned")]
    return "\n".join([*lines, f"| **mean** | | {means[0]} | {means[1]} |"])


def _positives(row):
    """Positive films, and in brackets how many patients they are of, where the table says so."""
    patients = f" ({row['positive_patients']:.0f})" if "positive_patients" in row else ""
    return f"{row['positives']:.0f}{patients}"


def picture(cohort, path):
    """Four test films with the boxes of their true findings, as a PNG file."""
    import matplotlib.pyplot as plt

    from util.plots import draw_boxes, draw_film, film_title

    fig, axes = plt.subplots(1, 4, figsize=(12, 3.3), dpi=80, layout="constrained")
    boxes = cohort.boxes[cohort.boxes["Image"].isin(cohort.split("test")["Image"])]
    for ax, finding in zip(axes, ("Cardiomegaly", "Effusion", "Mass", "Pneumothorax"), strict=True):
        image = boxes.loc[boxes["finding"] == finding, "Image"].iloc[0]
        draw_film(ax, cohort.read(image), film_title(cohort, finding))
        draw_boxes(ax, boxes[(boxes["Image"] == image) & (boxes["finding"] == finding)], label=False)
        ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
    fig.savefig(path)
    plt.close(fig)


@command()
def main(arguments=None):
    """Run the command; returns the exit code."""
    parser = argument_parser("results", __doc__)
    parser.add_argument("--picture", metavar="FILE", help="write the README's picture instead")
    parser.add_argument("--finetuned", action="store_true", help="AUCs of nih-finetuned on patients held out")
    parser.add_argument("--lessons", action="store_true", help="the table of the lessons")
    parser.add_argument("--path", metavar="FILE", help="draw the path through the lessons instead")
    options = parser.parse_args(arguments)
    if options.lessons or options.path:
        lessons = all_lessons()
        if options.path:
            path_picture(lessons, options.path)
        else:
            print(path_table(lessons))
        return 0
    if options.finetuned:
        print(finetuned_results())
        return 0
    cohort = load_cohort()
    if options.picture:
        picture(cohort, options.picture)
    else:
        print(results(cohort))
