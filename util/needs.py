"""What a section of a notebook needs of the films at hand: where there are fewer, it says so and the notebook goes on.

    needs(10, "patients with several films", len(several))

does nothing where there are ten. Else the cell stops there, in a notebook without an error: one sentence takes the place
of what it would have shown. So it is with each later cell that asks for a name which the stopped cell would have made.
Cells stay as short as they are for many films, and no number is ever made of too few.
"""

import ast
import symtable
import sys
from traceback import walk_tb

from util.errors import CourseError


class TooFew(CourseError):
    """The films at hand are too few for a section; the sentence says how many it needs."""


def needs(least, what, have):
    """Stop the cell, with a sentence, where there are fewer than `least`.

    Parameters
    ----------
    least : int, at least 1
    what : str, in the plural, such as "test films with a box"
    have : int, how many there are

    Raises
    ------
    TooFew : there are fewer. In a notebook it is no error: the sentence is printed, and the next cell runs.
    """
    if have < least:
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        if shell is not None and not hasattr(shell, "left_out"):
            shell.left_out = LeftOut(shell)
        wanted = f"at least {least:,} {what}" if least > 1 else what
        raise TooFew(f"This section needs {wanted}; this folder has {f'{have:,}' if have else 'none'}.")


def claim(cohort, holds, what):
    """What a cell has shown, asserted of the simulated films; a folder of real films is told where it shows otherwise.

    Parameters
    ----------
    cohort : util.data.cohort.Cohort
    holds : bool, whether it is so
    what : str, the claim, such as "the view alone tells a finding"

    Raises
    ------
    AssertionError : it is not so of the simulated films. Real ones may be few or of another kind: a sentence says it.
    """
    if not holds and cohort.simulated:
        raise AssertionError(f"Not so on the simulated films: {what}.")
    if not holds:
        print(f"Not so in this folder: {what}.")


class LeftOut:
    """What a notebook's kernel leaves out: installed when a need is first not met, so a rich folder never meets it.

    Attributes
    ----------
    names : dict, each name that a stopped cell would have made -> the sentence that says why it is not there
    """

    def __init__(self, shell):
        self.shell, self.names = shell, {}
        shell.set_custom_exc((TooFew, NameError), self.show)
        shell.events.register("post_run_cell", self.after)

    def sentence(self, error):
        """Why a cell that ended with `error` is left out, or None where the error is a real one."""
        if isinstance(error, TooFew):
            return str(error)
        missing = isinstance(error, NameError) and error.name in self.names and error.name not in self.shell.user_ns
        return f"Left out, too. {self.names[error.name]}" if missing else None

    def show(self, shell, kind, error, trace, tb_offset=None):
        """In place of IPython's traceback: none for what is left out, whose half-drawn figures go, too."""
        if self.sentence(error) is None:
            shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        elif "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")

    def after(self, result):
        """Print the sentence, forget what the cell would have made anew, and let the notebook go on."""
        said = self.sentence(result.error_in_exec)
        if said is None:
            return
        lines = (line for frame, line in walk_tb(result.error_in_exec.__traceback__) if self._of_cell(frame))
        for name in names_made(self.shell.transform_cell(result.info.raw_cell), next(lines)):
            self.shell.user_ns.pop(name, None)  # what an earlier section called so would be taken for this one's
            self.names[name] = said.removeprefix("Left out, too. ")
        print(said)
        result.error_in_exec = None

    def _of_cell(self, frame):
        return frame.f_code.co_name == "<module>" and frame.f_globals is self.shell.user_global_ns


def names_made(source, line):
    """Names that a cell's statements bind from a line (counted from 1) on: set of str."""
    left = [statement for statement in ast.parse(source).body if statement.end_lineno >= line]
    bound = symtable.symtable(ast.unparse(ast.Module(left, [])), "cell", "exec").get_symbols()
    return {symbol.get_name() for symbol in bound if symbol.is_assigned() or symbol.is_imported()}
