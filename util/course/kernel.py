"""A Jupyter kernel of its own for a notebook that the course runs."""

import os
import sys
from contextlib import contextmanager
from tempfile import TemporaryFile

CELL_SECONDS = 600  # no cell is meant to take a minute; a hanging one must not hang the course


@contextmanager
def kernel_of(notebook, folder, environment):
    """A fresh kernel in which the cells of a notebook can be executed; it ends with the block.

    Parameters
    ----------
    notebook : NotebookNode
    folder : Path, in which the kernel works
    environment : dict, added to the environment variables

    Yields
    ------
    nbclient.NotebookClient : with `execute_cell(cell, number)`

    Raises
    ------
    RuntimeError : the kernel could not start, or died (nbclient's DeadKernelError); what it said is printed first.
    """
    from nbclient import NotebookClient

    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=CRITICAL"],  # the kernel's own log is not for learners; errors stand in the cell
        coalesce_streams=True,  # what a cell prints comes in pieces that change from run to run
    )
    # What is written to standard error in a cell stands in its output. What comes after the last cell is no longer of
    # the lesson: as it ends, ipykernel sometimes complains about tasks that it leaves behind. Only of a kernel that could
    # not start, or that died, the reason may be there.
    with TemporaryFile() as said:
        try:
            with client.setup_kernel(env={**os.environ, **environment}, stderr=said):
                yield client
        except RuntimeError:
            said.seek(0)
            print(said.read().decode(errors="replace"), end="", file=sys.stderr)
            raise
