"""An exercise in a learner's copy: the check tells what is wrong, and the lesson goes on in any case."""

import dis
import functools
import inspect
import json
import textwrap
from pathlib import Path

from util import settings
from util.checks.answers import CheckFailed

WIDTH = 100  # characters of a printed line

_unsolved = {}  # name of an exercise: (its check, the course's own function, what is wrong), the latest one last


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
    name = solution.__name__.removesuffix("_solution")
    _unsolved.pop(name, None)
    try:
        check(answer)
    except CheckFailed as error:
        _unsolved[name] = check, solution, str(error)
        _keep(name, str(error))
        print(textwrap.fill(f"Not yet. {error}", WIDTH))
        print("hint(2) gives the idea, hint(3) the solution.")
        print(textwrap.fill(f"Until it is right, the cells below use the course's own {name}.", WIDTH))
        return solution
    if name := borrowed(answer):
        print(f"But it calls the course's own {name}: try it without.")
    return answer


def _keep(name, hint):
    """Add a hint to the learner's file, where one was chosen (COURSE_HINTS); a file that can't be written stops nothing."""
    if file := settings.hints_file():
        try:
            with Path(file).expanduser().open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"exercise": name, "hint": hint}) + "\n")
        except OSError as error:
            print(f"The hint is not kept in {file}: {error.strerror}.")


def hint(level=1, exercise=None):
    """Print a hint for the exercise that was checked last and is not right yet.

    Parameters
    ----------
    level : 1 what is wrong with this answer, 2 the idea, 3 the solution
    exercise : str, the name of another function that is not right yet, or None
    """
    if level not in (1, 2, 3):
        print("There are three levels: hint(1) says what is wrong, hint(2) gives the idea, hint(3) the solution.")
        return
    name = exercise or next(reversed(_unsolved), None)
    if name not in _unsolved:
        print(
            "Every exercise that was checked is right." if name is None else f"{name} is right, or was not checked yet."
        )
        return
    check, solution, wrong = _unsolved[name]
    if level == 3:
        print(inspect.getsource(solution).replace(f"{name}_solution", name).rstrip())
    else:
        print(textwrap.fill(wrong if level == 1 else getattr(check, "idea", check.__doc__), WIDTH))


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
