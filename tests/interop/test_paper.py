"""The PDF of two lessons, made by a Chromium and read by another program."""

import shutil
from pathlib import Path

import nbconvert
import pytest

pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed here: make test-interop installs it")

from util.course.editions import NOTEBOOKS
from util.course.paper import chromium, main


def test_the_pdf_has_text_formulas_figures_and_the_solutions(tmp_path, monkeypatch):
    if not chromium():
        pytest.skip("there is no Chromium here")
    # The templates of nbconvert are where it is installed, which is the environment of the course.
    monkeypatch.setenv("JUPYTER_PATH", str(Path(nbconvert.__file__).parents[4] / "share" / "jupyter"))
    for name in ("04_weighted_loss", "06_roc"):
        shutil.copy(NOTEBOOKS / f"{name}.ipynb", tmp_path)
    assert main(["--from", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["course.html", "course.pdf"]
    pages = pypdf.PdfReader(tmp_path / "out" / "course.pdf").pages
    texts = [page.extract_text() for page in pages]
    assert 15 < len(pages) < 120
    for words in ("Not for clinical use", "Why weight the loss, and how?", "Glossary", "Solutions"):
        assert any(words in text for text in texts), words
    assert any("\U0001d45e" in text or "q=" in text.replace(" ", "") for text in texts)  # a formula's own letter
    assert "_solution(" in "".join(texts[-12:]) and "_solution(" not in "".join(texts[: len(texts) // 2])
    assert sum(len(page.images) for page in pages) > 10
