"""The set-up cell on Colab, beside a server that answers as Colab's does; and the buttons that lead there."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.helpers.notebook_rules import NAMES
from util.course import badges, colab
from util.course.badges import buttons, owner_and_name, stamp
from util.course.lessons import all_lessons
from util.data.cohort import HOME
from util.errors import CourseError

SETUP = (HOME / "util" / "course" / "setup_cell.py").read_text(encoding="utf-8")
ADDRESS = "127.0.0.73"  # of this machine; the port of Colab's sessions is fixed
STUB = "load_cohort = install_missing = lambda: 'a copy of the course'\n"


@pytest.fixture
def sessions():
    """A server of sessions; set `sessions.path` to what Colab says of the notebook."""

    class Sessions(BaseHTTPRequestHandler):
        def do_GET(self):
            answer = json.dumps([{"path": server.path}] if server.path else []).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    try:
        server = HTTPServer((ADDRESS, 9000), Sessions)
    except OSError as error:
        pytest.skip(f"port 9000 of {ADDRESS} cannot be had here ({error.strerror})")
    server.path = ""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def repository(tmp_path):
    """A repository that looks like the course's, with a branch `fix/one`."""
    root = tmp_path / "upstream"
    for name in (
        "util/__init__",
        "util/data/__init__",
        "util/data/cohort",
        "util/course/__init__",
        "util/course/colab",
    ):
        path = root / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(STUB)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["checkout", "-q", "-b", "fix/one"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], cwd=root, check=True)
    return root


def on_colab(folder, repository=None, before="", address=""):
    """The set-up cell as Colab would run it: (exit code, output, last line of errors)."""
    folder.mkdir()
    environment = {k: v for k, v in os.environ.items() if k not in ("COURSE_HOME", "PYTHONPATH", "JPY_SESSION_NAME")}
    environment |= {"COLAB_JUPYTER_IP": ADDRESS, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_COUNT": "1"}
    environment |= {
        "GIT_CONFIG_KEY_0": f"url.{repository or folder / 'absent'}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/ada/course",
    }
    cell = SETUP.replace('REPOSITORY = ""', f'REPOSITORY = "{address}"') if address else SETUP
    code = f"import sys\nsys.modules['google.colab'] = sys\nsys.prefix = {str(folder)!r}\n{before}\n{cell}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, (done.stderr.strip().splitlines() or [""])[-1]


def test_a_fork_opens_its_own_course(sessions, repository, tmp_path):
    sessions.path = "fileId=https%3A//github.com/ada/course/blob/fix/one/notebooks/02_explore.ipynb"
    code, told, errors = on_colab(tmp_path / "content", repository)
    assert (code, told) == (0, "a copy of the course\n"), errors
    assert (tmp_path / "content" / "chest-xray-course" / "util" / "data" / "cohort.py").is_file()


@pytest.mark.parametrize("path", ["fileId=1AbCdEf", "", "fileId=https%3A//github.com/ada", "notebooks/x.ipynb"])
def test_a_copy_on_drive_takes_the_stamped_address(sessions, repository, tmp_path, path):
    sessions.path = path
    code, _, errors = on_colab(tmp_path / "none", repository)
    assert code and errors.endswith("open this notebook from a clone of the course, or set COURSE_HOME to one.")
    address = "https://github.com/ada/course"
    assert on_colab(tmp_path / "stamped", repository, address=address)[:2] == (0, "a copy of the course\n")


def test_a_course_that_cannot_be_copied_is_one_sentence(sessions, tmp_path):
    sessions.path = "fileId=https%3A//github.com/ada/course/blob/main/notebooks/02_explore.ipynb"
    code, _, errors = on_colab(tmp_path / "content")
    assert code and errors == (
        "FileNotFoundError: https://github.com/ada/course could not be copied: read what git says above, and run this cell again."
    )


def test_what_is_too_old_and_not_in_use_is_installed(monkeypatch):
    versions = {"pydicom": "2.4.0", "numpy": "1.0", "tqdm": "4.0"}
    plain = colab.importlib.metadata.version
    monkeypatch.setattr(colab.importlib.metadata, "version", lambda name: versions.get(name) or plain(name))
    monkeypatch.delitem(sys.modules, "pydicom", raising=False)
    import tqdm

    assert tqdm.__name__ in sys.modules
    wanted = ["pydicom>=3.0.1", "numpy>=2", "tqdm>=4.66"]  # NumPy is Colab's own, tqdm is in use
    assert colab.missing_packages(wanted) == ["pydicom>=3.0.1"]


# ---- the buttons ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["https://github.com/ada/x-ray.course", "git@github.com:ada/x-ray.course.git", "https://github.com/ada/x-ray.course/\n"]
)  # fmt: skip
def test_an_address_is_read(address):
    assert owner_and_name(address) == ("ada", "x-ray.course")


@pytest.mark.parametrize("address", ["", "ada/course", "https://example.org/ada/course", "https://github.com/ada"])
def test_another_address_is_refused(address):
    with pytest.raises(CourseError, match="is no address on GitHub"):
        owner_and_name(address)


def test_buttons_lead_to_lessons_that_exist():
    links = re.findall(r"\]\(([^)]+)\)", buttons("ada", "course", all_lessons()))
    assert len(links) == 2 * len(NAMES)
    assert {re.search(r"notebooks/(\w+)\.ipynb$", link)[1] for link in links} == set(NAMES)
    assert all(link.startswith(("https://colab.research.google.com/github/ada/course/blob/main/", "https://mybinder.org/v2/gh/ada/course/main?urlpath=lab/tree/")) for link in links)  # fmt: skip


def test_one_command_stamps_cell_notebooks_and_readme(tmp_path):
    for name in ("README.md", "util/course/setup_cell.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HOME / name, tmp_path / name)
    shutil.copytree(HOME / "notebooks", tmp_path / "notebooks")
    for address in ("git@github.com:ada/course.git", "https://github.com/bob/fork"):  # a second stamp takes its place
        url = stamp(address, tmp_path)
    assert url == "https://github.com/bob/fork"
    cell = (tmp_path / "util" / "course" / "setup_cell.py").read_text(encoding="utf-8")
    assert cell == SETUP.replace('REPOSITORY = ""', f'REPOSITORY = "{url}"')
    for path in (tmp_path / "notebooks").glob("*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert "".join(notebook["cells"][1]["source"]).strip() == cell.strip()
        notebook["cells"][1]["source"] = SETUP.strip().splitlines(keepends=True)
        assert notebook == json.loads((HOME / "notebooks" / path.name).read_text(encoding="utf-8"))
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert (
        readme.count("colab.research.google.com/github/bob/fork/")
        == readme.count("mybinder.org/v2/gh/bob/fork/")
        == len(NAMES)
    )
    assert "ada" not in readme


def test_nothing_points_nowhere():
    """Buttons are there only with an address, and with the one of the set-up cell."""
    stamped = re.search(r'^REPOSITORY = "(.*?)"', SETUP, re.MULTILINE)[1]
    readme = (HOME / "README.md").read_text(encoding="utf-8")
    shown = readme[readme.index("<!-- badges -->\n") + 16 : readme.index("<!-- end of badges -->")]
    assert shown == (buttons(*owner_and_name(stamped), all_lessons()) if stamped else "")


def test_a_clone_without_a_remote_says_what_to_do(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(badges, "HOME", tmp_path)
    assert badges.main([]) == 2
    assert "This clone has no remote `origin`: name the course's address" in capsys.readouterr().err
