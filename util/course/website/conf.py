"""Sphinx's settings for the site; util.course.website.build writes the sources beside a copy of this file."""

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
nb_execution_mode = "off"
nb_output_stderr = "remove"
myst_enable_extensions = ["html_image", "attrs_block"]
myst_heading_anchors = 3
copybutton_selector = "div.cell_input div.highlight pre"
autodoc_mock_imports = ["tensorflow", "keras", "torch"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say it in words
napoleon_use_ivar = True  # attributes are listed once, as the docstring has them
suppress_warnings = ["mystnb.unknown_mime_type", "myst.header", "myst.xref_missing", "autodoc", "docutils", "ref"]
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
html_theme_options = {
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
