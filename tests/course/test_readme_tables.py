"""The README's figures are those of the command that it names."""

import re

from PIL import Image

from util.course.readme_tables import finetuned_results, main, picture, results
from util.data.cohort import HOME, load_cohort
from util.findings import FINDINGS


def readme_table(cohort):
    text = (HOME / "README.md").read_text(encoding="utf-8")
    return re.search(rf"<!-- results: {cohort} -->\n(.*?)\n<!-- end -->", text, re.DOTALL)[1].strip()


def test_readme_holds_the_measured_results_of_the_phantom():
    assert readme_table("phantom") == results(load_cohort("phantom"))


def test_readme_holds_the_measured_results_of_real_films(nih_root):
    """Real films are scored once; other machines may differ in the last printed digit, so numbers are compared."""
    written, measured = readme_table("nih"), results(load_cohort("nih", nih_root))
    number = re.compile(r"\d+\.\d+")
    assert number.sub("", written) == number.sub("", measured)
    pairs = zip(number.findall(written), number.findall(measured), strict=True)
    assert all(abs(float(a) - float(b)) < 0.0015 for a, b in pairs)


def test_readme_holds_the_measured_results_after_fine_tuning(capsys):
    assert readme_table("fine-tuned") == finetuned_results()
    assert main(["--finetuned"]) == 0
    assert capsys.readouterr().out.strip() == finetuned_results()


def test_results_print_every_finding_once(monkeypatch, capsys):
    monkeypatch.setenv("COHORT", "phantom")
    assert main([]) == 0
    rows = [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines()]
    assert [row for row in rows if row in FINDINGS] == list(FINDINGS)


def test_results_of_an_unknown_cohort_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setenv("COHORT", "kaggle")
    assert main([]) == 2
    assert "no cohort 'kaggle'" in capsys.readouterr().err


def test_picture_is_a_wide_png(tmp_path):
    picture(load_cohort("phantom"), tmp_path / "course.png")
    with Image.open(tmp_path / "course.png") as image:
        assert image.format == "PNG"
        assert image.width > 2 * image.height
