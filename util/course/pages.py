"""Executed notebooks as pages that can be read without Jupyter and without a network."""

import base64
import math
import re

from util.data.cohort import HOME
from util.files import write_text
from util.markup import as_html, picture_html

PATH_ALT = (
    "The path through the lessons: the core lessons in a row, those that go further below them, with minutes and with "
    "arrows from each lesson to those that need it."
)
MATH = re.compile(r"\$\$(?P<display>.+?)\$\$|(?<![\\$])\$(?P<inline>[^$\n]+?)\$(?!\d)", re.DOTALL)
CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)

# nbconvert's page without the scripts that it would fetch from the network, and with the texts of its pictures.
TEMPLATE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block notebook_css -%}
{{ super() }}
<style>.jp-InputArea-editor pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.jp-OutputArea-output pre { white-space: pre; overflow-x: auto; overflow-wrap: normal; word-break: normal; }
.jp-RenderedImage img, .jp-RenderedHTMLCommon img { max-width: 100%; height: auto; }
summary { color: #555; cursor: pointer; padding-left: .5rem; }</style>
{%- endblock -%}
{%- block input_group -%}
{%- set tags = cell.metadata.get('tags', []) -%}
{%- if 'hide-input' in tags -%}
<details><summary>{{ 'Set-up: find the course and choose the cohort' if 'setup' in tags else 'Show the solution' if 'solution' in tags else 'Show the code' }}</summary>{{ super() }}</details>
{%- else -%}{{ super() }}{%- endif -%}
{%- endblock -%}
{%- block data_png scoped -%}
{%- set alt = output | get_metadata('alt', 'image/png') -%}
{{ super() | replace('<img ', '<img alt="' ~ (alt | escape_html) ~ '" ', 1) if alt else super() }}
{%- endblock -%}
{%- block data_jpg scoped -%}
{%- set alt = output | get_metadata('alt', 'image/jpeg') -%}
{{ super() | replace('<img ', '<img alt="' ~ (alt | escape_html) ~ '" ', 1) if alt else super() }}
{%- endblock -%}
"""

STYLE = """
body { font: 17px/1.6 system-ui, sans-serif; max-width: 50rem; margin: 3rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; width: 100%; } td, th { padding: .5rem .8rem; border-bottom: 1px solid #ccc; text-align: left; }
td.number, th.number { text-align: right; } .note { color: #555; }
"""


def mathml(text):
    """Markdown with its LaTeX turned into MathML, which browsers draw by themselves; code is left alone."""
    from latex2mathml.converter import convert

    def replace(match):
        latex, display = match["display"] or match["inline"], match["display"] is not None
        return convert(latex.strip(), display="block" if display else "inline")

    return "".join(part if CODE.fullmatch(part) else MATH.sub(replace, part) for part in CODE.split(text))


def title_of(notebook):
    """The question that a notebook asks in its first line."""
    return notebook.cells[0].source.splitlines()[0].lstrip("# ")


def write_page(notebook, path):
    """Write an executed notebook as .ipynb and as a .html page beside it, each whole or not at all.

    Parameters
    ----------
    notebook : nbformat notebook, version 4
    path : Path of the .ipynb file
    """
    import nbformat
    from nbconvert import HTMLExporter

    page = nbformat.from_dict(notebook)
    for cell in page.cells:
        if cell.cell_type == "markdown":
            cell.source = mathml(cell.source)
    exporter = HTMLExporter(raw_template=TEMPLATE)
    body, _ = exporter.from_notebook_node(page, resources={"metadata": {"name": title_of(notebook)}})
    write_text(path, nbformat.writes(notebook) + "\n")
    write_text(path.with_suffix(".html"), body)


def write_index(results, out, cohort):
    """Write index.html: a table of the notebooks with a link to each page, seconds, memory and verdict.

    Parameters
    ----------
    results : list of util.course.run.Result
    out : Path of the folder that holds the pages
    cohort : 'phantom' or 'nih'
    """
    films = (
        "simulated films (phantom cohort)" if cohort == "phantom" else "real films (nih cohort, NIH Clinical Center)"
    )
    rows = "".join(
        f'<tr><td><a href="{as_html(r.name)}.html">{as_html(r.title)}</a></td><td>{as_html(r.part)}</td>'
        f'<td class="number">{r.seconds:.0f}</td><td class="number">{_megabytes(r)}</td><td>{as_html(r.verdict)}</td></tr>'
        for r in results
    )
    head = (
        '<tr><th>Lesson</th><th>Path, minutes</th><th class="number">Seconds</th><th class="number">Peak MB</th>'
        "<th>Verdict</th></tr>"
    )
    page = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Reading chest X-rays with deep learning</title>'
        f"<style>{STYLE}</style></head><body><h1>Reading chest X-rays with deep learning</h1>"
        f"<p>The course as it ran here, on {films}.</p>{_path()}<table>{head}{rows}</table>"
        '<p class="note">Not for clinical use. Code: MIT. Text and figures: CC BY 4.0.</p></body></html>'
    )
    write_text(out / "index.html", page)


def _path():
    """The picture of the path through the lessons, within the page."""
    file = HOME / "data" / "path.png"
    if not file.is_file():
        return ""
    picture = picture_html(base64.b64encode(file.read_bytes()).decode(), PATH_ALT)
    return picture.replace("<img ", '<img style="max-width: 100%" ', 1)


def _megabytes(result):
    return "" if math.isnan(result.megabytes) else f"{result.megabytes:,.0f}"
