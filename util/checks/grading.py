"""Hidden tests of graded exercises: an answer must agree with the course's own function on inputs that nobody has seen.

The checks that a learner sees try a few inputs and explain mistakes. In a graded copy an answer also meets `hold`: twenty
seeded inputs with uneven, unround numbers, and a look at whether it merely calls the course's own code.
"""

import copy

import numpy as np

from util.checks.answers import CheckFailed
from util.checks.exercises import own_work
from util.checks.hidden_inputs import INPUTS

ROUNDS = 20  # seeded inputs to try


def hold(exercise, answer, solution):
    """Raise CheckFailed unless an answer agrees with the solution on hidden inputs and is the learner's own.

    Parameters
    ----------
    exercise : str, module and name of the check, such as 'weighted_loss.class_weights'
    answer, solution : callables
    """
    if not callable(answer):
        raise CheckFailed("A function is asked for.")
    own_work(answer)
    if exercise not in INPUTS:  # answers that draw at random: their check tries hundreds of draws already
        return
    draw, alike = INPUTS[exercise]
    for seed in range(ROUNDS):
        arguments = draw(np.random.default_rng(seed))
        expected = solution(*copy.deepcopy(arguments))
        try:
            given = answer(*copy.deepcopy(arguments))
            agreed = alike(given, expected, arguments)
        except Exception as error:
            raise CheckFailed(f"Hidden input {seed}: the answer stopped with {type(error).__name__}.") from None
        if not agreed:
            raise CheckFailed(f"Hidden input {seed}: the answer differs from the right one.")
