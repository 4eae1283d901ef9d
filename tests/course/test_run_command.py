"""The command that runs the course, without kernels: order, choice, mistakes, full disks, interruptions."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from tests.helpers.run_course import write
from util.course import run as course
from util.course.run import main
from util.data.cohort import HOME

# ---- the command, without kernels -------------------------------------------------------------------------------


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
    assert "index.html cannot be written (No space left on device): make room there" in capsys.readouterr().err
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
        f"import sys\nfrom pathlib import Path\nfrom util.course import run\nrun.NOTEBOOKS = Path({str(folder)!r})\n"
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
