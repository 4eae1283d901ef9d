"""What people install and are told: lock, pyproject, environment.yml, README, and imports agree."""

import ast
import functools
import gzip
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from itertools import product

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from util import __main__ as commands
from util.__main__ import COMMANDS
from util.course import colab
from util.data.cohort import HOME
from util.errors import CourseError

PYPROJECT = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
DECLARED = [Requirement(line) for line in PROJECT["dependencies"] + PYPROJECT["dependency-groups"]["dev"]]
EXTRAS = {Requirement(line).name for lines in PROJECT["optional-dependencies"].values() for line in lines}
LOCK = (HOME / "requirements.lock").read_text(encoding="utf-8")
README = (HOME / "README.md").read_text(encoding="utf-8")
PLATFORMS = {
    "linux x86_64": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    "linux aarch64": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "aarch64"},
    "macos arm64": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
}  # fmt: skip
PYTHONS = [f"3.{minor}" for minor in range(40) if SpecifierSet(PROJECT["requires-python"]).contains(f"3.{minor}.5")]
EVERYWHERE = list(product(PYTHONS, PLATFORMS))
CPYTHON = {"implementation_name": "cpython", "platform_python_implementation": "CPython", "extra": ""}


def locked():
    """(requirement, number of hashes) of every entry of the lock."""
    entries = re.sub(r"\\\n", " ", LOCK).splitlines()
    lines = [line for line in entries if line.strip() and not line.lstrip().startswith("#")]
    return [(Requirement(line.split(" --hash=")[0].strip()), line.count(" --hash=sha256:")) for line in lines]


def holds(requirement, python, platform):
    """Does the marker of a requirement hold on this Python and platform?"""
    place = CPYTHON | PLATFORMS[platform] | {"python_version": python, "python_full_version": f"{python}.9"}
    return requirement.marker is None or requirement.marker.evaluate(place)


def versions(python, platform):
    """{package: [versions]} that the lock installs on this Python and platform."""
    found = {}
    for requirement, _ in locked():
        if holds(requirement, python, platform):
            found.setdefault(canonicalize_name(requirement.name), []).append(str(requirement.specifier))
    return found


# ---- the lock ---------------------------------------------------------------------------------------------------


def test_every_entry_of_the_lock_is_one_version_with_hashes():
    assert len(locked()) > 100
    for requirement, hashes in locked():
        assert re.fullmatch(r"==[\w.+!]+", str(requirement.specifier)), requirement
        assert requirement.url is None
        assert hashes, requirement


@pytest.mark.parametrize("python, platform", EVERYWHERE)
def test_the_lock_gives_one_version_of_each_package_and_one_tensorflow(python, platform):
    found = versions(python, platform)
    assert {name: v for name, v in found.items() if len(v) != 1} == {}
    assert len({"tensorflow", "tensorflow-cpu"} & set(found)) == 1
    assert ("tensorflow-cpu" in found) == (platform == "linux x86_64")


@pytest.mark.parametrize("python, platform", EVERYWHERE)
def test_every_dependency_is_locked_within_its_range(python, platform):
    found = versions(python, platform)
    for requirement in DECLARED:
        if holds(requirement, python, platform):
            version = found[canonicalize_name(requirement.name)][0].removeprefix("==")
            assert requirement.specifier.contains(version), f"{requirement}, locked at {version}"


def test_this_environment_is_the_locked_one():
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{python}.0")
    for requirement, _ in locked():
        here = requirement.marker is None or requirement.marker.evaluate()
        if here and requirement.name not in ("tensorflow", "tensorflow-cpu"):  # GPU users replace it
            installed = importlib.metadata.version(requirement.name)
            assert requirement.specifier.contains(installed, prereleases=True), f"{requirement}, installed {installed}"


def test_environment_yml_takes_python_and_pip_from_conda_and_the_rest_from_the_lock():
    text = (HOME / "environment.yml").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    start = lines.index("dependencies:")
    assert [lines[start + 1].split("=")[0], *lines[start + 2 :]] == [
        "- python",
        "- pip",
        "- pip:",
        "- --require-hashes",
        "- -r requirements.lock",
    ]
    python = lines[start + 1].split("=")[1]
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{python}.0")
    assert f"name: {PROJECT['name']}" in lines
    assert f"conda activate {PROJECT['name']}" in README


# ---- imports ----------------------------------------------------------------------------------------------------


def sources():
    """(name, Python source) of util/, the tests and the notebooks' code."""
    apart = {HOME / "tests" / name for name in ("interop", "bench")}  # they have packages of their own
    for path in [*sorted(HOME.glob("util/**/*.py")), *sorted(HOME.glob("tests/**/*.py"))]:
        if path.parent in apart:
            continue
        yield path.relative_to(HOME).as_posix(), path.read_text(encoding="utf-8")
    for path in sorted(HOME.glob("notebooks/*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield path.name, "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


@functools.cache
def imports():
    """{(module, name of the source)} of all top-level modules imported anywhere."""
    found = set()
    for name, source in sources():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                found |= {(alias.name.split(".")[0], name) for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module.split(".")[0], name))
    return found


def test_every_import_is_of_a_declared_package():
    declared = {canonicalize_name(requirement.name) for requirement in DECLARED}
    packages = importlib.metadata.packages_distributions()
    undeclared = {
        (module, name)
        for module, name in imports()
        if module not in sys.stdlib_module_names | {"util", "tests", "torch"}  # torch: only where Keras runs on it
        and not (module in EXTRAS and name.startswith(("util/archive/", "tests/helpers/ray_")))  # inside functions
        and not declared & {canonicalize_name(package) for package in packages.get(module, [])}
    }
    assert undeclared == set()


def test_every_declared_package_is_used_and_explained():
    used = {module for module, _ in imports()}
    modules = {r.name: colab.IMPORT_NAMES.get(r.name, r.name) for r in DECLARED}
    commands = {"jupyterlab", "nbval", "ruff"}  # run, not imported
    assert {name for name, module in modules.items() if module not in used} == commands
    table = README[README.index("## Packages, and why") :]
    explained = set(re.findall(r"[\w-]+", " ".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE))))
    assert set(modules) - {"tensorflow-cpu"} <= explained


def run_python(code, **options):
    """Standard output of a fresh Python in the course's folder."""
    options = {"cwd": HOME} | options
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_util_without_tensorflow():
    # Evaluation needs no TensorFlow: only these modules may import it, or Keras.
    network = {
        "util.models.densenet",
        "util.losses.keras_loss",
        "util.course.setup_cell",
        "util.course.website.conf",
    }
    network |= {f"util.training.{name}" for name in ("simulated", "finetune", "network", "recipe")}  # PyTorch
    paths = [path.relative_to(HOME).with_suffix("") for path in sorted(HOME.glob("util/**/*.py"))]
    modules = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    modules = [name for name in modules if name not in network and not name.endswith("__main__")]
    assert {
        "util.data.cohort",
        "util.leaks.overlap",
        "util.losses.weighted",
        "util.metrics.roc",
        "util.plots",
        "util.models.scores",
        "util.models.weights",
    } <= {*modules}
    code = f"import importlib, sys\nfor name in {modules!r}:\n    importlib.import_module(name)\n"
    code += "print(sorted({'tensorflow', 'keras', 'torch', 'jax'} & set(sys.modules)))"
    assert run_python(code) == "[]\n"


def test_util_imports_in_one_direction():
    """No module of util imports, even inside a function, one that imports it."""
    graph = {}
    for path in sorted(HOME.glob("util/**/*.py")):
        name = ".".join(path.relative_to(HOME).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = []  # names for readers and checkers of types, which no program imports
        froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
        graph[name] = {m for node in froms for m in (node.module, *(f"{node.module}.{a.name}" for a in node.names))}
    graph = {name: targets & (set(graph) - {"util", name}) for name, targets in graph.items()}
    while leaves := [name for name, targets in graph.items() if not targets & set(graph)]:
        for name in leaves:
            del graph[name]
    assert graph == {}, "these import each other in a ring"


# ---- the set-up cell --------------------------------------------------------------------------------------------


def test_setup_cell_finds_the_course_and_the_cohort(tmp_path):
    code = (HOME / "util" / "course" / "setup_cell.py").read_text(encoding="utf-8")
    outside = run_python(code, cwd=tmp_path) if sys.prefix.startswith(str(HOME)) else None
    inside = run_python(code, cwd=HOME / "notebooks")
    assert inside.startswith("1,620 simulated films (phantom cohort)")
    assert outside in (None, inside)


def test_setup_cell_outside_the_course(tmp_path):
    code = f"import sys\nsys.prefix = {str(tmp_path)!r}\n" + (HOME / "util" / "course" / "setup_cell.py").read_text(
        encoding="utf-8"
    )
    with pytest.raises(AssertionError, match="open this notebook from a clone of the course"):
        run_python(code, cwd=tmp_path, env={**os.environ, "JPY_SESSION_NAME": str(tmp_path / "x.ipynb")})


SETUP = (HOME / "util" / "course" / "setup_cell.py").read_text(encoding="utf-8")


def run_setup(folder, before="", **environment):
    """The set-up cell in a Python that knows nothing of the course but what is told; (exit code, output, errors)."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("COURSE_HOME", "PYTHONPATH", "JPY_SESSION_NAME")
    }
    code = f"import sys\nsys.prefix = {str(folder)!r}\n{before}\n{SETUP}"
    command, environment = [sys.executable, "-P", "-c", code], kept | {n: str(v) for n, v in environment.items()}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, (done.stderr.strip().splitlines() or [""])[-1]


def test_whatever_says_where_the_course_is_is_heard(tmp_path):
    """PYTHONPATH, as nbgrader's users set it; COURSE_HOME; the notebook's own place as Jupyter or VS Code tell it."""
    notebook = HOME / "notebooks" / "02_explore.ipynb"
    ways = {"PYTHONPATH": HOME, "COURSE_HOME": HOME, "JPY_SESSION_NAME": notebook}
    for name, value in ways.items():
        assert run_setup(tmp_path, **{name: value})[:2][0] == 0, name
    code, told, _ = run_setup(tmp_path, before=f"__vsc_ipynb_file__ = {str(notebook)!r}")
    assert code == 0 and told.startswith("1,620 simulated films")
    code, _, told = run_setup(tmp_path)
    assert code and told.endswith("open this notebook from a clone of the course, or set COURSE_HOME to one.")


def test_course_home_goes_before_a_course_beside_the_notebook(tmp_path):
    """A folder util/ that somebody handed in with a notebook is not what the notebook is judged by."""
    (tmp_path / "util").mkdir()
    for name in ("__init__", "data/__init__", "data/cohort", "course/__init__", "course/colab"):
        path = tmp_path / "util" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("load_cohort = install_missing = lambda: 'of the learner'\n")
    assert run_setup(tmp_path)[1] == "of the learner\n"
    assert run_setup(tmp_path, COURSE_HOME=HOME)[1].startswith("1,620 simulated films")


def test_a_wrong_course_home_is_named(tmp_path):
    code, _, told = run_setup(tmp_path, COURSE_HOME=tmp_path / "absent", PYTHONPATH=HOME)
    assert code and f"The course is not found in {tmp_path / 'absent'}, which COURSE_HOME names: open" in told


def test_another_module_of_that_name_is_named(tmp_path):
    (tmp_path / "util.py").write_text("x = 1\n")
    before = f"sys.path.insert(0, {str(tmp_path)!r})\n"
    code, _, told = run_setup(tmp_path, before=f"{before}import util", PYTHONPATH=HOME)
    assert code and told == (
        f"ImportError: Another module named util is loaded, {tmp_path / 'util.py'}: restart the kernel and run this cell first."
    )
    code, told, _ = run_setup(tmp_path, before=before, PYTHONPATH=HOME)  # beside the notebook, but not loaded yet
    assert code == 0 and told.startswith("1,620 simulated films")


def test_colab_adds_only_what_is_missing(monkeypatch):
    assert colab.missing_packages(PROJECT["dependencies"]) == []
    assert colab.missing_packages(
        ["no-such-package>=2", "numpy>=2", "pytest", "no-such-too; sys_platform == 'other'"]
    ) == ["no-such-package>=2"]
    calls = []
    monkeypatch.setattr(colab.subprocess, "run", lambda command, check: calls.append(command))
    colab.install_missing()
    assert calls == []  # not on Colab
    monkeypatch.setitem(sys.modules, "google.colab", object())
    colab.install_missing()
    assert calls == []  # nothing is missing
    monkeypatch.setattr(colab, "missing_packages", lambda dependencies: ["latex2mathml>=3.77"])
    colab.install_missing()
    assert calls == [[sys.executable, "-m", "pip", "install", "--quiet", "latex2mathml>=3.77"]]

    def fail(command, check):
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(colab.subprocess, "run", fail)
    with pytest.raises(CourseError, match=r"latex2mathml>=3\.77 could not be installed: read what pip says above"):
        colab.install_missing()


# ---- what people are told ---------------------------------------------------------------------------------------


def test_every_make_command_told_is_a_target():
    makefile = (HOME / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    phony = set(re.search(r"^\.PHONY: (.*)", makefile, re.MULTILINE).group(1).split())
    assert phony == targets
    told = README + (HOME / ".ci" / "run").read_text(encoding="utf-8") + makefile
    assert set(re.findall(r"(?:^ *|[`|] *)make ([a-z-]+)", told, re.MULTILINE)) <= targets
    assert {"course", "test", "lab", "bench"} <= targets


def test_every_module_told_can_be_run():
    told = README + "".join(path.read_text(encoding="utf-8") for path in HOME.glob("data/**/README.md"))
    commands = set(re.findall(r"python -m util ([\w-]+)", told))
    assert {"course", "train", "results", "score"} <= commands <= set(COMMANDS)
    for module in set(re.findall(r"python -m ((?:util|tests)\.[\w.]*)", told)):
        assert (HOME.joinpath(*module.split(".")) / "__main__.py").is_file(), module


def test_every_command_has_a_main_and_a_line():
    for name, (module, what) in COMMANDS.items():
        path = HOME.joinpath(*module.split(".")).with_suffix(".py")
        assert "def main(" in path.read_text(encoding="utf-8"), name
        assert 10 < len(what) < 70


def test_commands_are_listed_and_a_wrong_one_is_told(capsys):
    assert commands.main([]) == 0
    told = capsys.readouterr().out
    assert all(f"\n  {name} " in told for name in COMMANDS)
    assert commands.main(["no-such"]) == 2
    assert "There is no command 'no-such': `python -m util` lists them." in capsys.readouterr().err


@pytest.mark.parametrize("page", ["README.md", "data/README.md", "data/phantom/README.md", "data/weights/README.md"])
def test_every_link_and_path_told_exists(page):
    text = (HOME / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)", text)
    for link in links:
        if not link.startswith(("http://", "https://")):
            assert (HOME / page).parent.joinpath(link).exists(), link
    for name in re.findall(r"^\| `([\w.*/-]+)`", text, re.MULTILINE):  # the table of what a folder holds
        assert list((HOME / page).parent.glob(name)), name
    for path in re.findall(r"`((?:util|notebooks|tests|data)/[\w/.-]+)`", text):
        assert (HOME / path).exists(), path


def tracked():
    """(path, text) of every tracked text file."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=HOME, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a git repository")
    for name in filter(None, listing.stdout.split("\0")):
        path = HOME / name
        if path.is_file() and path.suffix not in (".png", ".jpg", ".safetensors", ".pt", ".npz"):
            raw = path.read_bytes()
            yield name, (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")


def test_no_tracked_file_names_a_folder_of_somebodys_machine():
    folders = "|".join(["work", "root", "opt"])  # written so that this very file does not hold them
    pattern = re.compile(rf"(?<![\w./:~-])/(?:{folders})/")
    shown = "tests/course/test_notebooks.py"  # tries a rule of its own on such a path
    assert [(name, m.group()) for name, text in tracked() if name != shown for m in pattern.finditer(text)] == []


def test_no_tracked_file_names_a_package_registry():
    lines = [line for line in LOCK.splitlines() if not line.lstrip().startswith("#")]
    assert not [line for line in lines if "://" in line or "index-url" in line]
    option = re.compile("--(?:extra-)?index" + "-url[ =]|--find" + "-links|--trusted" + "-host")
    assert [(name, m.group()) for name, text in tracked() for m in option.finditer(text)] == []
