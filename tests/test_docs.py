"""The reference: public functions say what is related to them, show an example that runs, and name their types."""

import ast
import doctest
import importlib
import re
import tokenize
from itertools import pairwise

import pytest

from util.data.cohort import HOME

UTIL = HOME / "util"
WITH_EXAMPLES = ("metrics", "losses", "data", "explain", "clinic", "hospital", "reading", "archive")
WITH_TYPES = ("metrics", "data", "models", "clinic", "hospital", "reading", "archive")
RELATED = re.compile(r"^(?P<name>[\w.]+) : \S")
TAUGHT = re.compile(r"Taught in lesson ([1-9]|1[0-7])(, section \d+)?\.")
FLAGS = doctest.ELLIPSIS


def modules(*rooms):
    return [path for room in rooms for path in sorted((UTIL / room).glob("*.py")) if path.name != "__init__.py"]


def identifier(path):
    return path.relative_to(UTIL).as_posix()


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def public(nodes, kinds=(ast.FunctionDef, ast.ClassDef)):
    return [node for node in nodes if isinstance(node, kinds) and not node.name.startswith("_")]


def section(docstring, title):
    """Lines of a section of a docstring, up to the next one; none where it is absent."""
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\w[\w ]*\n---|\Z)", docstring, re.M | re.S)
    return [line for line in found[1].splitlines() if line] if found else []


def undocumented(node):
    """What the docstring of a function or class lacks, in words."""
    text = ast.get_docstring(node) or ""
    related, example = section(text, "See Also"), section(text, "Examples")
    lacks = []
    if not 1 <= len(related) <= 3 or not all(map(RELATED.match, related)):
        lacks.append("See Also of one to three lines 'name : why'")
    if not any(line.startswith(">>> ") for line in example):
        lacks.append("an example")
    if "doctest: +SKIP" in text and "Not run by the tests" not in text:
        lacks.append("why its example is not run")
    last = text.splitlines()[-1] if text else ""
    if last.startswith("Taught in") and not TAUGHT.fullmatch(last):
        lacks.append("a lesson from 1 to 17 in its last line")
    return lacks


def untyped(function):
    """Names of the parameters of a function that have no type, and 'return'."""
    given = function.args
    taken = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    names = [one.arg for one in taken if one.annotation is None and one.arg not in ("self", "cls")]
    return names if function.returns is not None else [*names, "return"]


def is_there(name, path):
    """Whether a name of See Also is a module of the course, or defined in one; without a room, in `path`."""
    parts = name.split(".")
    if parts[0] == "util":
        if UTIL.joinpath(*parts[1:]).with_suffix(".py").is_file():
            return True
        path, parts = UTIL.joinpath(*parts[1:-1]).with_suffix(".py"), parts[-1:]
    nodes = tree_of(path).body if path.is_file() else []
    for part in parts:
        node = next((node for node in public(nodes) if node.name == part), None)
        if node is None:
            return False
        nodes = node.body
    return True


@pytest.mark.parametrize("path", modules(*WITH_EXAMPLES), ids=identifier)
def test_examples_run(path, monkeypatch):
    monkeypatch.delenv("CXR_MIRROR", raising=False)
    module = importlib.import_module(".".join(path.relative_to(HOME).with_suffix("").parts))
    runner, told = doctest.DocTestRunner(optionflags=FLAGS), []
    failed = [runner.run(example, out=told.append).failed for example in doctest.DocTestFinder().find(module)]
    assert not sum(failed), "".join(told)


@pytest.mark.parametrize("path", modules(*WITH_EXAMPLES), ids=identifier)
def test_public_names_are_documented(path):
    lacking = {node.name: lacks for node in public(tree_of(path).body) if (lacks := undocumented(node))}
    assert not lacking


@pytest.mark.parametrize("path", modules(*WITH_EXAMPLES), ids=identifier)
def test_what_is_related_is_there(path):
    for node in public(tree_of(path).body):
        for line in section(ast.get_docstring(node), "See Also"):
            assert is_there(RELATED.match(line)["name"], path), f"{node.name}: {line}"


@pytest.mark.parametrize("path", modules(*WITH_TYPES), ids=identifier)
def test_public_functions_have_types(path):
    nodes = tree_of(path).body
    functions = public(nodes, ast.FunctionDef)
    functions += [method for kind in public(nodes, ast.ClassDef) for method in public(kind.body, ast.FunctionDef)]
    assert not {function.name: names for function in functions if (names := untyped(function))}


BARE = '''
def bare(a, *b, c: int = 0):
    """Nothing but a summary."""
'''
COMPLETE = '''
def complete(a: int) -> int:
    """The same number.

    See Also
    --------
    bare : lacks all of this

    Examples
    --------
    >>> complete(1)
    1

    Taught in lesson 6, section 5.
    """
'''


def test_a_bare_function_would_be_noticed():
    (bare,), (complete,) = public(ast.parse(BARE).body), public(ast.parse(COMPLETE).body)
    assert len(undocumented(bare)) == 2 and untyped(bare) == ["a", "b", "return"]
    assert undocumented(complete) == [] and untyped(complete) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("bare : lacks", "bare lacks"),
        (">>> complete(1)", "complete(1)"),
        (">>> complete(1)", ">>> complete(1)  # doctest: +SKIP"),
        ("lesson 6,", "notebook 6,"),
    ],
)
def test_a_wrong_section_would_be_noticed(right, wrong):
    (node,) = public(ast.parse(COMPLETE.replace(right, wrong)).body)
    assert len(undocumented(node)) == 1


def test_a_name_that_is_nowhere_would_be_noticed():
    here = UTIL / "metrics" / "roc.py"
    assert is_there("auc", here) and is_there("util.metrics.roc", here) and is_there("util.metrics.roc.auc", here)
    assert not any(is_there(name, here) for name in ("area", "_steps", "util.metrics.area", "util.metrics.roc.area"))


def test_a_failing_example_would_be_noticed():
    example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(optionflags=FLAGS).run(example, out=lambda _: None).failed == 1


def stuck(path):
    """Where two pieces of one text are joined without a space: (line, end of the first, beginning of the second)."""
    with path.open(encoding="utf-8") as file:
        tokens = [token for token in tokenize.generate_tokens(file.readline) if token.type != tokenize.NL]
    for first, second in pairwise(tokens):
        if first.type == second.type == tokenize.STRING and first.start[0] != second.start[0]:
            end, beginning = first.string[:-1], second.string.lstrip("rbf")[1:]
            if re.search(r"(?<!\\)[\w.,;:]$", end) and re.match(r"\w", beginning):
                yield first.start[0], end[-20:], beginning[:20]


@pytest.mark.parametrize("path", sorted(UTIL.rglob("*.py")), ids=lambda path: path.relative_to(UTIL).as_posix())
def test_texts_in_pieces_have_a_space_where_they_are_joined(path):
    assert not list(stuck(path))
