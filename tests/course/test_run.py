"""The runner: small notebooks from first to last, failures, interruptions, and pages that need no network."""

import re
import subprocess
import sys
from dataclasses import replace

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tests.helpers.fetches import Fetches
from tests.helpers.notebook_rules import NAMES
from tests.helpers.run_course import write
from util.course import pages
from util.course import run as course
from util.course.run import NOTEBOOKS, Result, main, notebooks, run_notebook, table, tell_if_few
from util.data.cohort import HOME, Cohort
from util.errors import CourseError

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="  # a black PNG
PICTURE = (
    "from IPython.display import display\n"
    f"display({{'image/png': '{PIXEL}'}}, metadata={{'image/png': {{'alt': 'a black & small pixel'}}}}, raw=True)"
)
MATH = "Let $p < 0.5$ be a prevalence; a film costs $5 or $10, and `$HOME` is code.\n\n$$\\frac{1}{n}\\sum_i y_i$$"
VARIABLES = "import os\nfor name in ('COURSE_BATCH', 'COHORT', 'CXR_ROOT', 'MPLBACKEND'):\n    print(name, '=', os.environ[name])"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A course of two notebooks run after an interrupted one: (folder, folder of pages, exit code, what was printed)."""
    import contextlib
    import io

    base = tmp_path_factory.mktemp("course")
    folder, out = base / "notebooks", base / "out"
    old = new_code_cell("print('1 + 1 =', 1 + 1)", execution_count=7, outputs=[])
    write(folder, "01_first", old, PICTURE, new_markdown_cell(MATH), title="1. Is 1 < 2?")
    write(folder, "02_second", VARIABLES, title="2. Which cohort?")
    out.mkdir()
    for left in ("01_first.ipynb", "01_first.html.part", "02_second.html", "index.html", "index.html.part"):
        (out / left).write_text("left by an interrupted run")
    (out / "my_notes.html").write_text("somebody's own")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(course, "NOTEBOOKS", folder)
        patch.setenv("CXR_ROOT", "no/such/folder")
        code = main(["--out", str(out), "--save"])
    return folder, out, code, printed.getvalue()


# ---- a whole run ------------------------------------------------------------------------------------------------


def test_a_whole_run_passes_and_says_so(whole, phantom_cohort):
    _, out, code, printed = whole
    assert code == 0
    assert printed.startswith(str(phantom_cohort))
    steps = re.findall(r"^\[(\d)/(\d)\] (\w+) \.\.\.\n      passed in \d+ s, (\d+) MB$", printed, re.MULTILINE)
    assert [step[:3] for step in steps] == [("1", "2", "01_first"), ("2", "2", "02_second")]
    assert all(20 < int(step[3]) < 1000 for step in steps)  # a bare kernel
    assert re.search(r"^01_first +\d+ +\d+  passed$", printed, re.MULTILINE)
    assert f"Pages: {out / 'index.html'}. Not for clinical use." in printed


def test_what_an_interrupted_run_left_is_gone_and_nothing_else(whole):
    _, out, _, _ = whole
    names = ["01_first.html", "01_first.ipynb", "02_second.html", "02_second.ipynb", "index.html", "my_notes.html"]
    assert sorted(path.name for path in out.iterdir()) == names
    for path in out.iterdir():
        assert "left by an interrupted run" not in path.read_text(encoding="utf-8")
    assert (out / "my_notes.html").read_text() == "somebody's own"


def test_executed_notebooks_hold_fresh_outputs_and_no_times(whole):
    folder, out, _, _ = whole
    notebook = nbformat.read(out / "01_first.ipynb", as_version=4)
    nbformat.validate(notebook)
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in codes] == [1, 2, 3]
    assert codes[1].outputs[0].text == "1 + 1 = 2\n"
    assert all("execution" not in cell.metadata for cell in notebook.cells)
    assert "peak_memory" not in (out / "01_first.ipynb").read_text()
    assert "$p < 0.5$" in notebook.cells[-1].source  # formulas are turned into MathML in the page only
    for name in ("01_first.ipynb", "02_second.ipynb"):  # --save
        assert (folder / name).read_bytes() == (out / name).read_bytes()
        assert (out / name).read_bytes().endswith(b"}\n")


def test_kernels_get_the_environment(whole):
    _, out, _, _ = whole
    notebook = nbformat.read(out / "02_second.ipynb", as_version=4)
    assert notebook.cells[-1].outputs[0].text.splitlines() == [
        "COURSE_BATCH = 1",
        "COHORT = phantom",
        "CXR_ROOT = ",
        "MPLBACKEND = module://matplotlib_inline.backend_inline",
    ]


def test_pages_fetch_nothing(whole):
    _, out, _, _ = whole
    for path in out.glob("0*.html"):
        assert Fetches(path.read_text(encoding="utf-8")).fetched == [], path.name
    assert Fetches((out / "index.html").read_text(encoding="utf-8")).fetched == []


@pytest.mark.parametrize(
    "page",
    [
        '<script src="https://cdn.example/mathjax.js"></script>',
        '<script src=""></script>',
        '<link rel="stylesheet" href="style.css">',
        '<img src="https://example.org/x.png">',
        "<style>@import 'x.css';</style>",
        "<style>p { background: url('https://example.org/x.png'); }</style>",
        '<script type="module">await import("https://cdn.example/mermaid.js")</script>',
    ],
)
def test_a_page_that_fetches_is_noticed(page):
    assert Fetches(page).fetched


def test_page_shows_formulas_pictures_and_their_texts(whole):
    _, out, _, _ = whole
    text = (out / "01_first.html").read_text(encoding="utf-8")
    page = Fetches(text)
    assert page.tags.count("math") == 2
    assert "mfrac" in page.tags
    assert 'display="block"' in text
    assert "\\frac" not in text
    assert "$5 or $10" in text
    assert "<code>$HOME</code>" in text
    assert page.alts == ["a black & small pixel"]
    assert "1 + 1 = 2" in text


def test_index_leads_to_every_page(whole):
    _, out, _, _ = whole
    text = (out / "index.html").read_text(encoding="utf-8")
    links = Fetches(text).links
    assert links == ["01_first.html", "02_second.html"]
    assert all((out / link).is_file() for link in links)
    assert ">1. Is 1 &lt; 2?</a>" in text  # a title is text, not HTML
    assert ">2. Which cohort?</a>" in text
    assert text.count("<td>passed</td>") == 2
    assert "simulated films (phantom cohort)" in text
    assert "Not for clinical use." in text
    assert "—" not in text


def test_index_of_real_films_says_so(tmp_path):
    pages.write_index([Result("01", "One", 1.0, float("nan"), "FAILED")], tmp_path, "nih")
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "real films (nih cohort, NIH Clinical Center)" in text
    assert "simulated" not in text
    assert "nan" not in re.sub(r'src="data:[^"]*"', "", text)
    assert "<td>FAILED</td>" in text


def test_the_real_course_has_its_titled_notebooks():
    assert [path.stem for path in notebooks()] == NAMES
    for number, path in enumerate(notebooks(), start=1):
        title = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0]
        assert re.fullmatch(rf"# {number}\. \S.*\?", title)
    assert [path.stem[:2] for path in notebooks(["05", "02"])] == ["02", "05"]
    assert HOME / "notebooks" == NOTEBOOKS


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_pages_of_the_real_notebooks(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    pages.write_page(notebook, tmp_path / path.name)
    page = Fetches((tmp_path / f"{path.stem}.html").read_text(encoding="utf-8"))
    assert page.fetched == []
    assert not any(alt is None or alt.startswith("No description") for alt in page.alts)
    prose = [pages.mathml(cell.source) for cell in notebook.cells if cell.cell_type == "markdown"]
    assert page.tags.count("math") == sum(text.count("<math ") for text in prose)
    for text in prose:
        assert not re.search(r"(?<!\\)\$(?!\d)", re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)), text


# ---- few films --------------------------------------------------------------------------------------------------


def of_patients(films):
    """A cohort of one film a patient; the films are never read."""
    rows = pd.DataFrame({"Image": [f"{k}.png" for k in range(films)], "PatientId": range(films)})
    return Cohort("nih", rows, pd.DataFrame(), paths=dict.fromkeys(rows["Image"]))


def test_few_films_are_told(capsys):
    tell_if_few(of_patients(299))
    printed = capsys.readouterr().out
    assert printed.startswith(
        "Few films: 299 films of 299 patients on disk. Every section can be computed from about 300 "
    )
    tell_if_few(of_patients(1))
    assert "1 film of 1 patient on disk." in capsys.readouterr().out
    tell_if_few(replace(of_patients(400), paths={}))
    assert "0 films of 0 patients on disk." in capsys.readouterr().out
    tell_if_few(of_patients(300))
    few = of_patients(300)
    few.films["PatientId"] //= 3
    assert capsys.readouterr().out == ""
    tell_if_few(few)
    assert "300 films of 100 patients" in capsys.readouterr().out


# ---- failures ---------------------------------------------------------------------------------------------------


def test_a_failing_cell_stops_the_course_and_leaves_what_there_is(folder, tmp_path, capsys):
    write(folder, "01_good", "print('fine')")
    stale = new_code_cell("print('after')", execution_count=4, outputs=[new_output("stream", text="after")])
    write(folder, "02_bad", "print('before')", "1 / 0", stale, title="2. Bad?")
    write(folder, "03_never", "open('touched', 'w')")
    before = (folder / "01_good.ipynb").read_bytes()
    out = tmp_path / "out"
    assert main(["--out", str(out), "--save"]) == 1
    printed = capsys.readouterr()
    assert printed.err == "02_bad stopped at cell 3: ZeroDivisionError: division by zero\n"
    assert re.search(r"^01_good .* passed$", printed.out, re.MULTILINE)
    assert re.search(r"^02_bad .* FAILED$", printed.out, re.MULTILINE)
    assert "03_never" not in printed.out
    assert not (folder / "touched").exists()
    assert (folder / "01_good.ipynb").read_bytes() == before  # nothing is saved from a course that failed
    names = ["01_good.html", "01_good.ipynb", "02_bad.html", "02_bad.ipynb", "index.html"]
    assert sorted(path.name for path in out.iterdir()) == names
    index = (out / "index.html").read_text(encoding="utf-8")
    assert index.count("<td>FAILED</td>") == 1
    assert Fetches(index).links == ["01_good.html", "02_bad.html"]
    page = (out / "02_bad.html").read_text(encoding="utf-8")
    assert "ZeroDivisionError" in page
    assert "before" in page
    never = nbformat.read(out / "02_bad.ipynb", as_version=4).cells[4]
    assert (never.outputs, never.execution_count) == ([], None)  # not the output of an earlier day


def test_a_kernel_that_dies_or_hangs_is_a_failure(folder, tmp_path, monkeypatch):
    write(folder, "01_dies", "import os\nos._exit(9)")
    with pytest.raises(CourseError, match="01_dies stopped at cell 2: DeadKernelError: Kernel died"):
        run_notebook(folder / "01_dies.ipynb", tmp_path, {})
    monkeypatch.setattr("util.course.kernel.CELL_SECONDS", 2)
    write(folder, "02_hangs", "import time\ntime.sleep(600)")
    with pytest.raises(CourseError, match=r"02_hangs stopped at cell \d: CellTimeoutError: .*2 seconds"):
        run_notebook(folder / "02_hangs.ipynb", tmp_path, {})


def test_what_a_kernel_says_as_it_ends_is_not_shown(folder, tmp_path, capfd):
    """ipykernel sometimes complains about tasks that it leaves behind, which is nothing to who runs the course."""
    write(folder, "01_ends", "import atexit, os\natexit.register(os.write, 2, b'Task was destroyed')")
    run_notebook(folder / "01_ends.ipynb", tmp_path, {})
    assert capfd.readouterr().err == ""


def test_why_a_kernel_cannot_start_is_shown(folder, tmp_path, capfd):
    (tmp_path / "ipykernel_launcher.py").write_text("raise ImportError('half an installation')")
    write(folder, "01_never", "1")
    with pytest.raises(RuntimeError, match="Kernel died"):
        run_notebook(folder / "01_never.ipynb", tmp_path, {"PYTHONPATH": str(tmp_path)})
    assert "ImportError: half an installation" in capfd.readouterr().err


# ---- small parts ------------------------------------------------------------------------------------------------


def test_table():
    lines = table([Result("01_a", "A", 12.4, 812.3, "passed"), Result("02_b", "B", 3.0, float("nan"), "FAILED")])
    assert lines.splitlines()[1].split() == ["01_a", "12", "812", "passed"]
    assert lines.splitlines()[2].split() == ["02_b", "3", "nan", "FAILED"]
    assert lines.splitlines()[3].split() == ["all", "15"]


def test_peak_memory_grows_with_what_is_held():
    code = "from util.course.run import peak_memory\na = peak_memory(); x = bytearray(200 * 2**20); print(a, peak_memory())"
    run = subprocess.run([sys.executable, "-c", code], cwd=HOME, capture_output=True, text=True, check=True)
    before, after = map(float, run.stdout.split())
    assert 5 < before < 400
    assert 195 < after - before < 230


@pytest.mark.parametrize(
    "text",
    [
        "no formula",
        "costs $5 or $10",
        "`$x$` and ```\n$$y$$\n```",
        r"an escaped \$x$ sign",
        "a price of $3",
    ],
)
def test_what_is_no_formula_stays_as_it_is(text):
    assert pages.mathml(text) == text


def test_formulas_become_mathml():
    assert pages.mathml("for $x$").startswith('for <math xmlns="http://www.w3.org/1998/Math/MathML" display="inline">')
    assert 'display="block"' in pages.mathml("$$\nx\n$$")
    assert pages.mathml("$a$ and $b$").count("<math") == 2
    assert "<mo>&#x0003C;</mo>" in pages.mathml("$p < q$")
