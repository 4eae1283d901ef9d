"""Score films with trained weights: into a table, or into an archive for a folder of a thousand or a million films.

    python -m util score --cohort nih --root folder-of-the-films --model nih-finetuned --out scores.csv
    python -m util score --root films.zip --model nih-finetuned --out archive --engine local
    python -m util score --cohort nih --root folder --model own.h5 --size 320 --mean 123.7 --std 58.4

A table: a folder without a label table may hold PNG, JPEG and DICOM films. The table has the name of each film, 14
calibrated logits (logit_...) and 14 probabilities (prob_...). AUCs are computed only on films of patients that were not
in the training data. An archive (--out without a suffix, or --engine): --root is a folder with its subfolders, a list
of paths (.txt), a .zip, a .tar, or an address (s3://...); the parts are Parquet files, and a bad film is named and
costs only itself. Weights of your own without a passport need the preprocessing of their training films. The same
command goes on after an interruption, and after films were added. Not for clinical use.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from util.archive.block import BLOCK, COURSE, NETWORKS, Recipe
from util.archive.parts import arrow, counts_of
from util.archive.run import engine_of, score_archive
from util.command import argument_parser, command
from util.data.cohort import PHANTOM
from util.errors import CourseError
from util.models import score_folder
from util.models.weights import REAL

GIVEN = ("address", "maps", "features", "hash_names", "network", "seconds", "again")  # options of archives alone


@command("Stopped. The same command goes on where it was.")
def main(arguments: Sequence[str] | None = None) -> int | None:
    """Run the command; returns the exit code, 2 after a mistake in the arguments, 130 when it was stopped.

    See Also
    --------
    util.archive.run.score_archive : scores into an archive

    Examples
    --------
    Not run by the tests, since it needs TensorFlow.

    >>> main(["--root", "films.zip", "--out", "archive"])  # doctest: +SKIP
    """
    options = _parser().parse_args(arguments)
    if options.engine or not options.out.suffix or options.out.is_dir():
        return _archive(options)
    if given := [name for name in GIVEN if getattr(options, name) not in (None, False)]:
        raise CourseError(f"--{given[0].replace('_', '-')} is for archives: name a folder with --out, not a table.")
    return score_folder.run(options)


def _parser():
    parser = argument_parser("score", __doc__)
    score_folder.add_arguments(parser)
    group = parser.add_argument_group("for an archive")
    group.add_argument("--engine", choices=["local", "ray"], help="local: all cores of this machine; ray: Ray Data")
    group.add_argument("--address", help="of a cluster of Ray")
    group.add_argument("--maps", help="findings whose heat maps are kept, with commas")
    group.add_argument("--features", action="store_true", help="keep the 1,024 inputs of the last layer")
    group.add_argument(
        "--hash-names",
        nargs="?",
        const="",
        metavar="FILE",
        help="salted hashes for names; the salt is in FILE (OUT.salt)",
    )
    group.add_argument("--network", choices=NETWORKS, help="what computes the network (tensorflow)")
    group.add_argument("--seconds", type=float, help="what reading a film may take (60)")
    group.add_argument("--again", action="store_true", help="try the films again that were refused earlier")
    return parser


def _archive(options):
    engine = engine_of(options.engine or "local", **({"address": options.address} if options.engine == "ray" else {}))
    if options.address and options.engine != "ray":
        raise CourseError("--address is that of a cluster of Ray: add --engine ray.")
    if options.seconds is not None and not options.seconds > 0:
        raise CourseError(f"--seconds is {options.seconds:g}, not above 0.")
    preprocessing = score_folder.preprocessing_of(options)
    source = options.root or PHANTOM / "films"
    recipe = Recipe(
        options.model or (REAL if options.root else "phantom"),
        preprocessing,
        options.findings and tuple(options.findings.split(",")),
        options.network or "tensorflow",
        tuple(options.maps.split(",")) if options.maps else (),
        options.features,
        gate=COURSE,
        seconds=options.seconds or 60.0,
    )
    recipe.check()
    arrow()
    pretrained = recipe.load(network=options.engine != "ray")  # the workers of Ray load their own
    recipe = replace(recipe, salt=_salt(options))
    print(pretrained.describe(), flush=True)
    done = score_archive(source, options.out, recipe, engine, pretrained, BLOCK, options.again)
    print(
        f"\n{done.scored:,} films scored and {done.refused:,} refused in this run; {done.earlier:,} were there before."
    )
    print(f"{options.out} holds: {counts_of(done.manifest)}.")
    print(f"AUCs, copies, drift and features of it: python -m util archive {options.out} --help. Not for clinical use.")
    return 0


def _salt(options):
    """The salt of hashed names, made once; the file can be read by its owner alone. None where names are as given."""
    if options.hash_names is None:
        return None
    path = Path(options.hash_names or f"{options.out.absolute()}.salt").expanduser()
    if not path.exists() and (options.out / "manifest.json").exists():
        raise CourseError(f"There is no salt in {path}, and the archive goes on only with its own: name its file.")
    try:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            salt = path.read_text(encoding="ascii").strip()
        else:
            salt = secrets.token_hex(32)
            with open(handle, "w", encoding="ascii") as file:
                file.write(salt + "\n")
        if len(bytes.fromhex(salt)) < 16:
            raise ValueError
        return bytes.fromhex(salt)
    except ValueError:
        raise CourseError(
            f"{path} is not a salt: a salt has at least 32 hexadecimal digits. Name a different file."
        ) from None
    except OSError as error:
        raise CourseError(
            f"The salt {path} cannot be read or written ({error.strerror}): name a different file."
        ) from None
