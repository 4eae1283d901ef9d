"""An exercise in a learner's copy: the check tells what is wrong, and the lesson goes on in any case."""

import dis
import functools
import inspect
import textwrap

from util.checks import CheckFailed

WIDTH = 100  # characters of a printed line


def checked(check, answer, solution):
    """Check an answer, and choose the function that the rest of the notebook uses.

    In a learner's copy a wrong or open answer stops nothing, so 'Run All' reaches the end.

    Parameters
    ----------
    check : callable, one of util.checks
    answer : the learner's function
    solution : callable, the course's own function

    Returns
    -------
    callable : `answer` where it is right, else `solution`. What is wrong with the answer is printed as a hint.
    """
    try:
        check(answer)
    except CheckFailed as error:
        name = solution.__name__.removesuffix("_solution")
        print(textwrap.fill(f"Not yet. {error}", WIDTH))
        print(textwrap.fill(f"Until it is right, the cells below use the course's own {name}.", WIDTH))
        return solution
    if name := borrowed(answer):
        print(f"But it calls the course's own {name}: try it without.")
    return answer


def own_work(answer):
    """Raise CheckFailed where an answer is or calls code of the course: for graded copies."""
    if name := borrowed(answer):
        raise CheckFailed(f"This answer calls the course's own {name}. The exercise is to write it yourself.")


def borrowed(function):
    """Name of the course's own code that a function is or calls, or None.

    It looks at the function itself, and at the names and imports that its code and that of functions within it use. It
    notices honest shortcuts; somebody who wants to hide one can.
    """
    function = inspect.unwrap(function)
    if _ours(function):
        return getattr(function, "__name__", type(function).__name__)
    if not inspect.isfunction(function):
        return None
    codes, known = [function.__code__], {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    while codes:
        code = codes.pop()
        for step in dis.get_instructions(code):
            name = step.argval
            if step.opname == "IMPORT_NAME" and name.split(".")[0] == "util":
                return name
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF") and _ours(known.get(name)):
                return name
        codes += [inner for inner in code.co_consts if inspect.iscode(inner)]
    return None


def _ours(thing):
    if isinstance(thing, functools.partial):
        return _ours(thing.func)
    name = thing.__name__ if inspect.ismodule(thing) else getattr(thing, "__module__", None)
    return isinstance(name, str) and name.split(".")[0] == "util"
