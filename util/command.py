"""The frame of every command of ``python -m util``: a mistake ends in one sentence, Ctrl+C in a word on how to go on."""

import argparse
import functools
import sys

from util.errors import CourseError
from util.files import interruptible
from util.markup import as_line


def argument_parser(name, description):
    """A parser of arguments for `python -m util NAME`; a module's docstring describes it."""
    layout = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(prog=f"python -m util {name}", description=description, formatter_class=layout)


def command(stopped="Stopped. The same command starts again."):
    """Decorate a function of arguments that does the work of a command.

    Parameters
    ----------
    stopped : str, what is printed when it is stopped by Ctrl+C or SIGTERM

    Returns
    -------
    decorator; the decorated function returns the exit code: what the function returned, or 0; 2 after a CourseError or
    an error of the system, which is printed to standard error; 130 when it was stopped.
    """

    def decorate(main):
        @functools.wraps(main)
        def framed(arguments=None):
            try:
                with interruptible():
                    return main(arguments) or 0
            except (CourseError, OSError) as error:
                print("\n".join(map(as_line, str(error).split("\n"))), file=sys.stderr)  # it may name any file
                return 2
            except KeyboardInterrupt:
                print(f"\n{stopped}", file=sys.stderr)
                return 130

        return framed

    return decorate
