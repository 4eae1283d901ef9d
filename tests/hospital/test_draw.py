import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.helpers.hospitals import FILMS, SECRET, SIZE, STUDENT
from util.data.cohort import HOME
from util.errors import CourseError
from util.hospital import draw, steady
from util.hospital.draw import _write_hospital, draw_hospital, main, read_roster
from util.hospital.folder import OTHERS, TABLES
from util.hospital.seal import OPEN, secret_of

FEW = 96  # films
AGAIN = """
import sys
from dataclasses import replace
from util.hospital.draw import _write_hospital
from util.hospital.plan import plan_hospital

if __name__ == "__main__":
    plan = plan_hospital({student!r}, {secret!r}, {films})
    _write_hospital(replace(plan, people=plan.people[:{few}]), sys.argv[1], {size}, workers=3)
"""


def bytes_of(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_another_process_draws_the_same_bytes(small_plan, tmp_path):
    """Another hash seed, locale, time zone, number of threads and of processes, and the arithmetic of an old processor."""
    program = AGAIN.format(student=STUDENT, secret=SECRET, films=FILMS, few=FEW, size=SIZE)
    (tmp_path / "again.py").write_text(program, encoding="utf-8")
    other = {"PYTHONHASHSEED": "4242", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Tokyo",
             "OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3", "PYTHONPATH": str(HOME)} | steady._settings()  # fmt: skip
    command = [sys.executable, str(tmp_path / "again.py"), str(tmp_path / "again")]
    subprocess.run(command, check=True, env=os.environ | other, cwd=tmp_path)
    _write_hospital(replace(small_plan, people=small_plan.people[:FEW]), tmp_path / "first", SIZE, workers=2)
    first, second = bytes_of(tmp_path / "first"), bytes_of(tmp_path / "again")
    assert len(first) == FEW + len(TABLES) + len(OTHERS)
    assert first == second


def test_no_file_holds_the_secret_a_seed_or_a_verdict(small_folder, small_plan):
    seed = small_plan.seed
    keys = [SECRET, SECRET.hex().encode(), str(seed).encode(), f"{seed:x}".encode(), seed.to_bytes(32, "big")]
    words = [b"fails", b"false", b"holds", b"verdict", b"fault", b"planted", b"secret", b"leak", b"truth"]
    for path in small_folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [key for key in keys if key in content]
            if path.suffix in (".csv", ".md", ".json"):  # the noise of films may spell any short word
                assert not [word for word in words if word in content.lower()], path.name


def test_films_are_named_by_random_numbers_and_hold_nothing_but_pixels(small_folder, small_plan):
    names = {path.name for path in (small_folder / "films").iterdir()}
    assert names == set(small_plan.films["Image"])
    content = next((small_folder / "films").iterdir()).read_bytes()
    assert [kind for kind in (b"tEXt", b"tIME", b"iTXt", b"eXIf") if kind in content[:200]] == []


def test_the_times_of_the_files_say_nothing(small_folder, small_plan):
    """Films are drawn body by body; in that order, the times would put each copy beside its exposure."""
    times = [(small_folder / "films" / name).stat().st_mtime_ns for name in sorted(small_plan.films["Image"])]
    assert times == sorted(times)


def test_what_fails_half_way_leaves_nothing(tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(draw, "for_each_row", stop)
    with pytest.raises(KeyboardInterrupt):
        draw_hospital("anna", OPEN, tmp_path / "out", FILMS, SIZE)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CourseError, match="exists and is not an empty folder"):
        draw_hospital("anna", OPEN, tmp_path, FILMS, SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("size", [16, 4096])
def test_films_of_an_odd_size_are_refused(tmp_path, size):
    with pytest.raises(CourseError, match=f"size is {size}"):
        draw_hospital("anna", OPEN, tmp_path / "out", size=size)


# ---- the command ------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch):
    """What the command asks to be drawn: a list of (student, secret, folder)."""
    asked = []

    def note(student, secret, out, **_):
        asked.append((student, secret, out))
        return out

    monkeypatch.setattr(draw, "draw_hospital", note)
    return asked


def test_a_student_draws_with_the_open_key(asked, tmp_path, capsys):
    assert main(["--student", "anna", "--out", str(tmp_path / "a")]) == 0
    assert asked == [("anna", OPEN, str(tmp_path / "a"))]
    assert "begin with claims.md. Simulated; not for clinical use." in capsys.readouterr().out


def test_a_class_has_a_folder_each_and_the_instructors_secret(asked, tmp_path, capsys):
    assert main(["--new-secret", str(tmp_path / "key")]) == 0
    assert "Keep it: grades need it." in capsys.readouterr().out
    (tmp_path / "roster.csv").write_text("\ufeffanna\n\n ben-2 \r\n", encoding="utf-8")
    arguments = ["--class", str(tmp_path / "roster.csv"), "--out", str(tmp_path / "all")]
    assert main([*arguments, "--secret-file", str(tmp_path / "key")]) == 0
    secret = secret_of(tmp_path / "key")
    assert asked == [(name, secret, tmp_path / "all" / name) for name in ("anna", "ben-2")]
    told = capsys.readouterr().out
    assert secret.decode() not in told
    assert "open key" not in told


def test_a_class_goes_on_where_it_was_stopped(asked, small_folder, small_plan, tmp_path, monkeypatch, capsys):
    (tmp_path / "roster.csv").write_text("small\nben\n")
    arguments = ["--class", str(tmp_path / "roster.csv"), "--out", str(small_folder.parent)]
    assert main(arguments) == 2  # the folder was drawn with another secret and another number of films
    assert "small holds a hospital that was drawn differently" in capsys.readouterr().err
    monkeypatch.setattr(draw, "plan_hospital", lambda student, secret: small_plan)
    assert main(arguments) == 0
    assert [student for student, _, _ in asked] == ["ben"]
    told = capsys.readouterr().out
    assert "The hospital of small was in" in told
    assert "drawn with the open key, so students can look up the truth" in told


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--student", "a/b", "--out", "x"], "'a/b' cannot name a student"),
        (["--student", "", "--out", "x"], "'' cannot name a student"),
        (["--student", "anna"], "Where is the hospital to be written? Name a folder: --out DIR."),
        (["--student", "anna", "--out", "x", "--secret-file", "no-such-file"], "cannot be read"),
        (["--class", "no-such-file", "--out", "x"], "The class list no-such-file cannot be read"),
    ],
)
def test_mistakes_end_in_a_sentence(asked, capsys, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err
    assert asked == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("\n \n", "is empty"), ("anna\nANNA\n", "has anna twice"), ("anna\nb c\n", "'b c' cannot name a student")],
)
def test_class_lists_with_mistakes_are_refused(tmp_path, text, sentence):
    (tmp_path / "roster.csv").write_text(text)
    with pytest.raises(CourseError, match=sentence):
        read_roster(tmp_path / "roster.csv")
