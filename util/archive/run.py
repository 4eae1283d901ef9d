"""Score a source into an archive with an engine: what is done stays done, and a bad film costs only itself."""

from __future__ import annotations

import importlib.util
import itertools
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from util.archive.block import BLOCK, COURSE, Recipe, blocks_of, with_gate
from util.archive.local import run_local
from util.archive.parts import is_refused
from util.archive.reader import NOT_SENT
from util.archive.sources import find_films
from util.archive.writing import open_archive
from util.errors import CourseError
from util.markup import as_line
from util.notes import note
from util.progress import progress

if TYPE_CHECKING:
    from util.models.weights import Pretrained

TOLD = 50  # refused films that are named while a command runs; all of them are in the parts
PACKAGES = ("numpy", "pandas", "pillow", "pyarrow", "tensorflow", "tensorflow-cpu", "keras", "openvino", "ray")


@dataclass(frozen=True)
class Done:
    """What one run did: films scored and refused in it, films that the archive holds now, its parts.

    Attributes
    ----------
    scored, refused : int, of this run
    earlier : int, films that were in the archive before
    changed : int, films whose older row was replaced, because the file has changed
    twice : int, films left out because an earlier one has the same name
    manifest : dict (`util.archive.parts.read_manifest`)

    See Also
    --------
    score_archive : returns it

    Examples
    --------
    >>> Done(scored=9, refused=1, earlier=0, changed=0, twice=0, manifest={}).scored
    9
    """

    scored: int
    refused: int
    earlier: int
    changed: int
    twice: int
    manifest: dict


def score_archive(
    source: str | Path,
    out: str | Path,
    recipe: Recipe,
    engine: Callable = run_local,
    pretrained: Pretrained | None = None,
    films: int = BLOCK,
    again: bool = False,
) -> Done:
    """Score all films of a source that the archive does not have yet.

    Parameters
    ----------
    source : folder, list, zip, tar or address (`util.archive.sources.find_films`)
    out : folder of the archive
    recipe : util.archive.block.Recipe
    engine : function (blocks, recipe, pretrained) -> iterable of tables, in any order, such as `run_local`
    pretrained : the network, where it is loaded already; it is needed here for its passport
    films : int, films of a block and so of a part
    again : bool, try the films again that were refused earlier

    Returns
    -------
    Done

    Raises
    ------
    CourseError : source, archive or options are not as they should be, the disk is full, or the films' store sends none
        any more; what is written stays.

    See Also
    --------
    util.archive.sources.find_films : finds the films

    Examples
    --------
    Not run by the tests, since it needs TensorFlow.

    >>> score_archive("films.zip", "archive", Recipe("phantom")).scored  # doctest: +SKIP
    """
    pretrained = pretrained or recipe.load()
    refs = find_films(source)
    with open_archive(out, recipe.identity(pretrained), recipe.salt) as archive:
        if again and (count := archive.drop_refused()):
            note(f"{count:,} films that were refused are tried again.")
        earlier = archive.films + archive.refused
        if earlier:
            note(f"{earlier:,} films are in the archive already; going on with the others.")
        scored = refused = 0
        tables = _tables(blocks_of(archive.waiting(refs), films), recipe, engine, pretrained, archive.folder)
        try:
            for table in progress(tables, "scoring films, block by block"):
                table = _sent(table)
                archive.add(table)
                bad = table.filter(is_refused(table))
                _tell(bad, refused)
                refused, scored = refused + bad.num_rows, scored + table.num_rows - bad.num_rows
        finally:
            tables.close()  # ends the processes that read
            manifest = archive.finish(_versions())
    if not manifest["films"]:
        raise CourseError(f"No film of {source} could be scored: {refused:,} were refused, for the reasons above.")
    return Done(scored, refused, earlier, archive.changed, archive.twice, manifest)


def _tables(blocks, recipe, engine, pretrained, folder):
    """Tables of the engine; where nothing is left to score, nothing is started."""
    first = next(blocks, None)
    if first is not None:
        recipe = with_gate(recipe, folder / "gate.npz") if recipe.gate == COURSE else recipe
        yield from engine(itertools.chain([first], blocks), recipe, pretrained)


def _sent(table):
    """The table without films that their store did not send: they are no bad films, and the same command tries them again."""
    from pyarrow import compute

    missing = compute.fill_null(compute.starts_with(table["refused"], NOT_SENT), False)
    if count := compute.sum(missing).as_py():
        if count == table.num_rows:
            why = table["refused"][0].as_py().removeprefix(NOT_SENT)
            some = "the next film" if count == 1 else f"any of the next {count:,} films"
            raise CourseError(
                f"The store did not send {some}{why}: see that it can be reached, and start the same command again. What "
                "is scored is kept."
            )
        note(f"Films that the store did not send: {count:,}. The same command tries them again.")
    return table.filter(compute.invert(missing))


def _tell(bad, before):
    """Name the films of a table that were refused, the first TOLD of a run."""
    for count, row in enumerate(bad.select(["name", "refused"]).to_pylist(), before):
        if count < TOLD:
            note(f"Refused: {as_line(row['name'])}: {row['refused']}.")
        elif count == TOLD:
            note("Further films are refused; the column `refused` of the parts names all of them.")


def _versions() -> dict:
    """Versions of Python and of the packages that decide numbers, where they are installed."""
    from importlib import metadata

    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def engine_of(name: str, **options: str | None) -> Callable:
    """The engine of that name; a CourseError where it is unknown or not installed.

    Parameters
    ----------
    name : 'local' or 'ray'
    options : of the engine, such as `address` of a cluster of Ray

    See Also
    --------
    score_archive : takes it

    Examples
    --------
    >>> engine_of("local").__name__
    'run_local'
    """
    if name == "local":
        return run_local
    if name != "ray":
        raise CourseError(f"There is no engine {name!r}: use local or ray.")
    if importlib.util.find_spec("ray") is None:  # found and not imported: Ray reads its settings when it is
        raise CourseError("Ray is not installed here: pip install 'chest-xray-course[ray]', or use --engine local.")
    from util.archive.on_ray import run_ray

    return lambda blocks, recipe, pretrained: run_ray(blocks, recipe, **options)
