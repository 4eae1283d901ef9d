"""Look at an archive of scores: how good, what leaks, what has changed, features for a probe.

    python -m util archive DIR report --cohort nih --root FOLDER     AUCs by patient, against the labels in FOLDER
    python -m util archive DIR audit --cohort nih --root FOLDER      copies, patients in two splits, marks
    python -m util archive DIR copies                                copies by the archive's hashes alone
    python -m util archive DIR drift --reference DIR2                views, scores and gray levels against DIR2
    python -m util archive DIR features --out embeddings.npz         for python -m util embeddings

One column is in memory at a time, 8 bytes a film. Where names are hashed, name the salt with --salt. Not for clinical use.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from util import settings
from util.archive.parts import counts_of, read_manifest
from util.command import argument_parser, command
from util.errors import CourseError

SHOWN = 20  # rows of a long table


@command()
def main(arguments: Sequence[str] | None = None) -> int | None:
    """Run the command; returns the exit code, 2 after a mistake in the arguments.

    See Also
    --------
    util.archive.report.auc_report : one of the looks

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> main(["archive", "copies"])  # doctest: +SKIP
    """
    parser = argument_parser("archive", __doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="an archive, as `python -m util score` wrote it")
    parser.add_argument("what", choices=list(LOOKS), help="what to look at")
    parser.add_argument("--cohort", default=settings.cohort_name() or "phantom", help="whose labels: phantom or nih")
    parser.add_argument("--root", default=settings.films_folder(), help="folder of the labels (or CXR_ROOT)")
    parser.add_argument("--salt", type=Path, help="file of the salt, where names are hashed")
    parser.add_argument("--reference", type=Path, help="the archive that drift is measured against")
    parser.add_argument("--out", type=Path, help="file of the features, or table (CSV) of the others")
    options = parser.parse_args(arguments)
    print(f"{options.folder} holds: {counts_of(read_manifest(options.folder))}.")
    LOOKS[options.what](options)
    print("Not for clinical use.")
    return 0


def _cohort(options):
    from util.data.cohort import load_cohort

    return load_cohort(options.cohort, options.root)


def _salt(options):
    if options.salt is None:
        return None
    try:
        return bytes.fromhex(options.salt.read_text(encoding="ascii"))
    except (OSError, ValueError):
        raise CourseError(f"{options.salt} is not a salt: name the file that `python -m util score` wrote.") from None


def _keep(options, table, index):
    if options.out:
        from util.files import write_text

        write_text(options.out, table.to_csv(index=index, lineterminator="\n"))


def _report(options):
    from util.archive.report import auc_report, known_to_model

    cohort = _cohort(options)
    known, sentence = known_to_model(options.folder, cohort)
    print(sentence)
    table = auc_report(options.folder, cohort.films, _salt(options), known)
    print(table.round(3).to_string())
    _keep(options, table, True)


def _audit(options):
    from util.archive.audit import audit_archive

    print(audit_archive(options.folder, _cohort(options), _salt(options)))


def _copies(options):
    from util.archive.audit import copies_in

    copies = copies_in(options.folder)
    print(
        f"{len(copies):,} pairs of films are one exposure; {copies.attrs['doubtful']:,} more need a closer look (audit)."
    )
    if len(copies):
        print(copies.drop(columns="correlation").head(SHOWN).to_string(index=False))
    _keep(options, copies, False)


def _drift(options):
    from util.archive.drift import ALARMS, drift_report

    if options.reference is None:
        raise CourseError("Drift is a change against something: name an older archive with --reference.")
    table = drift_report(options.reference, options.folder)
    alarms = int(table["alarm"].sum())
    print(
        f"{alarms} of {len(table)} numbers have changed. Without any change, one is named in at most {ALARMS:.0%} of looks."
    )
    if table.attrs["unknown"]:
        print(f"{table.attrs['unknown']:,} films have no patient and count as one each: intervals may be too narrow.")
    print(table.head(SHOWN).round(3).to_string(index=False))
    _keep(options, table, False)


def _features(options):
    from util.archive.features import write_embeddings

    films = write_embeddings(options.folder, options.out or Path("embeddings.npz"))
    print(f"Features of {films:,} films: {options.out or 'embeddings.npz'}.")


LOOKS = {"report": _report, "audit": _audit, "copies": _copies, "drift": _drift, "features": _features}
