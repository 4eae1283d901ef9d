"""util.clinic.card: every question has an answer, every number its place, and a file is whole or not there."""

import pytest

from util.clinic.card import ASKED, checklist, model_card, write_card
from util.errors import CourseError


def test_every_question_is_answered_and_silence_is_no():
    lines = checklist({"calibrated": True, "stop rule": "the\nchief | 4 weeks", "noticed": False}).splitlines()
    assert len(lines) == 2 + len(ASKED)
    said = {line.split(" | ")[0].strip("| "): line.split(" | ", 1)[1] for line in lines[2:]}
    keys = {key: said[question] for question, key in ASKED.items()}
    assert keys["calibrated"] == "yes |" and keys["stop rule"] == "yes: the chief / 4 weeks |"
    assert all("NOT YET" in keys[key] for key in ASKED.values() if key not in ("calibrated", "stop rule"))


def test_a_card_has_all_that_it_was_given():
    card = model_card({"Use": {"task": "teaching"}, "Numbers": {"AUC": 0.98765, "films": 320}})
    assert card.splitlines()[0] == "# Model card" and "Not for clinical use." in card
    assert "## Numbers\n\n- AUC: 0.99\n- films: 320" in card


@pytest.mark.parametrize("wrong", [{}, {"Use": {}}])
def test_an_empty_section_is_refused(wrong):
    with pytest.raises(CourseError, match="no empty one"):
        model_card(wrong)


def test_an_unknown_answer_is_refused():
    with pytest.raises(CourseError, match="does not ask about 'luck'"):
        checklist({"luck": True})


def test_a_card_is_written_whole_or_not_at_all(tmp_path):
    place = tmp_path / "card.md"
    write_card(place, "# A", "# B")
    assert place.read_text(encoding="utf-8") == "# A\n\n# B\n"
    with pytest.raises(CourseError):
        write_card(tmp_path / "none" / "card.md", "# A")
    assert list(tmp_path.iterdir()) == [place]
