"""What Binder installs: the lock without the tools of tests, for the one Python and platform that Binder has.

    python -m util binder        writes binder/requirements.txt; once after every change of requirements.lock

The list names no other file. So Binder installs it before it copies the course, and builds that layer again only when the
list changes, not at every commit.
"""

import re

from packaging.requirements import Requirement

from util.command import argument_parser, command
from util.data.cohort import HOME
from util.errors import CourseError
from util.files import write_text

LOCK, FOLDER = HOME / "requirements.lock", HOME / "binder"
ENTRY = re.compile(
    r"^(?P<what>[\w.\[\]-]+==\S+(?: ; .*?)?) \\\n(?P<hashes>(?:    --hash=.*\n)+)(?P<via>(?:    #.*\n)*)", re.MULTILINE
)
DEV = "chest-xray-course (pyproject.toml:dev)"
HEAD = "# Made by `python -m util binder` of requirements.lock: what the course needs on Binder, without the tools of tests.\n"


def requirements(lock, python):
    """The list for Binder.

    Parameters
    ----------
    lock : str, text of requirements.lock, as uv writes it with the packages that ask for each
    python : str, such as '3.13'

    Returns
    -------
    str, the entries with their hashes that the course itself needs on Linux x86-64

    Raises
    ------
    CourseError : the lock has no entries of that form.
    """
    place = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64",
             "implementation_name": "cpython", "platform_python_implementation": "CPython", "extra": "",
             "python_version": python, "python_full_version": f"{python}.0"}  # fmt: skip
    entries, asked = {}, {}
    for found in ENTRY.finditer(lock):
        requirement = Requirement(found["what"])
        if requirement.marker is None or requirement.marker.evaluate(place):
            entries[requirement.name] = f"{requirement.name}{requirement.specifier} \\\n{found['hashes']}"
            names = re.sub(r"^ *# *(?:via)? *", "", found["via"], flags=re.MULTILINE).splitlines()
            asked[requirement.name] = {name for name in names if name} - {DEV}
    if not entries:
        raise CourseError("requirements.lock has no entries that can be read: make it as its second line says.")
    needed, before = set(entries), set()
    while needed != before:  # what only a tool of tests asks for falls away, and what only that asked for
        before = needed
        needed = {name for name in needed if any("(" in by or by in needed for by in asked[name])}
    return HEAD + "".join(entries[name] for name in sorted(needed))


def python_of_binder(folder=FOLDER):
    """The Python of Binder, as its runtime.txt says: '3.13'."""
    return (folder / "runtime.txt").read_text(encoding="utf-8").strip().removeprefix("python-")


@command()
def main(arguments=None):
    """Run the command; returns the exit code."""
    argument_parser("binder", __doc__).parse_args(arguments)
    write_text(FOLDER / "requirements.txt", requirements(LOCK.read_text(encoding="utf-8"), python_of_binder()))
    print("binder/requirements.txt is as requirements.lock says. Look at the change, and commit it.")
