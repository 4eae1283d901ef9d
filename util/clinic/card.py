"""A readiness checklist and a model card, filled from the numbers that a clinic measured itself."""

from collections.abc import Mapping

from util.errors import CourseError
from util.files import write_text

ASKED = {  # question of the checklist: key of the numbers that answer it
    "Were thresholds chosen on films other than those they are judged on?": "separate films",
    "Is the model calibrated in the shadow weeks?": "calibrated",
    "Is it known how many event-free years have a false alarm?": "false alarm years",
    "Was each planted change noticed by a monitor?": "noticed",
    "Does the year cost less than sorting all films by hand?": "cheaper than by hand",
    "Is it written down who stops the model, and when it starts again?": "stop rule",
    "Was the model tried on films of this clinic's own patients?": "own films",
}


def checklist(found: Mapping[str, bool | str]) -> str:
    """The readiness checklist as Markdown: 'yes' or 'NOT YET' for each question, with the remark where the answer is a text.

    Parameters
    ----------
    found : dict key of `ASKED` -> bool, or a text that says what was found and counts as yes; what is absent counts as no

    Raises
    ------
    CourseError : a key is unknown.

    See Also
    --------
    model_card : the numbers

    Examples
    --------
    >>> print(checklist({"calibrated": True}).splitlines()[3])
    | Is the model calibrated in the shadow weeks? | yes |

    Taught in lesson 14, section 7.
    """
    if unknown := sorted(set(found) - set(ASKED.values())):
        raise CourseError(f"The checklist does not ask about {unknown[0]!r}: it knows {', '.join(ASKED.values())}.")
    lines = ["| question | answer |", "|---|---|"]
    for question, key in ASKED.items():
        answer = found.get(key, False)
        said = f"yes: {_cell(answer)}" if isinstance(answer, str) and answer else "yes" if answer else "**NOT YET**"
        lines.append(f"| {question} | {said} |")
    return "\n".join(lines)


def model_card(sections: Mapping[str, Mapping[str, object]]) -> str:
    """A model card as Markdown, after Mitchell et al. 2019 (doi 10.1145/3287560.3287596).

    Parameters
    ----------
    sections : dict heading -> dict name -> value; numbers that are no whole ones are given with two decimals

    Raises
    ------
    CourseError : there is no section, or one is empty: an empty section would look like an answer.

    See Also
    --------
    write_card : keeps it
    checklist : what a clinic asks before it starts

    Examples
    --------
    >>> print(model_card({"Intended use": {"task": "teaching"}}))
    # Model card
    <BLANKLINE>
    Not for clinical use.
    <BLANKLINE>
    ## Intended use
    <BLANKLINE>
    - task: teaching

    Taught in lesson 14, section 7.
    """
    if not sections or not all(sections.values()):
        raise CourseError("A model card has at least one section, and no empty one: say what is not known, too.")
    lines = ["# Model card", "", "Not for clinical use."]
    for heading, numbers in sections.items():
        lines += ["", f"## {heading}", ""]
        lines += [
            f"- {name}: {f'{value:.2f}' if isinstance(value, float) else value}" for name, value in numbers.items()
        ]
    return "\n".join(lines)


def write_card(path: str, *parts: str) -> None:
    """Write parts of Markdown to one file, whole or not at all.

    See Also
    --------
    util.files.whole : how

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_card(f"{folder}/card.md", "# Model card", "# Readiness")
    ...     print(Path(f"{folder}/card.md").read_text(encoding="utf-8").splitlines()[2])
    # Readiness

    Taught in lesson 14, section 7.
    """
    write_text(path, "\n\n".join(parts) + "\n")


def _cell(text):
    return " ".join(text.replace("|", "/").split())
