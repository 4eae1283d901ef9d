"""The house: a room uses only what is below it, and deep-learning libraries are imported where they are used."""

import ast

import pytest

from util.data.cohort import HOME

UTIL = HOME / "util"
LAYERS = {
    "": 1,
    "metrics": 2, "losses": 2, "data": 2,
    "phantom": 3, "models": 3, "checks": 3,
    "leaks": 4, "explain": 4, "clinic": 4, "reading": 4,
    "training": 5, "course": 5, "hospital": 5, "archive": 5,
}  # fmt: skip
NETWORKS = {"keras", "tensorflow", "torch"}
AT_THE_TOP = {"models/densenet.py", "losses/keras_loss.py"}  # and all of training
LONGEST_FILE, LONGEST_FUNCTION = 400, 40  # lines, a function's without its docstring


def modules():
    return sorted(path for path in UTIL.rglob("*.py") if path.name != "setup_cell.py")


def room(path):
    parts = path.relative_to(UTIL).parts
    return parts[0] if len(parts) > 1 else ""


def imported(tree):
    """Names of modules of the course that a syntax tree imports anywhere."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "util":
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "util"}
    return found


def room_of(name):
    """The room of an imported name: 'util.metrics.roc.auc' -> 'metrics', 'util.errors.CourseError' -> ''."""
    part = name.split(".")[1] if "." in name else ""
    return part if part in LAYERS else ""


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(UTIL)))
def test_a_room_uses_only_what_is_below(path):
    here = room(path)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    rooms = {room_of(name) for name in imported(tree)} - {here}
    above = {there for there in rooms if LAYERS[there] >= LAYERS[here] and there}
    assert not above, f"{path.name} of {here or 'the ground'} uses {above}"
    if here == "phantom":
        assert "metrics" not in rooms


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(UTIL)))
def test_networks_are_imported_where_they_are_used(path):
    name = path.relative_to(UTIL).as_posix()
    if name in AT_THE_TOP or room(path) == "training":
        return
    tops = ast.parse(path.read_text(encoding="utf-8")).body
    names = {alias.name.split(".")[0] for node in tops if isinstance(node, ast.Import) for alias in node.names}
    names |= {(node.module or "").split(".")[0] for node in tops if isinstance(node, ast.ImportFrom)}
    assert not names & NETWORKS


@pytest.mark.parametrize("folder", sorted({path.parent for path in modules()}), ids=lambda folder: folder.name)
def test_the_contents_page_names_every_module(folder):
    page = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    listed = {line.split()[0] for line in page.splitlines()[1:] if line and not line[0].isspace()}
    rooms = {path.name for path in folder.iterdir() if (path / "__init__.py").is_file()}
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert rooms <= listed
    if folder != UTIL:
        assert files <= listed and listed <= files | rooms


def test_rooms_are_all_on_the_plan():
    assert {path.name for path in UTIL.iterdir() if (path / "__init__.py").is_file()} == set(LAYERS) - {""}


def test_an_arrow_upwards_would_be_noticed():
    tree = ast.parse("def f():\n    from util.course.run import main\n    import util.training.network")
    assert {room_of(name) for name in imported(tree)} == {"course", "training"}


@pytest.mark.parametrize("path", [*modules(), *sorted((HOME / "tests").rglob("*.py"))], ids=lambda path: path.name)
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            described = (ast.get_docstring(node, clean=False) or "").count("\n") + 1
            assert node.end_lineno - node.lineno + 1 - described <= LONGEST_FUNCTION, node.name
