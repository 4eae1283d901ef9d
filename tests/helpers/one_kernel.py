"""Notebooks executed one after another in one kernel: importing TensorFlow again for each would take most of the time."""

import nbformat

from util.course.kernel import kernel_of
from util.course.run import NOTEBOOKS

ANEW = """
for name in set(get_ipython().user_ns) - set(get_ipython().user_ns_hidden):
    get_ipython().user_ns.pop(name)
"""  # names of the notebook go; modules stay, with what they have kept


def execute(paths, environment):
    """The notebooks of some paths, executed; a failing cell raises nbclient's CellExecutionError, with its notebook's path.

    Parameters
    ----------
    paths : list of Path
    environment : dict, added to the kernel's environment variables

    Returns
    -------
    dict path -> NotebookNode
    """
    done = {}
    with kernel_of(nbformat.v4.new_notebook(), NOTEBOOKS, environment) as client:
        for path in paths:
            client.nb = notebook = nbformat.read(path, as_version=4)
            client.reset_execution_trackers()
            for number, cell in enumerate(notebook.cells):
                if cell.cell_type == "code":
                    cell.outputs, cell.execution_count = [], None
                    try:
                        client.execute_cell(cell, number)
                    except Exception as error:
                        error.add_note(f"in cell {cell.id} of {path.stem}")
                        raise
            done[path] = notebook
            client.nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(ANEW)])
            client.execute_cell(client.nb.cells[0], 0)
    return done
