"""The commands of the course: ``python -m util`` lists them, ``python -m util NAME --help`` explains one."""

import importlib
import sys

COMMANDS = {  # name: module with a function `main`, and what it does
    "course": ("util.course.run", "run the notebooks and leave them as pages"),
    "learn": ("util.course.editions", "a learner's copy of the notebooks, with open exercises"),
    "instructor": ("util.course.instructor", "nbgrader's source tree and slides"),
    "inventory": ("util.checks.inventory", "twenty questions before and after the course, and what a class knows"),
    "site": ("util.course.website.build", "the course as a site"),
    "lite": ("util.course.lite", "a trial: lessons that run in a browser, without an install"),
    "pdf": ("util.course.paper", "the course as one page to print, and its PDF"),
    "badges": ("util.course.badges", "buttons for Colab and Binder, from the course's address"),
    "binder": ("util.course.binder", "what Binder installs, from the lock"),
    "nih": ("util.data.fetch_nih", "fetch real films of ChestX-ray14 with NIH's tables"),
    "published": ("util.data.published", "fetch or check published predictions on real films"),
    "public-weights": ("util.models.public", "list the public weights that can be loaded by name"),
    "score": ("util.archive.score", "score a folder of films, or a million of them"),
    "archive": ("util.archive.look", "look at an archive of scores: AUCs, leaks, drift, features"),
    "takes": ("util.models.takes", "score several takes of each simulated test film"),
    "embeddings": ("util.models.embeddings", "judge a large model of the field by its embeddings"),
    "leak-cost": ("util.leaks.cost", "measure what each planted leak is worth"),
    "phantom": ("util.phantom.draw", "draw simulated films"),
    "clinic": ("util.clinic.pools", "draw and score the pools of a year in the clinic"),
    "reading-room": ("util.reading.desk", "films to be read by a class, and what its answers say"),
    "twins": ("util.explain.twin_study", "twins of simulated people, read by the networks"),
    "hospital": ("util.hospital.draw", "a hospital of your own, with a vendor's claims to audit"),
    "grade": ("util.hospital.grade", "mark the reports of a class on their hospitals"),
    "hospitals": ("util.hospital.difficulty", "audit many hospitals: are they equally hard?"),
    "population": ("util.phantom.population", "compare a large simulated draw with ChestX-ray14"),
    "train": ("util.training.simulated", "train the embedded network on simulated films (PyTorch)"),
    "nih-finetuned": ("util.training.nih_finetuned", "fine-tune it on real films (PyTorch)"),
    "learning-curve": ("util.training.learning_curve", "measure what a real film is worth (PyTorch)"),
    "few-labels": ("util.training.few_labels", "run the field's few-label test (PyTorch)"),
    "coverage": ("util.course.coverage", "simulate how often intervals contain the truth"),
    "results": ("util.course.readme_tables", "the tables and the picture of the README"),
}


def main(arguments=None):
    """Run a command by its name; returns its exit code, 2 where there is no such command."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print("python -m util COMMAND, where COMMAND is")
        for name, (_, what) in COMMANDS.items():
            print(f"  {name:16}{what}")
        print("python -m util COMMAND --help explains one. Not for clinical use.")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"There is no command {name!r}: `python -m util` lists them.", file=sys.stderr)
        return 2
    return importlib.import_module(COMMANDS[name][0]).main(rest)


if __name__ == "__main__":
    sys.exit(main())
