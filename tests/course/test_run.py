"""The runner: small notebooks from first to last, failures, interruptions, and pages that need no network."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.helpers.fetches import Fetches
from tests.helpers.notebook_rules import NAMES
from util.course import pages
from util.course import run as course
from util.course.run import NOTEBOOKS, Result, main, notebooks, run_notebook, table, tell_if_few
from util.data.cohort import HOME, Cohort
from util.errors import CourseError

FIND = f"import sys; sys.path.insert(0, {str(HOME)!r})"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="  # a black PNG
PICTURE = (
    "from IPython.display import display\n"
    f"display({{'image/png': '{PIXEL}'}}, metadata={{'image/png': {{'alt': 'a black & small pixel'}}}}, raw=True)"
)
MATH = "Let $p < 0.5$ be a prevalence; a film costs $5 or $10, and `$HOME` is code.\n\n$$\\frac{1}{n}\\sum_i y_i$$"
VARIABLES = "import os\nfor name in ('COURSE_BATCH', 'COHORT', 'CXR_ROOT', 'MPLBACKEND'):\n    print(name, '=', os.environ[name])"


def write(folder, name, *cells, title="What is here?"):
    """A notebook with a title, the code cells given, and a cell that a kernel of the course can end with."""
    cells = [cell if isinstance(cell, dict) else new_code_cell(cell) for cell in cells]
    notebook = new_notebook(cells=[new_markdown_cell(f"# {title}"), new_code_cell(FIND), *cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder in place of notebooks/."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(course, "NOTEBOOKS", tmp_path / "notebooks")
    return tmp_path / "notebooks"


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
    assert "nan" not in text
    assert "<td>FAILED</td>" in text


def test_the_real_course_has_six_titled_notebooks():
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
    monkeypatch.setattr(course, "CELL_SECONDS", 2)
    write(folder, "02_hangs", "import time\ntime.sleep(600)")
    with pytest.raises(CourseError, match=r"02_hangs stopped at cell \d: CellTimeoutError: .*2 seconds"):
        run_notebook(folder / "02_hangs.ipynb", tmp_path, {})


# ---- the command, without kernels -------------------------------------------------------------------------------


@pytest.fixture
def run(folder, tmp_path, monkeypatch):
    """main() on three notebooks that are not executed; returns what `run_notebook` was called with."""
    calls = []

    def pretend(path, out, environment):
        calls.append((path.stem, environment))
        (out / f"{path.stem}.html").touch()
        return Result(path.stem, f"Title of {path.stem}", 1.0, 100.0, "passed")

    for name in ("02_b", "01_a", "03_c"):
        write(folder, name)
    monkeypatch.setattr(course, "run_notebook", pretend)

    def run(*arguments):
        calls.clear()
        return main(["--out", str(tmp_path / "out"), *arguments]), calls

    return run


def test_order_and_choice_of_notebooks(run):
    assert [name for name, _ in run()[1]] == ["01_a", "02_b", "03_c"]
    assert [name for name, _ in run("--only", "03", "01")[1]] == ["01_a", "03_c"]


def test_a_notebook_that_does_not_exist(run, tmp_path, capsys):
    run()
    assert run("--only", "07") == (2, [])
    assert "--only takes numbers of 01, 02, 03." in capsys.readouterr().err
    assert (tmp_path / "out" / "index.html").is_file()  # the pages of the run before are still there


def test_no_notebooks(folder, tmp_path, capsys):
    assert main(["--out", str(tmp_path / "out")]) == 2
    assert "No such notebook" in capsys.readouterr().err


def test_real_films_by_argument_or_environment(run, nih_files, monkeypatch, capsys):
    nih_files.labels(("a.png", "Mass"))
    nih_files.film("a.png")
    root = str(nih_files.root)
    code, calls = run("--cohort", "nih", "--root", root)
    assert code == 0
    assert {(e["COHORT"], e["CXR_ROOT"], e["COURSE_BATCH"]) for _, e in calls} == {("nih", root, "1")}
    assert "1 real films" in capsys.readouterr().out
    monkeypatch.setenv("CXR_ROOT", root)
    assert {e["CXR_ROOT"] for _, e in run("--cohort", "nih", "--root", "")[1]} == {root}  # as `make course` calls it
    monkeypatch.setenv("COHORT", "nih")
    assert {e["COHORT"] for _, e in run()[1]} == {"nih"}
    monkeypatch.chdir(nih_files.root.parent)
    assert {e["CXR_ROOT"] for _, e in run("--root", "nih")[1]} == {root}  # kernels run in another folder


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--cohort", "chexpert"], "no cohort 'chexpert': use 'phantom' or 'nih'"),
        (["--cohort", "nih"], "Where are the real films?"),
        (["--cohort", "nih", "--root", "no/such/folder"], "There is no folder"),
        (["--root", "films"], "for the films in films add --cohort nih"),
        (["--cohort", "nih", "--root", "x", "--save"], "Only outputs of the phantom cohort are saved"),
    ],
)
def test_mistakes_in_the_arguments(run, capsys, arguments, sentence):
    assert run(*arguments) == (2, [])
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_pages_never_replace_the_notebooks(run, folder, capsys):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert run("--out", str(folder)) == (2, [])
    assert "holds the notebooks themselves" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def refuse(error):
    def raise_it(*_, **__):
        raise error

    return raise_it


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_file_where_the_folder_of_pages_should_be(run, tmp_path, capsys, place):
    (tmp_path / "file").write_text("kept")
    assert run("--out", str(tmp_path / place)) == (2, [])
    assert f"The folder {tmp_path / place} cannot be written (" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_of_pages_that_cannot_be_written(run, monkeypatch, capsys):
    monkeypatch.setattr("pathlib.Path.touch", refuse(PermissionError(13, "Permission denied")))
    assert run() == (2, [])
    assert "cannot be written (Permission denied): change its permissions" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_folder_without_permission(run, tmp_path, capsys):
    (tmp_path / "out").mkdir(mode=0o500)
    assert run() == (2, [])
    assert "Permission denied" in capsys.readouterr().err


def test_a_disk_that_fills_up_at_the_end(run, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_text", refuse(OSError(28, "No space left on device")))
        assert run()[0] == 2
    assert "index.html cannot be written (No space left on device): free some space" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.part"))


def test_interrupted_between_two_notebooks(run, tmp_path, monkeypatch, capsys):
    plain = course.run_notebook

    def stop(path, out, environment):
        if path.stem == "02_b":
            raise KeyboardInterrupt
        return plain(path, out, environment)

    with monkeypatch.context() as patch:
        patch.setattr(course, "run_notebook", stop)
        assert run()[0] == 130
    assert "The same command starts the course again." in capsys.readouterr().err
    assert run()[0] == 0
    assert (tmp_path / "out" / "index.html").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl+C reaches a process of Windows another way")
def test_interrupted_in_a_cell(folder, tmp_path):
    write(
        folder,
        "01_long",
        "import os\nprint(os.getpid(), file=open('pid', 'w'), flush=True)\nimport time\ntime.sleep(99)",
    )
    script = (
        f"import sys\nfrom pathlib import Path\nfrom util import course\ncourse.NOTEBOOKS = Path({str(folder)!r})\n"
    )
    script += f"sys.exit(run.main(['--out', {str(tmp_path / 'out')!r}]))"
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=HOME,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores Ctrl+C
    )
    try:
        pid = wait_for(lambda: (folder / "pid").is_file() and (folder / "pid").read_text().strip(), 300)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors.decode() == "\nStopped. The same command starts the course again.\n"
    assert not list((tmp_path / "out").glob("*.part"))
    assert wait_for(lambda: not running(int(pid)), 300)


def wait_for(condition, seconds):
    """The condition's value as soon as it is true; it must be within some seconds."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return value


def running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


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
