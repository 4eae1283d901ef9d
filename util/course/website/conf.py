"""Sphinx's settings for the site; util.course.website.build writes the sources beside a copy of this file."""

import re
import subprocess

project = "Reading chest X-rays with deep learning"
author = "The authors of the course"
copyright = "the authors of the course. Text and figures: CC BY 4.0. Code: MIT. Not for clinical use"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_search_summary = False  # it fetches pages, which a browser does not allow to files of a folder
html_domain_indices = False
nb_execution_mode = "off"
nb_output_stderr = "remove"
myst_enable_extensions = ["html_image", "attrs_block"]
myst_heading_anchors = 3
copybutton_selector = "div.cell_input div.highlight pre"
autodoc_mock_imports = ["tensorflow", "keras", "torch"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say it in words
add_module_names = False  # the heading above has it, and a phone has no room for it
napoleon_use_ivar = True  # attributes are listed once, as the docstring has them
napoleon_custom_sections = ["Returns", "Raises"]  # sentences, which Sphinx would take for names and types
suppress_warnings = ["mystnb.unknown_mime_type", "myst.header", "myst.xref_missing", "autodoc", "docutils", "ref"]
default_role = "py:obj"  # names in backticks lead to what they name
language = "en"


def _repository():
    """Address of the public repository that this clone came from, or '' where it has none."""
    try:
        done = subprocess.run(["git", "remote", "get-url", "origin"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    address = done.stdout.strip().removesuffix(".git").replace("git@github.com:", "https://github.com/")
    return address if address.startswith("https://github.com/") else ""


repository = _repository()
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_persistent": [],  # the search is in the sidebar
    "home_page_in_toc": True,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
}
if repository:  # buttons that would point nowhere are left out
    html_theme_options |= {
        "repository_url": repository,
        "path_to_docs": "notebooks",
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {"colab_url": "https://colab.research.google.com", "binderhub_url": "https://mybinder.org"},
    }


# What reStructuredText would take for markup: the end of "logit_", which are no links, and the star of "*.jpg".
MARKUP = re.compile(r"(?<=\w)_(?![\w`])|(?<![\w*`])\*(?=\.)")


def as_written(app, what, name, subject, options, lines):
    """Help napoleon to read a docstring as a reader does.

    In Returns and Raises, each `name : what it is` begins a paragraph. In Parameters, a paragraph of plain text ends the list.
    """
    section, made = "", []
    for line, after in zip(lines, [*lines[1:], ""], strict=False):
        if after.startswith("---"):
            section = line
            made.append(line)
            continue
        line = MARKUP.sub(r"\\\g<0>", line)
        entry, indented = " : " in line, line.startswith(" ")
        if section in ("Returns", "Raises") and entry and not indented:
            made.append("")
        if section in ("Parameters", "Attributes") and made and not made[-1] and line and not (entry or indented):
            section = ""
            made.append("")  # two empty lines end a section
        made.append(line)
    lines[:] = made


def names_may_break(app, name, template, context, doctree):
    """Let the name of a function go on in the next line after a dot: a phone is narrower than some of them."""
    if name.startswith("api/") and "body" in context:
        dotted = re.compile(r"(?<=[>\s(])util(?:\.\w+)+")
        context["body"] = dotted.sub(lambda found: found[0].replace(".", ".<wbr>"), context["body"])


def setup(app):
    """Sphinx calls this. Docstrings are changed before napoleon reads them."""
    app.connect("autodoc-process-docstring", as_written, priority=100)
    app.connect("html-page-context", names_may_break)
