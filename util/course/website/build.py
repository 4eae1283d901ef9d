"""The course as a site: contents, search, previous and next, dark mode, folded solutions, glossary; nothing from the network.

    python -m util site                        from notebooks/ as they lie there, into build/site
    python -m util site --from build/course    from the notebooks as they ran here

Sphinx with myst-nb and the book theme makes the pages. What it lacks is put into its sources first: figures with their
alt texts, formulas as MathML, terms that show their meaning when pointed at.

`make site` installs Sphinx in an environment of its own. Without make: pip install -r util/course/website/requirements.txt
"""

import ast
import html
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from util.command import argument_parser, command
from util.course.editions import NOTEBOOKS, learners_copy
from util.course.lessons import described
from util.course.pages import CODE, mathml, title_of
from util.data.cohort import HOME
from util.errors import CourseError
from util.progress import progress

SITE = HOME / "build" / "site"
HERE = Path(__file__).parent
GLOSSARY = NOTEBOOKS / "glossary.md"
ENTRY = re.compile(r"^\*\*(?P<term>[^*]+)\*\*: (?P<meaning>.+)$", re.MULTILINE)
SPHINX = ("sphinx", "myst_nb", "sphinx_book_theme", "sphinx_copybutton")  # modules of requirements.txt
FOLDED = {"setup": "the set-up: find the course and choose the cohort", "solution": "the solution", "": "the code"}
FORMULA = re.compile(r'(<math [^>]*display="block".*?</math>)', re.DOTALL)
# Rooms with a page of their own: their contents page, and every module that it names.
ROOMS = ("data", "phantom", "losses", "models", "metrics", "leaks", "explain", "clinic")


# --- A lesson as Sphinx is to see it ---------------------------------------------------------------


def lesson_page(notebook, folder, target, terms):
    """An executed notebook as a source of the site.

    Parameters
    ----------
    notebook : nbformat notebook, version 4
    folder, target : Path, where it lies, and where its links are to lead from
    terms : dict, term -> meaning

    Returns
    -------
    nbformat notebook: exercises open, solutions and set-up folded, figures as HTML with alt texts, formulas as MathML
    """
    made = learners_copy(notebook, folder, target)
    seen = set()
    for cell in made.cells:
        if cell.cell_type == "markdown":
            # A formula that is wider than a phone scrolls sideways, also by the arrow keys.
            text = mathml(with_terms(cell.source, terms, seen))
            cell.source = FORMULA.sub(r'<span class="formula" tabindex="0">\1</span>', text)
            continue
        tags = set(cell.metadata.get("tags", []))
        if tags & {"setup", "solution"} or cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata["tags"] = sorted(tags | {"hide-input"})
            what = next(words for tag, words in FOLDED.items() if tag in tags or not tag)
            cell.metadata["mystnb"] = {"code_prompt_show": f"Show {what}", "code_prompt_hide": f"Hide {what}"}
    return made


def glossary(text):
    """Terms of the glossary: dict term -> meaning, from lines '**term**: meaning'."""
    return {entry["term"]: entry["meaning"] for entry in ENTRY.finditer(text)}


def with_terms(source, terms, seen):
    """Markdown in which the first mention of each term leads to the glossary and shows its meaning when pointed at.

    `seen` holds the terms mentioned before on the page and takes those mentioned here. Code, formulas, links and headings
    are left alone.
    """
    if not terms:
        return source
    words = re.compile(r"(?<![\w-])(" + "|".join(sorted(map(re.escape, terms), key=len, reverse=True)) + r")(?![\w-])")
    left_alone = re.compile(
        CODE.pattern + r"|(\$\$.*?\$\$|\$[^$\n]+\$|!?\[[^\]]*\]\([^)]*\)|<[^>]+>|^#.*?$)", re.DOTALL | re.MULTILINE
    )

    def explain(match):
        term = match[1]
        if term in seen:
            return term
        seen.add(term)
        return f'<a class="term" href="../glossary.html#{anchor(term)}" title="{html.escape(terms[term])}">{term}</a>'

    parts, at = [], 0
    for match in left_alone.finditer(source):
        parts += [words.sub(explain, source[at : match.start()]), match[0]]
        at = match.end()
    return "".join([*parts, words.sub(explain, source[at:])])


def anchor(term):
    """The place of a term on the glossary's page."""
    return "term-" + re.sub(r"\W+", "-", term.lower()).strip("-")


# --- The sources of the site -----------------------------------------------------------------------


def write_sources(source, notebooks):
    """Write all that Sphinx reads into the folder `source`, made anew; the lessons' names.

    notebooks : Path of the folder with executed notebooks
    """
    import nbformat

    lessons = sorted(notebooks.glob("[0-9]*.ipynb"))
    if not lessons:
        raise CourseError(f"There are no notebooks in {notebooks}: run `make course` first, or leave --from out.")
    shutil.rmtree(source, ignore_errors=True)
    (source / "lessons").mkdir(parents=True)
    (source / "api").mkdir()
    text = GLOSSARY.read_text(encoding="utf-8")
    terms, titles, parts, films = glossary(text), {}, {}, ""
    for path in lessons:
        notebook = nbformat.read(path, as_version=4)
        films = films or _films(notebook)
        titles[path.stem], lesson = title_of(notebook), described(notebook, path.stem)
        parts[path.stem] = f"{'**core**' if lesson.core else 'further'} | {lesson.minutes}" if lesson else " | "
        page = lesson_page(notebook, NOTEBOOKS, source / "lessons", terms)
        nbformat.write(page, source / "lessons" / path.name)
    explained = ENTRY.sub(lambda e: f'<a id="{anchor(e["term"])}"></a>\n\n**{e["term"]}**: {e["meaning"]}\n', text)
    (source / "glossary.md").write_text(explained, encoding="utf-8")
    guide = (NOTEBOOKS / "INSTRUCTORS.md").read_text(encoding="utf-8")
    (source / "instructors.md").write_text(_guide(guide, set(titles)), encoding="utf-8")
    for name, place in {"phantom": "data/README.md", "weights": "data/weights/README.md"}.items():
        (source / f"{name}.md").write_text(_datasheet(HOME / place, source), encoding="utf-8")
    for room in ROOMS:
        (source / "api" / f"{room}.md").write_text(_room_page(room), encoding="utf-8")
    (source / "index.md").write_text(_index(titles, parts, films), encoding="utf-8")
    for picture in ("course.png", "path.png"):
        shutil.copy(HOME / "data" / picture, source / picture)
    shutil.copytree(HERE / "static", source / "_static")
    shutil.copy(HERE / "conf.py", source / "conf.py")
    return list(titles)


def _room_page(room):
    """A room of `util` as a page: its question, then its modules in the order of its contents page."""
    folder = HOME / "util" / room
    page = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    question, *lines = page.splitlines()
    modules = [line.split()[0] for line in lines if line and (folder / f"{line.split()[0]}.py").is_file()]
    parts = [
        f"## {name}\n\n`util.{room}.{name}`\n\n```{{eval-rst}}\n.. automodule:: util.{room}.{name}\n   :members:\n```"
        for name in modules
    ]
    return "\n\n".join([f"# {room}", question, *parts]) + "\n"


def _guide(text, lessons):
    """The instructor's guide, whose links lead to the pages of lessons and glossary; other links become plain text."""

    def turned(link):
        words, target = link[1], link[2]
        if Path(target).stem in lessons:
            return f"[{words}](lessons/{target})"
        return link[0] if target == "glossary.md" or target.startswith(("https://", "#")) else words

    return re.sub(r"\[([^\]]+)\]\(([^)]+)\)", turned, text)


def _datasheet(path, source):
    """A datasheet with its pictures copied beside it; links into the repository become plain text."""
    text = path.read_text(encoding="utf-8")
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text):
        shutil.copy(path.parent / picture, source / Path(picture).name)
    text = re.sub(r"(!\[[^\]]*\])\(([^)]+)\)", lambda m: f"{m[1]}({Path(m[2]).name})", text)
    return re.sub(r"(?<!!)\[([^\]]+)\]\((?!https?://|#)[^)]+\)", r"\1", text)


def _films(notebook):
    """What the set-up cell of a notebook says of the films that it ran on: its first line, up to the first colon."""
    printed = (output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    return next((text.splitlines()[0].split(":")[0] for text in printed if text.strip()), "")


def _index(titles, parts, films):
    """The first page: what the course is, its lessons, and the tree of contents."""
    rows = "\n".join(
        f"| {name[:2].lstrip('0')} | [{title.split('. ', 1)[-1]}](lessons/{name}.ipynb) | {parts[name]} |"
        for name, title in titles.items()
    )
    lessons = "\n".join(f"lessons/{name}" for name in titles)
    rooms = "\n".join(f"api/{room}" for room in ROOMS)
    template = (HERE / "index.md").read_text(encoding="utf-8")
    return (
        template.replace("@FILMS@", films).replace("@ROWS@", rows).replace("@LESSONS@", lessons).replace("@API@", rooms)
    )


# --- Sphinx ----------------------------------------------------------------------------------------


def build(out=SITE, notebooks=NOTEBOOKS):
    """Build the site into the folder `out`, whole or not at all; its first page.

    Parameters
    ----------
    out : Path of the site's folder; what an earlier build left there is replaced, a folder of something else is not
    notebooks : Path of the folder with executed notebooks

    Returns
    -------
    Path of index.html

    Raises
    ------
    CourseError : Sphinx is not installed or stops, there are no notebooks, or `out` holds something else.
    """
    if missing := [name for name in SPHINX if not importlib.util.find_spec(name)]:
        raise CourseError(
            f"The site needs {' and '.join(missing)}: `make site` installs what is missing in an environment of its own; "
            f"without make, run pip install -r {(HERE / 'requirements.txt').relative_to(HOME).as_posix()}."
        )
    if out.exists() and not (out / ".buildinfo").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise CourseError(f"{out} holds something other than the site: name another folder with --out.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="site-", dir=out.parent) as folder:
        source, made = Path(folder, "source"), Path(folder, "made")
        write_sources(source, notebooks)
        _run_sphinx(source, made)
        shutil.rmtree(out, ignore_errors=True)
        made.rename(out)
    return out / "index.html"


def _run_sphinx(source, made):
    """Make pages in the folder `made` of the sources, with a progress bar for what is read and then written."""
    options = ["-W", "--keep-going", "--no-color", "-b", "html", "-d", str(source / ".doctrees")]
    command = [sys.executable, "-m", "sphinx", *options, str(source), str(made)]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, encoding="utf-8")
        try:
            with progress(None, "Pages", total=200) as bar:
                for line in running.stdout:
                    if done := re.match(r"(reading|writing)\b.*\[ *(\d+)%\]", line):
                        bar.update(100 * (done[1] == "writing") + int(done[2]) - bar.n)
        finally:
            running.stdout.close()
            if sys.exc_info()[0]:
                running.terminate()
            code = running.wait()
        if code:
            said.seek(0)
            lines = [line.strip().replace(f"{source}/", "") for line in said if line.strip()]
            raise CourseError(f"Sphinx could not make the site: {' '.join(lines[:2]) or f'it ended with {code}'}")


@command("Stopped; an earlier site is still there. The same command starts again.")
def main(arguments=None):
    """Run the command; returns the exit code."""
    parser = argument_parser("site", __doc__)
    parser.add_argument("--from", dest="notebooks", type=Path, default=NOTEBOOKS, help="folder of executed notebooks")
    parser.add_argument("--out", type=Path, default=SITE, help="folder of the site (build/site)")
    options = parser.parse_args(arguments)
    print("The site is built, which takes about a minute ...", flush=True)
    print(f"The site: {build(options.out.expanduser(), options.notebooks.expanduser())}. Not for clinical use.")
