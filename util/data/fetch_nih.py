"""Fetch real films, NIH's tables and published predictions, from pinned commits, whole and verified or not at all.

    python -m util nih                        900 films, labels, boxes and published predictions (380 MB)
    python -m util nih --films boxed          the 880 films with boxes
    python -m util nih --films 50 --to DIR    50 of all kinds, into a folder of your own

What each choice contains: 'starter' has patients with several films (127 of 722), boxes (on 291 films) and films
without a finding (100), so all lessons have something to work on. 'boxed' has a box on each of its 880 films, and no
film without a finding. 'all' has both folders, 1,489 films. A number takes whole patients, of all kinds in turn.

Films and tables of your own in that folder stay as they are. If one differs from NIH's, it is named at the end, and
--replace NAME puts NIH's in its place. The same command resumes after an interruption.
"""

import json
import os
import re
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from util import settings
from util.command import argument_parser, command
from util.data import nih
from util.data.download import TYPICAL, Remote, download, raw, source
from util.errors import CourseError
from util.files import alone, sweep
from util.notes import note
from util.progress import progress

HOME = settings.course_home()
TOGETHER = 4  # films asked for at the same time
GIVE_UP = 5  # failures in a row that point to the network, not to the films
CHEXNET = "jrzech/reproduce-chexnet", "a011a9ab108cb03a533aeab52dc934b02a823ac8"
XRV = "mlmed/torchxrayvision", "f4087a0b0d0cdc6a5877fb5456965b6d29adb1e5"
RADSIM = "samadon1/radSIM", "e7ae5971e561e35a247826845876bc0258e0f7f9"
# 621 films of as many patients, 100 of them without a finding; and the 880 films with boxes, of 726 patients.
FOLDERS = {"starter": (*CHEXNET, "starter_images"), "boxed": (*RADSIM, "public/cases/nih-learning/images")}
CHOICES = ("starter", "boxed", "all")
KNOWN = HOME / "data" / "real_films.csv"  # SHA-256 of the films for which it has been recorded
LARGEST = 10_000_000  # bytes of a film
FILM = re.compile(r"\d{8}_\d{3}\.png")  # patient, follow-up
SHOWN = 10  # names of files that are printed
TERMS = """The films, labels and boxes are part of ChestX-ray14, provided by the NIH Clinical Center
(https://nihcc.app.box.com/v/ChestXray-NIHCC). NIH puts no restriction on their use; whoever uses them is asked to
acknowledge the NIH Clinical Center, to give that link, and to cite X. Wang et al., ChestX-ray8, IEEE CVPR 2017.
The whole set, 112,120 films in 42 GB, is to be had by hand at that link: unpack images_001.tar.gz to images_012.tar.gz
side by side next to Data_Entry_2017_v2020.csv, and load_cohort("nih", that folder) reads them where they are."""
PREDICTIONS = Remote(
    raw(*CHEXNET, "pretrained/preds.csv"),
    "chexnet_predictions.csv",
    4_188_340,
    "303332d593f56dc3c8191f2a903f09043c93f7205179d03189f3eaaf6247ad40",
)
LABELS = Remote(
    raw(*XRV, "torchxrayvision/data/Data_Entry_2017_v2020.csv.gz"),
    "Data_Entry_2017_v2020.csv.gz",
    sha256="9d4de640ee4f760215d8be98376b20387ca52f9c6b4d1b727cb588fb82f40b80",
)
BOXES = Remote(
    raw(*XRV, "torchxrayvision/data/BBox_List_2017.csv.gz"),
    "BBox_List_2017.csv.gz",
    sha256="cf9dc6029f65daa8b389415b0546af0eeeb91fbac7d63ec49d7f8de2fd8f40cd",
)
TABLES = (LABELS, BOXES, PREDICTIONS)
OWN_TABLES = {LABELS.name: nih.LABEL_FILES, BOXES.name: nih.BOX_FILES}  # what a folder may hold instead


# --- Which films -----------------------------------------------------------------------------------


class Listing(Remote):
    """GitHub's list of a folder at a pinned commit, in JSON, with git's hash of every file; the commit vouches for it.

    See Also
    --------
    list_films : reads two of them

    Examples
    --------
    >>> Listing("https://example.org/list.json", "list.json").problem("no-such-file")
    'it is no file'
    """

    largest = 5_000_000  # bytes

    def problem(self, path: Path | str) -> str | None:
        """What is wrong with a copy of the list, in words, or None. A wrong copy is neither kept nor used."""
        problem = super().problem(path)
        if problem is None:
            try:
                self.films(path)
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                problem = "it is not the list of films"
        return problem

    def films(self, path: Path | str) -> list[tuple[str, int, str]]:
        """[(name, bytes, git's hash), ...] in the order of the names."""
        entries = json.loads(Path(path).read_text(encoding="utf-8"))
        films = sorted((e["name"], e["size"], e["sha"]) for e in entries if e["name"].endswith(".png"))
        for name, size, git in films:
            if type(size) is not int or not 0 < size <= LARGEST or not re.fullmatch("[0-9a-f]{40}", git):
                raise ValueError(name)
            if not FILM.fullmatch(name):
                raise ValueError(name)
        if not films or len({name for name, *_ in films}) < len(films):
            raise ValueError("no film, or one twice")
        return films


def _listing(repository, commit, path):
    address = f"https://api.github.com/repos/{repository}/contents/{path}?ref={commit}"
    return Listing(address, f".{Path(path).name}-{commit[:8]}.json")


def list_films(films: str, folder: Path | str) -> list[Remote]:
    """The films to fetch: 'starter', 'boxed', 'all', or a number of them.

    GitHub lists the folders at their pinned commits, with git's hash of every film.

    Returns
    -------
    list of Remote

    See Also
    --------
    choose : the choice among their names

    Examples
    --------
    Not run by the tests, since it needs a network.

    >>> len(list_films("starter", "data/nih"))  # doctest: +SKIP
    900
    """
    import pandas as pd

    known = pd.read_csv(KNOWN, index_col="Image")["sha256"].to_dict()
    found, names = {}, {}
    for which in ("boxed",) if films == "boxed" else FOLDERS:
        entries = _entries(*FOLDERS[which], folder)
        names[which] = [name for name, *_ in entries]
        for name, size, git in entries:
            url = raw(*FOLDERS[which][:2], f"{FOLDERS[which][2]}/{name}")
            found.setdefault(name, Remote(url, f"images/{name}", size, known.get(name), git))
    return [found[name] for name in choose(films, names)]


def _entries(repository, commit, path, folder):
    """(name, bytes, git's hash) of each film of one folder; if a mirror has no such list, the names of its films."""
    listing = _listing(repository, commit, path)
    place = source(raw(repository, commit, path))
    if "://" not in place and not Path(source(listing.url)).expanduser().is_file():
        names = sorted(file.name for file in Path(place).expanduser().glob("*.png"))
        names = [name for name in names if FILM.fullmatch(name)]
        if not names:
            raise CourseError(f"There are no films in {place}: complete the mirror, or unset CXR_MIRROR.")
        return [(name, None, None) for name in names]
    return listing.films(download(listing, folder, replace=True))  # the list is a file of this command's own


def choose(films: str, names: Mapping[str, Sequence[str]]) -> list[str]:
    """Names of the films to fetch, chosen from all that there are.

    Parameters
    ----------
    films : 'starter', 'boxed', 'all', or a number as str
    names : dict, list of the names in each folder; a name begins with its patient

    Returns
    -------
    list of str. 'starter' means the whole folder of that name, where every patient has one film, and the films in
    'boxed' of patients who have several in both folders together. A number means whole patients until that many films
    are found: by turns one with several films and two with a single film in 'starter', then those with a single film
    in 'boxed'.

    See Also
    --------
    list_films : the same with addresses and hashes

    Examples
    --------
    >>> names = {"starter": ["00000001_000.png"], "boxed": ["00000002_000.png", "00000002_001.png"]}
    >>> choose("1", names), choose("2", names)
    (['00000001_000.png'], ['00000002_000.png', '00000002_001.png'])
    """
    everything = sorted({name for some in names.values() for name in some})
    if films in ("boxed", "all"):
        return sorted(names["boxed"]) if films == "boxed" else everything
    count = Counter(map(_patient, everything))
    several = [patient for patient in count if count[patient] > 1]
    if films == "starter":
        return sorted({*names["starter"], *(name for name in everything if _patient(name) in several)})
    single = {which: [_patient(n) for n in some if count[_patient(n)] == 1] for which, some in names.items()}
    turns = zip_longest(several, single["starter"][::2], single["starter"][1::2])
    order = [patient for turn in turns for patient in turn if patient] + single["boxed"]
    chosen = []
    for patient in dict.fromkeys(order):  # some films are in both folders
        if len(chosen) + count[patient] <= int(films):
            chosen += [name for name in everything if _patient(name) == patient]
    return chosen


def _patient(name):
    return name.split("_")[0]


# --- Fetching --------------------------------------------------------------------------------------


class Fetched(NamedTuple):
    """What a run left undone: names of films that failed, and of the user's files that differ, each with a reason.

    See Also
    --------
    fetch_nih : returns it

    Examples
    --------
    >>> Fetched(failed={}, differing={}).failed
    {}
    """

    failed: dict
    differing: dict


def fetch_nih(folder: Path | str, films: str = "starter", replacing: Iterable[str] = ()) -> Fetched:
    """Fetch tables, predictions and films into a folder, which ``load_cohort("nih", folder)`` then reads.

    Parameters
    ----------
    folder : str or Path, made if it is absent
    films : 'starter' (900), 'boxed' (880), 'all' (1,489), or a number as str for that many of all kinds
    replacing : names of files in the folder that differ from NIH's and are to be replaced, or 'all'

    Returns
    -------
    Fetched

    Raises
    ------
    CourseError : wrong arguments, no space, no network, a table that is not the pinned one, or a command that is
        already at work in this folder.

    See Also
    --------
    util.data.cohort.load_cohort : reads the folder
    util.data.published.fetch_predictions : the published predictions alone

    Examples
    --------
    >>> fetch_nih("data/nih", films="none")
    Traceback (most recent call last):
    util.errors.CourseError: --films takes starter, boxed, all or a number from 1 up, not 'none'.
    """
    if films not in CHOICES and not re.fullmatch("[1-9][0-9]{0,5}", films):
        raise CourseError(f"--films takes {', '.join(CHOICES)} or a number from 1 up, not {films!r}.")
    folder = Path(folder).expanduser()
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CourseError(f"{folder} cannot be written ({error.strerror}): choose another folder with --to.") from None
    note(f"{TERMS}\n")
    with alone(folder):
        sweep(folder, "|".join(re.escape(file.name) for file in (*TABLES, *(_listing(*f) for f in FOLDERS.values()))))
        sweep(folder / "images", FILM.pattern)
        return _fetch(folder, list_films(films, folder), set(replacing))


def _fetch(folder, wanted, replacing):
    names = {Path(remote.name).name for remote in (*TABLES, *wanted)}
    if unknown := sorted(replacing - names - {"all"}):
        raise CourseError(f"--replace {unknown[0]}: no file of that name is to come. Give names as they were told.")
    tables, differing = _still_to_come(_tables_wanted(folder), folder, replacing)
    to_come, others = _still_to_come(progress(wanted, "checking films"), folder, replacing)
    size = sum(film.bytes or TYPICAL for film in to_come)
    note(f"{len(wanted)} films, {len(to_come)} of them to come (about {size / 1e6:,.0f} MB), to {folder}.")
    if size > shutil.disk_usage(folder).free:
        raise CourseError(f"There is no room for {size / 1e6:,.0f} MB in {folder}: choose another folder with --to.")
    for table in progress(tables, "fetching tables"):
        download(table, folder, replace=True)
    return Fetched(_download_all(to_come, folder), differing | others)


def _tables_wanted(folder):
    """The tables to fetch, without those of which the user has a version that the course reads first."""
    for table in TABLES:
        own = nih.find_file(folder, OWN_TABLES.get(table.name, ()))
        if own is None or own.name == table.name:
            yield table
        else:
            note(f"{own.name} is there and is what the course reads, so {table.name} is not fetched.")


def _still_to_come(remotes, folder, replacing):
    """Remotes that are absent or to be replaced; and a dict of files that differ, name -> reason.

    A film of the user's may be anywhere that the course looks for films: no second copy is put next to it.
    """
    films, to_come, differing = nih.find_films(folder), [], {}
    for remote in remotes:
        name = Path(remote.name).name
        if name in films:
            remote = replace(remote, name=str(films[name].relative_to(folder)))
        target = folder / remote.name
        problem = remote.problem(target) if os.path.lexists(target) else "it is absent"
        if problem and os.path.lexists(target) and not replacing & {name, "all"}:
            differing[name] = f"{target}: {problem}"
        elif problem:
            to_come.append(remote)
    return to_come, differing


def _download_all(wanted, folder):
    """Download films in parallel; one failure does not stop the others, but a failing network ends it all."""
    failed, in_a_row, stop = {}, 0, threading.Event()

    def bring(film):
        if in_a_row >= GIVE_UP:
            return "not asked for any more"
        try:
            download(film, folder, replace=True, stop=stop)
        except CourseError as error:
            return str(error)

    pool = ThreadPoolExecutor(TOGETHER)
    try:
        for film, reason in zip(wanted, progress(pool.map(bring, wanted), "fetching films", len(wanted)), strict=True):
            in_a_row = in_a_row + 1 if reason else 0
            if reason:
                failed[Path(film.name).name] = reason
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)  # after Ctrl+C, no further download begins
    return failed


@command("Stopped. The same command goes on where it was.")
def main(arguments: Sequence[str] | None = None) -> int | None:
    """Run the command; returns the exit code: 1 where films are missing or differ, 2 where nothing could be done.

    See Also
    --------
    fetch_nih : does the work

    Examples
    --------
    Not run by the tests, since it needs a network.

    >>> main(["--films", "50", "--to", "data/nih"])  # doctest: +SKIP
    """
    parser = argument_parser("nih", __doc__)
    parser.add_argument(
        "--films", default="starter", help="starter (900 films, the default), boxed (880), all (1,489), or a number"
    )
    parser.add_argument("--to", default=settings.films_folder() or HOME / "data" / "nih", type=Path, help="folder")
    parser.add_argument(
        "--replace", nargs="+", default=(), metavar="NAME", help="files of yours that NIH's are to replace, or all"
    )
    options = parser.parse_args(arguments)
    left = fetch_nih(options.to, options.films, options.replace)
    if left.failed:
        name, reason = next(iter(left.failed.items()))
        print(
            f"{len(left.failed)} of the films did not come, such as {name}: {reason}\nThe same command tries again.",
            file=sys.stderr,
        )
    if left.differing:
        print(_differing(left.differing), file=sys.stderr)
    if left.failed or left.differing:
        return 1
    print(f"Verified. Now: make course COHORT=nih ROOT={options.to}    Not for clinical use.")


def _differing(files):
    """Which of the user's files differ from NIH's, where they are, and what can be done."""
    shown = list(files.values())[:SHOWN]
    more = f"\nand {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    names = "all" if more else " ".join(files)
    told = "\n".join(shown)
    return (
        f"Left as they are, since they are others than NIH's and not written by this command: {len(files)}\n"
        f"{told}{more}\n"
        f"The course reads yours. NIH's take their places with --replace {names}   (make nih REPLACE='{names}')"
    )
