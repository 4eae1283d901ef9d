"""The engine of one machine: one network, and a process on every core that reads ahead of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from util.archive.block import Recipe, Worker, score_blocks

if TYPE_CHECKING:
    import pyarrow

    from util.archive.sources import FilmRef
    from util.models.weights import Pretrained


def run_local(
    blocks: Iterable[Sequence[FilmRef]], recipe: Recipe, pretrained: Pretrained | None = None
) -> Iterator[pyarrow.Table]:
    """Tables of blocks, in order, scored in this process while films are read in others.

    Parameters
    ----------
    blocks : iterable of lists of references, taken as they are needed
    recipe : util.archive.block.Recipe
    pretrained : the network, where it is loaded already

    Yields
    ------
    pyarrow.Table for each block (`util.archive.block.score_block`)

    See Also
    --------
    util.archive.on_ray.run_ray : the engine of a cluster

    Examples
    --------
    Not run by the tests, since it needs TensorFlow.

    >>> next(run_local([refs], Recipe("phantom"))).num_rows  # doctest: +SKIP
    """
    with Worker(recipe, pretrained) as worker:
        yield from score_blocks(blocks, worker)
