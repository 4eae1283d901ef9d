"""Fetch real films, NIH's tables and published predictions, from pinned commits, whole and verified or not at all.

    python -m util.fetch nih                        621 films, labels, boxes and published predictions
    python -m util.fetch nih --films boxed          the 880 films with boxes
    python -m util.fetch nih --films 50 --to DIR    the first 50, into a folder of your own

The same command resumes after an interruption. CXR_MIRROR names another place to take the files from, a folder or the
address of a server, in which each file lies under the path of its own address (jrzech/reproduce-chexnet/...).
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from util.errors import CourseError
from util.progress import progress

HOME = Path(__file__).resolve().parents[1]
TIMEOUT = (10, 30)  # seconds to connect, and to wait for the next bytes
PAUSE = 2  # seconds before the one further try
TOGETHER = 4  # films asked for at the same time
TYPICAL = 420_000  # bytes of a film whose size nobody tells
GIVE_UP = 5  # films in a row that fail: then it is the network, not the films
CHEXNET = "jrzech/reproduce-chexnet", "a011a9ab108cb03a533aeab52dc934b02a823ac8"
XRV = "mlmed/torchxrayvision", "f4087a0b0d0cdc6a5877fb5456965b6d29adb1e5"
RADSIM = "samadon1/radSIM", "e7ae5971e561e35a247826845876bc0258e0f7f9"
FOLDERS = {"starter": (*CHEXNET, "starter_images"), "boxed": (*RADSIM, "public/cases/nih-learning/images")}
KNOWN = HOME / "data" / "real_films.csv"  # SHA-256 of those films that somebody has had in hand
TERMS = """The films, labels and boxes are part of ChestX-ray14, provided by the NIH Clinical Center
(https://nihcc.app.box.com/v/ChestXray-NIHCC). NIH puts no restriction on their use; whoever uses them is asked to
acknowledge the NIH Clinical Center, to give that link, and to cite X. Wang et al., ChestX-ray8, IEEE CVPR 2017.
The whole set, 112,120 films in 42 GB, is to be had by hand at that link: unpack images_001.tar.gz to images_012.tar.gz
side by side next to Data_Entry_2017_v2020.csv, and load_cohort("nih", that folder) reads them where they are."""


@dataclass(frozen=True)
class Remote:
    """A file at a fixed address.

    Attributes
    ----------
    url : str
    name : str, where it goes within a folder
    bytes : int, or None where nobody knows
    sha256, git : str, SHA-256 and git's SHA-1 of the file, either or both or None
    """

    url: str
    name: str
    bytes: int | None = None
    sha256: str | None = None
    git: str | None = None

    def problem(self, path):
        """What is wrong with a copy of the file in `path`, in words, or None."""
        data = Path(path).read_bytes()
        if data.lstrip()[:1] == b"<" or data.startswith(b"version https://git-lfs"):
            return "it is a web page or a link, perhaps a page to log in"
        if self.bytes is not None and len(data) != self.bytes:
            return f"it has {len(data):,} bytes in place of {self.bytes:,}"
        if self.sha256 is not None and hashlib.sha256(data).hexdigest() != self.sha256:
            return "its SHA-256 is another"
        if self.git is not None and git_sha1(data) != self.git:
            return "its content is not that of the pinned commit"
        unknown = self.sha256 is None and self.git is None
        return _picture_problem(path) if unknown and self.name.endswith(".png") else None


def _picture_problem(path):
    """A film of which no hash is known must at least be a whole picture: PNG has a checksum in every part."""
    from util.images import read_film

    try:
        read_film(path)
    except CourseError as error:
        return f"no hash of it is known, and it is no whole picture: {error}"
    return None


def git_sha1(data):
    """The name that git gives to these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def raw(repository, commit, path):
    """Address of a file of a GitHub repository at one commit."""
    return f"https://raw.githubusercontent.com/{repository}/{commit}/{path}"


PREDICTIONS = Remote(
    raw(*CHEXNET, "pretrained/preds.csv"),
    "chexnet_predictions.csv",
    4_188_340,
    "303332d593f56dc3c8191f2a903f09043c93f7205179d03189f3eaaf6247ad40",
)
TABLES = (
    Remote(
        raw(*XRV, "torchxrayvision/data/Data_Entry_2017_v2020.csv.gz"),
        "Data_Entry_2017_v2020.csv.gz",
        sha256="9d4de640ee4f760215d8be98376b20387ca52f9c6b4d1b727cb588fb82f40b80",
    ),
    Remote(
        raw(*XRV, "torchxrayvision/data/BBox_List_2017.csv.gz"),
        "BBox_List_2017.csv.gz",
        sha256="cf9dc6029f65daa8b389415b0546af0eeeb91fbac7d63ec49d7f8de2fd8f40cd",
    ),
    PREDICTIONS,
)


# --- One file --------------------------------------------------------------------------------------


def download(remote, folder):
    """Path of a file in the folder: there already, or fetched; verified in either case before it is used.

    Raises
    ------
    CourseError : no network, an answer that is not the file, no place to write. Nothing half is left.
    """
    target = Path(folder) / remote.name
    if target.is_file() and remote.problem(target) is None:
        return target
    target.unlink(missing_ok=True)
    for further in (True, False):
        try:
            return _retrieve(remote, target)
        except Passing as error:
            if not further:
                by_hand = f"try again, or get {remote.url} by hand and put it at {target}"
                raise CourseError(f"{source(remote.url)} {error}: {by_hand}.") from None
            time.sleep(PAUSE)


class Passing(Exception):
    """A failure that may be over in a moment."""


def source(url):
    """Where a file is taken from: its own address, or its place in the mirror CXR_MIRROR."""
    mirror = os.environ.get("CXR_MIRROR")
    if not mirror:
        return url
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query and "://" in mirror else ""
    return f"{mirror.rstrip('/')}{parts.path}{query}"


def _retrieve(remote, target):
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    url = source(remote.url)
    known = f"sha256:{remote.sha256}" if remote.sha256 else None

    def bring(_, output, __):
        if "://" in url:
            pooch.HTTPDownloader(progressbar=_Limit(remote.bytes), timeout=TIMEOUT)(url, output, None)
        else:
            shutil.copyfile(Path(url).expanduser(), output)
        if problem := remote.problem(output):  # before pooch compares the hash: it can say more
            raise CourseError(f"{url} is not the file wanted ({problem}): nothing of it was kept.")

    try:
        return Path(pooch.retrieve(remote.url, known, target.name, target.parent, downloader=bring))
    except requests.HTTPError as error:
        status = error.response.status_code
        if status >= 500 or status == 429:
            raise Passing(f"answers with an error ({status})") from None
        raise CourseError(f"{url} is not there ({status}): get {target.name} by hand and put it at {target}.") from None
    except requests.Timeout:
        raise Passing("has stopped answering") from None
    except requests.RequestException:
        raise Passing("cannot be reached, or broke off") from None
    except FileNotFoundError:
        raise CourseError(f"{url} is not there: complete the mirror, or unset CXR_MIRROR.") from None
    except OSError as error:
        raise CourseError(f"{target} cannot be written ({error.strerror}): choose another folder with --to.") from None


class _Limit:
    """What pooch takes for a progress bar: it stops an answer that is longer than the file can be."""

    def __init__(self, expected):
        self.left, self.total = (expected or 100_000_000) + 100_000, 0

    def update(self, count):
        self.left -= min(count, 1024)
        if self.left < 0:
            raise CourseError("The answer is longer than the file: it was broken off, and nothing was kept.")

    def reset(self):
        self.left = float("inf")

    def close(self):
        pass


# --- Real films ------------------------------------------------------------------------------------


def list_films(films, folder):
    """The films to fetch: 'starter', 'boxed', or the first N of both.

    GitHub lists the folders at their pinned commits, with git's own hash of every film.

    Returns
    -------
    list of Remote
    """
    import pandas as pd

    known = pd.read_csv(KNOWN, index_col="Image")["sha256"].to_dict()
    found = {}
    for which in FOLDERS if films.isdigit() else (films,):
        for name, size, git in _entries(*FOLDERS[which], folder):
            url = raw(*FOLDERS[which][:2], f"{FOLDERS[which][2]}/{name}")
            found.setdefault(name, Remote(url, f"images/{name}", size, known.get(name), git))
    return [found[name] for name in found][: int(films) if films.isdigit() else None]


def _entries(repository, commit, path, folder):
    """(name, bytes, git's hash) of each film of one folder; a mirror folder without that list is simply looked into."""
    address = f"https://api.github.com/repos/{repository}/contents/{path}?ref={commit}"
    listing = Remote(address, f".{Path(path).name}-{commit[:8]}.json")
    place = source(raw(repository, commit, path))
    if "://" not in place and not Path(source(address)).is_file():
        names = sorted(file.name for file in Path(place).expanduser().glob("*.png"))
        if not names:
            raise CourseError(f"There are no films in {place}: complete the mirror, or unset CXR_MIRROR.")
        return [(name, None, None) for name in names]
    file = download(listing, folder)
    try:
        films = [(e["name"], int(e["size"]), e["sha"]) for e in json.loads(file.read_text(encoding="utf-8"))]
        films = sorted(film for film in films if film[0].endswith(".png"))
        if not films or not all(re.fullmatch(r"[\w.-]+", name) for name, *_ in films):
            raise ValueError
    except (ValueError, TypeError, KeyError):
        file.unlink()
        raise CourseError(f"{source(address)} is not the list of films: try again later.") from None
    return films


def fetch_nih(folder, films="starter"):
    """Fetch tables, predictions and films into a folder, which ``load_cohort("nih", folder)`` then reads.

    Parameters
    ----------
    folder : str or Path, made where it is absent
    films : 'starter' (621), 'boxed' (880) or a number as str, the first so many

    Returns
    -------
    dict, names of films that did not come -> why

    Raises
    ------
    CourseError : wrong arguments, no room, no network, a table that is not the pinned one.
    """
    if films not in FOLDERS and not (films.isdigit() and int(films)):
        raise CourseError(f"--films takes {', '.join(FOLDERS)} or a number from 1 up, not {films!r}.")
    folder = Path(folder).expanduser()
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CourseError(f"{folder} cannot be written ({error.strerror}): choose another folder with --to.") from None
    print(TERMS, end="\n\n", flush=True)
    wanted = list_films(films, folder)
    absent = [film for film in wanted if not (folder / film.name).is_file()]
    size = sum(film.bytes or TYPICAL for film in absent)
    print(f"{len(wanted)} films, {len(absent)} of them to come (about {size / 1e6:,.0f} MB), to {folder}.", flush=True)
    if size > shutil.disk_usage(folder).free:
        raise CourseError(f"There is no room for {size / 1e6:,.0f} MB in {folder}: choose another folder with --to.")
    for table in progress(TABLES, "fetching tables"):
        download(table, folder)
    return _download_all(wanted, folder)


def _download_all(wanted, folder):
    """Films side by side; one that fails does not keep the others back, a network that fails ends it."""
    failed, in_a_row = {}, 0

    def bring(film):
        if in_a_row >= GIVE_UP:
            return "not asked for any more"
        try:
            download(film, folder)
        except CourseError as error:
            return str(error)

    pool = ThreadPoolExecutor(TOGETHER)
    try:
        for film, reason in zip(wanted, progress(pool.map(bring, wanted), "fetching films", len(wanted)), strict=True):
            in_a_row = in_a_row + 1 if reason else 0
            if reason:
                failed[Path(film.name).name] = reason
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl+C, those not begun are not begun
    return failed


def main(arguments=None):
    """Run the command; returns the exit code: 1 where films are missing, 2 where nothing could be done."""
    parser = argparse.ArgumentParser(prog="python -m util.fetch", description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["nih"])
    parser.add_argument("--films", default="starter", help="starter (621, default), boxed (880), or a number")
    parser.add_argument("--to", default=os.environ.get("CXR_ROOT") or HOME / "data" / "nih", type=Path, help="folder")
    options = parser.parse_args(arguments)
    try:
        failed = fetch_nih(options.to, options.films)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where it was.", file=sys.stderr)
        return 130
    if failed:
        name, reason = next(iter(failed.items()))
        print(
            f"{len(failed)} films did not come, such as {name}: {reason}\nThe same command tries them again.",
            file=sys.stderr,
        )
        return 1
    print(f"Verified. Now: make course COHORT=nih ROOT={options.to}    Not for clinical use.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
