"""The README's figures are those of the command that it names."""

import re

import numpy as np
import pandas as pd
from PIL import Image

from util.course import readme_tables
from util.course.readme_tables import finetuned_results, main, picture, results
from util.data.cohort import HOME, load_cohort
from util.findings import FINDINGS
from util.models.predict import predict
from util.models.weights import WEIGHTS, load_pretrained


def readme_table(cohort):
    text = (HOME / "README.md").read_text(encoding="utf-8")
    return re.search(rf"<!-- results: {cohort} -->\n(.*?)\n<!-- end -->", text, re.DOTALL)[1].strip()


def test_readme_holds_the_measured_results_of_the_phantom():
    assert readme_table("phantom") == results(load_cohort("phantom"))


def test_readme_holds_the_measured_results_of_real_films(nih_root, monkeypatch):
    """From logits on record; some films are scored again, for scoring all takes minutes."""
    recorded = pd.read_csv(WEIGHTS / "phantom_real_scores.csv", index_col="Image")
    monkeypatch.setattr(
        readme_tables, "cohort_scores", lambda cohort, split: recorded.loc[cohort.split(split)["Image"]]
    )
    cohort = load_cohort("nih", nih_root)
    written, measured = readme_table("nih"), results(cohort)
    number = re.compile(r"\d+\.\d+")
    assert number.sub("", written) == number.sub("", measured)
    pairs = zip(number.findall(written), number.findall(measured), strict=True)
    assert all(abs(float(a) - float(b)) < 0.0015 for a, b in pairs)
    some = cohort.films["Image"].sample(24, random_state=0).tolist()
    scored = predict(load_pretrained("phantom"), cohort, some)
    np.testing.assert_allclose(scored.loc[some], recorded.loc[some], atol=0.001)


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
