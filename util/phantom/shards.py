"""Films for training: many, uncompressed, in chunks that survive an interruption."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np

from util.errors import CourseError
from util.files import alone, sweep, whole
from util.findings import FINDINGS
from util.phantom import films
from util.phantom.embedded import GENERATOR_VERSION, check_film_arguments, root_seed, write_json
from util.phantom.studies import MINED, sample_studies
from util.phantom.subtle import subtle_studies

PLACE = 8  # pixels of the film behind a place, as behind one of DenseNet-121's maps after its second block
CHUNK = 500  # films per file
TABLES = ("table.csv", "truth.npy", "mined.npy")


def render_shards(out, n, seed, size, workers=None, enriched=True, confounding=1.0, subtle=False):
    """Draw ``n`` films for training into the folder ``out``; call again with the same arguments to resume.

    Writes films-0000.npy, films-0001.npy, ... (uint8, (500, size, size), the last one shorter), with each
    places-0000.npy, ... (bool (500, size/8, size/8, 14): which places of the film, eight pixels wide, a finding
    touches), truth.npy (float32 (n, 14), severities, 0 absent), mined.npy (uint8 (n, 14)),
    table.csv and recipe.json. With ``subtle`` many findings hardly show and some do not (``util.phantom.subtle``); they
    stay in truth.npy, but no place has what is not drawn. No patient is one of an embedded cohort
    (``cohort.root_seed``). Raises CourseError when ``out`` holds another recipe, another command is drawing there, or its
    disk is too full.
    """
    check_film_arguments(size)
    if n < 1:
        raise CourseError(f"n is {n}; ask for at least one film")
    out = Path(out)
    recipe = {"generator_version": GENERATOR_VERSION, "n": n, "seed": seed, "size": size, "enriched": enriched,
              "confounding": confounding, "subtle": subtle}  # fmt: skip
    _claim(out, recipe)
    if not _missing(out, n):
        return
    with alone(out):
        sweep(out)
        _draw_missing(out, recipe, _missing(out, n), workers)


def _missing(out, n):
    """The first films of the chunks that are to be drawn; n, where there is none, where the tables alone are missing."""
    chunks = [start for start in range(0, n, CHUNK) if not all(path.exists() for path in _chunk_paths(out, start))]
    tables = [n for name in TABLES if not (out / name).exists()]
    return chunks or tables


def _draw_missing(out, recipe, missing, workers):
    """Write the tables, and after them the chunks that begin with the films `missing`."""
    n, size, root = recipe["n"], recipe["size"], root_seed(recipe["seed"], "shards")
    if recipe["subtle"]:
        table, drawn = subtle_studies(n, root, recipe["enriched"], recipe["confounding"])
    else:
        table = drawn = sample_studies(n, root, recipe["enriched"], recipe["confounding"])
    with whole(out / "table.csv") as part:
        table.to_csv(part, index=False)
    _save(out / "truth.npy", table[list(FINDINGS)].to_numpy(np.float32))
    _save(out / "mined.npy", table[MINED].to_numpy(np.uint8))
    todo = drawn[np.isin(np.arange(n) // CHUNK * CHUNK, missing)]
    if todo.empty:
        return
    _check_space(out, len(todo), size)
    films_drawn = films.for_each_row(partial(_pixels_and_places, seed=root, size=size), todo, "Drawing films", workers)
    for start in missing:
        (path, places_path), shape = _chunk_paths(out, start), (min(CHUNK, n - start), size, size)
        with whole(path) as part:
            chunk = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
            places = np.zeros((len(chunk), size // PLACE, size // PLACE, len(FINDINGS)), bool)
            for i in range(len(chunk)):
                chunk[i], places[i] = next(films_drawn)
            chunk.flush()
            del chunk
            _save(places_path, places)
    next(films_drawn, None)  # closes the progress bar and the processes


def _save(path, array):
    """An array as .npy, whole or not at all."""
    with whole(path) as part, part.open("wb") as stream:
        np.save(stream, array)


def open_shards(out):
    """What ``render_shards`` wrote: list of uint8 memory maps (chunk, size, size), truth, mined, places (n, ...)."""
    out = Path(out)
    if not (out / "recipe.json").is_file():
        raise CourseError(f"{out} holds no shards; write them with render_shards or python -m util phantom --shards")
    truth, mined = _load(out / "truth.npy"), _load(out / "mined.npy")
    chunks = [_load(path, mmap_mode="r") for path in sorted(out.glob("films-*.npy"))]
    if sum(map(len, chunks)) != len(truth):
        raise CourseError(f"{out} is unfinished; call render_shards again with the same arguments to resume")
    paths = sorted(out.glob("places-*.npy"))
    places = np.empty((len(truth), *_load(paths[0], mmap_mode="r").shape[1:]), bool)
    ends = np.cumsum([len(chunk) for chunk in chunks])
    for rows, path in zip(np.split(places, ends[:-1]), paths, strict=True):
        rows[:] = _load(path)  # a chunk at a time: those of 100,000 films fill 350 MB
    return chunks, truth, mined, places


def _load(path, **options):
    try:
        return np.load(path, **options)
    except (OSError, ValueError, EOFError):
        raise CourseError(f"{path} is missing or damaged; remove it and call render_shards again to resume") from None


def _pixels_and_places(row, seed, size):
    film = films.draw(row, seed, size)
    side = size // PLACE
    places = np.zeros((side, side, len(FINDINGS)), bool)
    for finding, mask in film.masks.items():
        whole = mask[: side * PLACE, : side * PLACE].reshape(side, PLACE, side, PLACE)
        places[..., FINDINGS.index(finding)] = whole.any(axis=(1, 3))
    return film.pixels, places


def _chunk_paths(out, start):
    return [out / f"{kind}-{start // CHUNK:04d}.npy" for kind in ("films", "places")]


def _check_space(out, films, size):
    """Raise CourseError unless the disk has room for so many films and their places."""
    needed, free = films * (size**2 + (size // PLACE) ** 2 * len(FINDINGS)), shutil.disk_usage(out).free
    if needed > free:
        raise CourseError(
            f"{films:,} films of {size} x {size} pixels take {needed / 1e6:,.0f} MB, but the disk of {out} has "
            f"{free / 1e6:,.0f} MB left; make room there, choose another disk, or draw fewer or smaller films"
        )


def _claim(out, recipe):
    """Make the folder and note the recipe, or check that the folder is of this very recipe."""
    note = out / "recipe.json"
    if note.is_file():
        try:
            noted = json.loads(note.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            raise CourseError(
                f"{note} is damaged, so nobody knows which films {out} holds; remove that folder or choose another"
            ) from None
        if noted != recipe:
            raise CourseError(f"{out} was begun with other arguments, see {note.name} there; choose another folder")
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CourseError(f"{out} exists and is not an empty folder; choose another place or remove it first")
    out.mkdir(parents=True, exist_ok=True)
    with whole(note) as part:
        write_json(part, recipe)
