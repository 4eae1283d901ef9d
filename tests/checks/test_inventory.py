"""The inventory: twenty sound questions, a page that sends nothing, and what a class of scripted students knows."""

import json
import re
import shutil
import subprocess
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from util.checks import inventory
from util.checks.exercises import checked
from util.checks.inventory import LETTERS, gain, hints_met, items, main, misconceptions, page, questions, read_class
from util.errors import CourseError

QUESTIONS = questions()
RIGHT = [question.right for question in QUESTIONS]


def write(folder, student, when, answers, name=None):
    rows = ["student,when,question,answer", *(f"{student},{when},{k},{a}" for k, a in enumerate(answers, 1))]
    (folder / (name or f"{student}-{when}.csv")).write_text("\n".join(rows) + "\n", encoding="utf-8")


def student(rng, ability):
    """Answers of a student who knows each thing with the probability `ability`, and else chooses any letter."""
    return [right if rng.random() < ability else str(rng.choice(list(LETTERS))) for right in RIGHT]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Thirty students, of whom 25 answer again after the course and know more."""
    folder, rng = tmp_path_factory.mktemp("class"), np.random.default_rng(3)
    for k, ability in enumerate(rng.uniform(0, 0.6, 30)):
        write(folder, f"s{k}", "before", student(rng, ability))
        if k < 25:
            write(folder, f"s{k}", "after", student(rng, ability + 0.3))
    return folder


def test_questions_are_sound():
    assert len(QUESTIONS) == 20 and {question.lesson for question in QUESTIONS} == set(range(1, 12))
    for question in QUESTIONS:
        assert sorted(question.options) == list(LETTERS) and len(set(question.options.values())) == 4
        assert set(question.misconceptions) == set(LETTERS) - {question.right}
        assert all(text.endswith((".", "?")) for text in (question.text, *question.options.values()))
    assert max(Counter(RIGHT).values()) < 10 and len(set(RIGHT)) == 4  # no letter is a good guess


def test_the_right_option_is_not_the_longest_more_often_than_chance():
    """A known flaw of tests: whoever reads nothing and takes the longest option would pass."""
    longest = sum(
        max(question.options, key=lambda k: len(question.options[k])) == question.right for question in QUESTIONS
    )
    assert longest <= 11


def test_the_page_asks_everything_and_fetches_nothing():
    text = page()
    assert text.count("<fieldset>") == 20 and text.count('type="radio"') == 80
    assert not re.search(r"https?:|src=|fetch\(|XMLHttp", text)
    assert not any(
        misconception in text for question in QUESTIONS for misconception in question.misconceptions.values()
    )


@pytest.mark.skipif(not shutil.which("node"), reason="Node is not installed")
def test_the_page_saves_what_is_read_again(tmp_path):
    """The page's own script, run by Node with a form in place of the browser's."""
    script = re.search(r"<script>(.*)</script>", page(), re.DOTALL)[1]
    before = """
      const given = {student: "ann-7", when: "after", q1: "b", q20: "d"};
      let saved;
      globalThis.FormData = class { get(name) { return given[name] ?? null; } };
      globalThis.Blob = class { constructor(parts) { saved = parts.join(""); } };
      globalThis.URL = {createObjectURL: () => "x"};
      let act;
      globalThis.document = {
        getElementById: (id) => id == "form" ? {addEventListener: (_, f) => { act = f; }} : {},
        createElement: () => ({click() {}}),
      };
    """
    after = "act({preventDefault() {}, target: null}); process.stdout.write(saved);"
    done = subprocess.run(["node", "-e", before + script + after], capture_output=True, text=True, check=True)
    (tmp_path / "x.csv").write_text(done.stdout, encoding="utf-8")
    assert inventory.read_answers(tmp_path / "x.csv") == ("ann-7", "after", ["b", *[""] * 18, "d"])


def test_items_by_hand_and_by_scipy(folder):
    answers, problems = read_class(folder)
    assert problems == [] and len(answers) == 55
    now = answers.xs("before", level="when")
    table, hits = items(now), np.array([[a == r for a, r in zip(row, RIGHT, strict=True)] for row in now.to_numpy()])
    assert table["difficulty"].to_numpy() == pytest.approx(hits.mean(axis=0))
    for k in range(20):
        expected = stats.pointbiserialr(hits[:, k], np.delete(hits, k, axis=1).sum(axis=1)).statistic
        assert table["discrimination"].iloc[k] == pytest.approx(expected)
    assert table["discrimination"].mean() > 0.1  # the students differ in what they know
    everyone = pd.DataFrame([RIGHT] * 5, columns=range(1, 21))
    assert items(everyone)["discrimination"].isna().all() and (items(everyone)["difficulty"] == 1).all()


def test_gain_is_students_interval_of_the_pairs(folder):
    answers, _ = read_class(folder)
    shares = (answers == RIGHT).mean(axis=1).unstack("when").dropna()
    found, oracle = gain(answers), stats.ttest_rel(shares["after"], shares["before"])
    low, high = oracle.confidence_interval()
    assert found.students == 25 and (found.low, found.high) == pytest.approx((low, high))
    assert found.low > 0 and found.normalized == pytest.approx((found.after - found.before) / (1 - found.before))


def test_gain_of_one_student_and_of_none(tmp_path):
    write(tmp_path, "ann", "before", ["a"] * 20)
    answers, _ = read_class(tmp_path)
    assert gain(answers).students == 0 and np.isnan(gain(answers).difference)
    write(tmp_path, "ann", "after", RIGHT)
    one = gain(read_class(tmp_path)[0])
    assert one.students == 1 and one.after == 1 and np.isnan(one.low) and one.normalized == 1


def test_students_who_only_guess_gain_nothing():
    """The interval holds 0 in about 95 of 100 classes of twelve, so it is not too narrow for a small class."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        index = pd.MultiIndex.from_product([range(12), ("before", "after")], names=["student", "when"])
        answers = pd.DataFrame(rng.choice(list(LETTERS), (24, 20)), index, columns=range(1, 21))
        found = gain(answers)
        held += found.low <= 0 <= found.high
    assert 180 <= held <= 199


def test_what_a_class_believes_is_named(tmp_path):
    belief = QUESTIONS[12].misconceptions
    letter = next(iter(belief))
    for k in range(3):
        write(tmp_path, f"s{k}", "after", [letter if n == 12 else right for n, right in enumerate(RIGHT)])
    table = misconceptions(read_class(tmp_path)[0])
    assert table[["misconception", "question", "students", "share"]].values.tolist() == [[belief[letter], 13, 3, 1.0]]


BAD = {
    "another header": lambda text: "a,b,c\n" + text,
    "a missing line": lambda text: "\n".join(text.splitlines()[:-1]),
    "lines exchanged": lambda text: text.replace(",1,", ",x,").replace(",2,", ",1,").replace(",x,", ",2,"),
    "another letter": lambda text: re.sub(r",7,\w$", ",7,e", text, flags=re.MULTILINE),
    "two students": lambda text: text.replace("ann,before,3", "bob,before,3"),
    "neither before nor after": lambda text: text.replace("before", "during"),
    "no table": lambda text: "\0" * 10,
    "empty": lambda text: "",
    "huge": lambda text: text * 1000,
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_file_is_left_out_with_one_sentence(fault, tmp_path, capsys):
    write(tmp_path, "ann", "before", ["a"] * 20)
    text = (tmp_path / "ann-before.csv").read_text()
    (tmp_path / "bad.csv").write_text(BAD[fault](text))
    with pytest.raises(CourseError, match=r"^bad\.csv"):
        inventory.read_answers(tmp_path / "bad.csv")
    assert main(["--class", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "1 students before the course" in printed and printed.count("Left out: bad.csv") == 1


def test_the_same_student_twice_counts_once(tmp_path):
    write(tmp_path, "ann", "before", RIGHT)
    write(tmp_path, "ann", "before", ["a"] * 20, name="later.csv")
    answers, problems = read_class(tmp_path)
    assert len(answers) == 1 and "same student" in problems[0]


def test_the_command(folder, tmp_path, capsys):
    assert main(["--page", str(tmp_path / "page.html")]) == 0 and (tmp_path / "page.html").read_text() == page()
    assert main(["--class", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "25 students answered twice" in printed and "Misconceptions that remain:" in printed
    assert not re.search(r"\bs\d+\b", printed)  # no student is named
    assert main([]) == 2 and main(["--class", str(tmp_path)]) == 2 and main(["--hints", str(tmp_path)]) == 2


def test_hints_are_kept_by_choice_alone(tmp_path, monkeypatch, capsys):
    from util.checks.roc import check_auc_by_pairs
    from util.metrics.roc import auc

    monkeypatch.delenv("COURSE_HINTS", raising=False)
    checked(check_auc_by_pairs, lambda *_: 0.5, auc)
    assert list(tmp_path.iterdir()) == []
    for student in ("ann", "bob"):
        monkeypatch.setenv("COURSE_HINTS", str(tmp_path / f"{student}.jsonl"))
        checked(check_auc_by_pairs, lambda *_: 0.5, auc)
    kept = [json.loads(line) for line in (tmp_path / "ann.jsonl").read_text().splitlines()]
    assert [entry["exercise"] for entry in kept] == ["auc"]
    with (tmp_path / "bob.jsonl").open("a") as stream:
        stream.write('{"exercise": "au')  # cut off
    table = hints_met(tmp_path)
    assert table[["exercise", "times", "files"]].values.tolist() == [["auc", 2, 2]]
    monkeypatch.setenv("COURSE_HINTS", str(tmp_path / "no" / "such" / "folder.jsonl"))
    capsys.readouterr()
    assert checked(check_auc_by_pairs, lambda *_: 0.5, auc) is auc  # the lesson goes on
    said = capsys.readouterr().out
    assert "is not kept in" in said and "hint(2) gives the idea, hint(3) the solution.\n" in said
