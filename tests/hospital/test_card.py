"""The model card: what a report says is on it, as text in either form."""

from html.parser import HTMLParser

import pytest

from tests.helpers.audited import report_of, right_answer, sealed
from util.hospital.card import card_html, card_markdown, write_card
from util.hospital.claims import CLAIMS
from util.hospital.report import new_report

NASTY = "<script>alert(1)</script> | **b** `c` [x](javascript:y) <img src=x onerror=y> & $z$\n\n# head"


@pytest.fixture
def report():
    key = sealed(0, faults=["mark", "labels", "average"])
    return report_of("ada", key, mark={**right_answer(key.truth["mark"]), "action": NASTY})


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.words = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)

    def handle_data(self, data):
        self.words.append(data)


def parsed(page):
    parser = Tags()
    parser.feed(page)
    return parser


def test_the_page_has_each_claim_with_its_verdict(report):
    page = parsed(card_html(report, {"mark": "No mark gives a label away."}))
    text = " ".join(page.words)
    assert page.words.count("fails") == 3 and page.words.count("holds") == len(CLAIMS) - 3
    assert "No mark gives a label away." in text and "20 films, among them mark00.png" in text and "group women" in text
    assert "3 failed, 8 held, and 0 were not answered" in text and "Not for clinical use" in text


def test_foreign_text_is_never_markup(report):
    report["model_card"] = {NASTY: {NASTY: NASTY}}
    report["student"] = NASTY
    plain = {"head", "html", "meta", "title", "style", "body", "h1", "p", "table", "tr", "th", "td", "h2", "ul", "li"}
    page = parsed(card_html(report))
    assert set(page.tags) <= plain and any("<script>alert(1)</script>" in word for word in page.words)
    assert "src=" not in card_html(new_report("ada", "x")) and "http" not in card_html(new_report("ada", "x"))


def test_markdown_shows_foreign_text_as_text(report):
    mistune = pytest.importorskip("mistune")  # comes with nbconvert, and renders Markdown for it
    report["model_card"] = {NASTY: {NASTY: NASTY}}
    page = parsed(
        mistune.create_markdown(escape=False, plugins=["table", "math", "strikethrough"])(card_markdown(report))
    )
    assert set(page.tags) == {"h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    assert page.tags.count("tr") == len(CLAIMS) + 1 and page.tags.count("td") == 5 * len(CLAIMS)
    assert "<script>alert(1)</script> | **b**" in " ".join("".join(page.words).split())


@pytest.mark.parametrize(
    "claims", [None, [], {}, {"mark": 3}, {"mark": {"verdict": ["fails"], "estimate": "x", "films": 3}}]
)
def test_answers_that_are_nonsense_are_not_answered(claims):
    page = card_html({"student": "ada", "hospital": "x", "claims": claims, "model_card": None})
    assert page.count(">not answered<") == len(CLAIMS)


def test_numbers_have_three_digits_at_most(report):
    report["claims"]["mark"] |= {"estimate": 0.123456, "low": 0.1, "high": 2.0}
    assert "0.123 (0.1 to 2)" in card_markdown(report)


def test_both_forms_are_written(report, tmp_path):
    write_card(tmp_path, report)
    assert (tmp_path / "model_card.md").read_text(encoding="utf-8") == card_markdown(report) + "\n"
    assert (tmp_path / "model_card.html").read_text(encoding="utf-8") == card_html(report)
