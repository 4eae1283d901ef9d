"""A bank of answers to one exercise: right ones in several styles, and wrong ones with what their hint must name."""

from dataclasses import dataclass

import numpy as np

from util.checks.answers import CheckFailed

RIGHT, WRONG, NAMED = 6, 12, 0.7  # least number of right and of wrong answers, least share of mistakes that are named
UNNAMED = ("The form is right, the values are not", "tables it was tried on, but not for all")


@dataclass
class Bank:
    """Answers to one exercise.

    check : util.checks.answers.Check
    right : list of callables, in different styles, one of them in float32
    wrong : dict {mistake: (callable, words that the hint has, or None where nothing more than 'wrong' is expected)}
    """

    check: object
    right: list
    wrong: dict


def told(check, answer):
    """What a check says to an answer; '' where it passes."""
    try:
        check(answer)
    except CheckFailed as error:
        return str(error)
    return ""


def unsolved(*_):
    """The answer of an exercise that nobody has begun."""
    raise NotImplementedError


def judge(bank):
    """What is wrong with a check, in words: right answers that it refuses, wrong ones that it lets through or misleads."""
    problems = [] if len(bank.right) >= RIGHT else [f"{len(bank.right)} right answers, not {RIGHT}"]
    problems += [] if len(bank.wrong) >= WRONG else [f"{len(bank.wrong)} wrong answers, not {WRONG}"]
    problems += [
        f"right answer {i}: {hint}" for i, answer in enumerate(bank.right) if (hint := told(bank.check, answer))
    ]
    named = []
    for mistake, (answer, words) in bank.wrong.items():
        hint = told(bank.check, answer)
        if not hint:
            problems.append(f"'{mistake}' passes")
        elif words and words not in hint:
            problems.append(f"'{mistake}' is told: {hint}")
        named.append(bool(hint) and not any(text in hint for text in UNNAMED))
    if "still open" not in told(bank.check, unsolved) or not bank.check.idea:
        problems.append("an open exercise is not said to be open, or has no idea to give")
    if np.mean(named) < NAMED:
        problems.append(f"only {np.mean(named):.0%} of the wrong answers are told what is wrong")
    return problems
