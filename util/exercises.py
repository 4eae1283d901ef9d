"""An exercise in a learner's copy: the check tells what is wrong, and the lesson goes on in any case."""

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
    return answer
