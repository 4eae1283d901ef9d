"""The course on paper: one page to print, and a PDF of it where there is a Chromium.

    python -m util pdf                       of notebooks/, as build/paper/course.html and course.pdf
    python -m util pdf --from build/course   of the notebooks as they ran here

Exercises are open, and their solutions are at the end. Code that only sets up or draws is left out; its figures stay.
"""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from util.command import argument_parser, command
from util.course.editions import NOTEBOOKS, learners_copy
from util.course.pages import mathml, title_of
from util.data.cohort import HOME
from util.errors import CourseError
from util.files import write_text
from util.markup import as_html

PAPER = HOME / "build" / "paper"
PROGRAMS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "microsoft-edge",
)
INSTALLED = (  # where macOS and Windows put them, outside the path
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "{ProgramFiles}/Google/Chrome/Application/chrome.exe",
    "{ProgramFiles(x86)}/Microsoft/Edge/Application/msedge.exe",
)
SECONDS = 300
STYLE = """
@page { size: A4; margin: 18mm 16mm; @bottom-center { content: counter(page); font: 9pt sans-serif; } }
body { font: 10.5pt/1.45 "DejaVu Serif", Georgia, serif; color: #111; max-width: 178mm; margin: 0 auto; }
h1, h2, h3 { font-family: "DejaVu Sans", Arial, sans-serif; line-height: 1.2; break-after: avoid; }
section { break-before: page; }
pre { font: 8.5pt/1.35 "DejaVu Sans Mono", Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere;
  background: #f4f4f4; padding: 2mm; margin: 2mm 0; }
.jp-OutputArea-output pre { background: none; border-left: 1mm solid #ccc; padding: 0 0 0 2mm; }
img { max-width: 100%; max-height: 200mm; width: auto; height: auto; break-inside: avoid; }
table { border-collapse: collapse; font-size: 8.5pt; break-inside: avoid; }
th, td { border-bottom: 1px solid #bbb; padding: 1mm 2mm; text-align: left; vertical-align: top; }
a { color: inherit; text-decoration: none; }
nav a::after { content: leader(".") target-counter(attr(href), page); }
.jp-InputPrompt, .jp-OutputPrompt, .anchor-link { display: none; }
"""
TEMPLATE = """{%- extends 'basic/index.html.j2' -%}
{%- block input -%}<pre>{{ cell.source | escape_html }}</pre>{%- endblock -%}
{%- block in_prompt -%}{%- endblock -%}
{%- block input_group -%}
{%- if 'hide-input' not in cell.metadata.get('tags', []) -%}{{ super() }}{%- endif -%}
{%- endblock -%}
"""


# --- One page of everything ------------------------------------------------------------------------


def whole_course(notebooks):
    """All lessons as one HTML page to print: contents, lessons with open exercises, glossary, solutions.

    Parameters
    ----------
    notebooks : Path of a folder of executed notebooks

    Returns
    -------
    str, the page; it asks nothing of a network

    Raises
    ------
    CourseError : there are no notebooks in the folder.

    See Also
    --------
    util.course.website.build.build : the course as a site
    """
    import nbformat

    paths = sorted(notebooks.glob("[0-9]*.ipynb"))
    if not paths:
        raise CourseError(f"There are no notebooks in {notebooks}: run `make course` first, or leave --from out.")
    titles, sections, solutions = [], [], []
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        titles.append((path.stem, title_of(notebook)))
        lesson = learners_copy(notebook, NOTEBOOKS, NOTEBOOKS)
        solved = [cell for cell in lesson.cells if "solution" in cell.metadata.get("tags", [])]
        lesson.cells = [cell for cell in lesson.cells if cell not in solved]
        sections.append(f'<section id="{path.stem}">{_html(lesson)}</section>')
        if solved:
            code = "".join(f"<pre>{as_html(cell.source)}</pre>" for cell in solved)
            solutions.append(f"<h2>{as_html(titles[-1][1])}</h2>{code}")
    glossary = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell((NOTEBOOKS / "glossary.md").read_text(encoding="utf-8"))]
    )
    sections.append(f'<section id="glossary">{_html(glossary)}</section>')
    sections.append(f'<section id="solutions"><h1>Solutions</h1>{"".join(solutions)}</section>')
    titles += [("glossary", "Glossary"), ("solutions", "Solutions")]
    return _page(titles, sections)


def _html(notebook):
    """The cells of a notebook as HTML, without scripts; what a cell wrote to the error channel is left out."""
    from nbconvert import HTMLExporter

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = mathml(cell.source)
        if "hide-input" in cell.metadata.get("tags", []):
            cell.metadata["tags"] = ["hide-input"]
    body, _ = HTMLExporter(raw_template=TEMPLATE).from_notebook_node(notebook)
    return re.sub(r"<(script|style)\b.*?</\1>", "", body, flags=re.DOTALL)


def _page(titles, sections):
    lines = "".join(f'<li><a href="#{name}">{as_html(title)}</a></li>' for name, title in titles)
    name = "Reading chest X-rays with deep learning"
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{name}</title><style>{STYLE}</style></head>'
        f"<body><h1>{name}</h1><p>Not for clinical use. A result on simulated films says nothing about patients.</p>"
        f'<p>Text and figures: CC BY 4.0. Code: MIT.</p><nav><ul style="list-style: none; padding: 0">{lines}</ul></nav>'
        f"{''.join(sections)}</body></html>\n"
    )


# --- The PDF ---------------------------------------------------------------------------------------


def chromium():
    """The program of a Chromium, Chrome or Edge that is installed here, or None."""
    found = filter(None, map(shutil.which, PROGRAMS))
    places = (Path(place.format_map(_Known(os.environ))) for place in INSTALLED)
    return next(found, None) or next((str(place) for place in places if place.is_file()), None)


class _Known(dict):
    """Environment variables, empty where there is none of the name."""

    def __missing__(self, name):
        return ""


def print_page(page, pdf, program):
    """Print an HTML file to a PDF file, whole or not at all.

    Parameters
    ----------
    page, pdf : Path of the HTML file, and of the PDF file to be written
    program : str, a Chromium, as `chromium` finds it

    Raises
    ------
    CourseError : the program gives no PDF.
    """
    with tempfile.TemporaryDirectory(prefix="pdf-", dir=pdf.parent) as folder:
        made = Path(folder, "made.pdf")
        # A profile of its own: the reader's open windows are left alone. Root, as in a container, has no sandbox.
        options = ["--headless", "--disable-gpu", "--no-pdf-header-footer", f"--user-data-dir={folder}/profile"]
        options += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command = [program, *options, f"--print-to-pdf={made}", page.resolve().as_uri()]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        if not made.is_file():
            raise CourseError(f"{program} made no PDF: open {page} in a browser and print it from there.")
        made.replace(pdf)


@command()
def main(arguments=None):
    """Run the command; returns the exit code."""
    parser = argument_parser("pdf", __doc__)
    parser.add_argument("--from", dest="notebooks", type=Path, default=NOTEBOOKS, help="folder of executed notebooks")
    parser.add_argument("--out", type=Path, default=PAPER, help="folder of the page and the PDF (build/paper)")
    options = parser.parse_args(arguments)
    out = options.out.expanduser().resolve()
    out.mkdir(parents=True, exist_ok=True)
    page, pdf = out / "course.html", out / "course.pdf"
    write_text(page, whole_course(options.notebooks.expanduser()))
    program = chromium()
    if not program:
        raise CourseError(
            f"No Chromium, Chrome or Edge was found here: open {page} in any browser and print it from there."
        )
    print("The PDF is made, which takes some seconds ...", flush=True)
    print_page(page, pdf, program)
    print(f"On paper: {pdf}. Not for clinical use.")
