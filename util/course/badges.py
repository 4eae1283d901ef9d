"""Buttons that open the lessons on Colab and Binder, and the address in the set-up cell: all from one address.

    python -m util badges                      the address of this clone's remote `origin`
    python -m util badges https://github.com/OWNER/NAME

Run it once after the course got a home, or a fork a new one, and commit what it changes. Until then there are no buttons, so
none leads nowhere.
"""

import json
import re
import subprocess

from util.command import argument_parser, command
from util.course.lessons import NOTEBOOKS, all_lessons
from util.data.cohort import HOME
from util.errors import CourseError
from util.files import write_text

GITHUB = re.compile(r"(?:https://github\.com/|git@github\.com:)([\w.-]+)/([\w.-]+?)(?:\.git)?/?")
STAMP = re.compile(r'^REPOSITORY = ".*?"', re.MULTILINE)
BADGES = re.compile(r"(?<=<!-- badges -->\n).*?(?=<!-- end of badges -->)", re.DOTALL)
BRANCH = "main"


def owner_and_name(address):
    """Owner and name of a repository on GitHub: ('ada', 'chest-xray-course')."""
    found = GITHUB.fullmatch(address.strip())
    if not found:
        raise CourseError(f"{address!r} is no address on GitHub: give it as https://github.com/OWNER/NAME.")
    return found.groups()


def remote():
    """Address of the remote `origin` of this clone."""
    done = subprocess.run(["git", "remote", "get-url", "origin"], cwd=HOME, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CourseError(
            "This clone has no remote `origin`: name the course's address, https://github.com/OWNER/NAME."
        )
    return done.stdout


def buttons(owner, name, lessons):
    """Links that open each lesson on Colab and on Binder, as Markdown."""
    colab = f"https://colab.research.google.com/github/{owner}/{name}/blob/{BRANCH}/notebooks"
    binder = f"https://mybinder.org/v2/gh/{owner}/{name}/{BRANCH}?urlpath=lab/tree/notebooks"
    lines = [
        "| open | " + " | ".join(str(lesson.number) for lesson in lessons) + " |",
        "|---" * (len(lessons) + 1) + "|",
    ]
    for where, address in (("Colab", colab), ("Binder", binder)):
        lines.append(f"| {where} | " + " | ".join(f"[open]({address}/{x.stem}.ipynb)" for x in lessons) + " |")
    return "\n".join(lines) + "\n"


def stamp(address, home=HOME):
    """Write the address into the set-up cell, every notebook and the README.

    Parameters
    ----------
    address : str, https://github.com/OWNER/NAME or git@github.com:OWNER/NAME.git
    home : Path of the course

    Returns
    -------
    str : the address as it was written

    Raises
    ------
    CourseError : it is no address on GitHub.
    """
    owner, name = owner_and_name(address)
    url = f"https://github.com/{owner}/{name}"
    cell = home / "util" / "course" / "setup_cell.py"
    write_text(cell, STAMP.sub(f'REPOSITORY = "{url}"', cell.read_text(encoding="utf-8")))
    for path in sorted((home / NOTEBOOKS.name).glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for part in notebook["cells"]:
            if "setup" in part["metadata"].get("tags", []):
                part["source"] = STAMP.sub(f'REPOSITORY = "{url}"', "".join(part["source"])).splitlines(keepends=True)
        write_text(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    readme = home / "README.md"
    shown = buttons(owner, name, all_lessons(home / NOTEBOOKS.name))
    write_text(readme, BADGES.sub(lambda _: shown, readme.read_text(encoding="utf-8")))
    return url


@command()
def main(arguments=None):
    """Run the command; returns the exit code."""
    parser = argument_parser("badges", __doc__)
    parser.add_argument("address", nargs="?", help="of the course on GitHub (the remote `origin` of this clone)")
    options = parser.parse_args(arguments)
    print(
        f"Buttons and set-up cells lead to {stamp(options.address or remote())}. Look at the changes, and commit them."
    )
