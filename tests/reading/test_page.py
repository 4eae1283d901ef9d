"""What is on the page, and what is not: films and names, but nothing of the truth, and no text that is markup."""

import json
import re

import pytest

from util.errors import CourseError
from util.reading.page import _in_script, page_html
from util.reading.room import draw_room

HOSTILE = "</script><script>alert(1)</script>&<b>"


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_the_first_page_has_the_films_and_nothing_that_is_secret(drawn):
    room, pixels = drawn
    data = data_of(page_html(room, pixels))
    assert set(data) == {"fingerprint", "reading", "films"} and data["reading"] == "alone"
    assert [film["film"] for film in data["films"]] == room.names
    assert all(
        set(film) == {"film", "src"} and film["src"].startswith("data:image/jpeg;base64,") for film in data["films"]
    )


def test_the_second_page_has_the_advice_in_another_order_and_no_more(drawn):
    room, pixels = drawn
    data = data_of(page_html(room, pixels, "advice"))
    advice = {row.Film: "yes" if row.Advice else "no" for row in room.films.itertuples()}
    assert all(set(film) == {"film", "src", "advice"} for film in data["films"])
    assert {film["film"]: film["advice"] for film in data["films"]} == advice
    assert [film["film"] for film in data["films"]] != room.names


def test_neither_page_says_how_it_is_or_how_sure_the_model_was(drawn):
    room, pixels = drawn
    for reading in ("alone", "advice"):
        words = re.sub(r"base64,[^\"]*", "", page_html(room, pixels, reading))
        for secret in ("Truth", "Severity", "Score", "outline:", *room.films["Score"].astype(str)):
            assert secret not in words.replace("focus-visible { outline:", ""), secret


def test_a_hostile_name_is_text(drawn):
    room, pixels = draw_room(HOSTILE, films=8, size=64)
    page = page_html(room, pixels)
    assert HOSTILE not in page and "&lt;/script&gt;" in page
    assert page.count("<script") == 2 and json.loads(_in_script(HOSTILE)) == HOSTILE and "<" not in _in_script(HOSTILE)


def test_a_name_that_looks_like_a_blank_of_the_template_stays_a_name():
    room, pixels = draw_room("@@QUESTION@@ @@DATA@@", films=8, size=64)
    page = page_html(room, pixels)
    assert data_of(page)["fingerprint"] == room.fingerprint and page.count("<h1>") == 1


def test_nothing_is_fetched(drawn):
    page = re.sub(r"base64,[^\"]*", "", page_html(*drawn))
    assert "default-src 'none'" in page and not re.findall(r"https?:|//[a-z]|@import|url\(", page)


def test_a_class_size_page_is_small(drawn):
    """48 films of 512 pixels have about 2 MB; here only that the films are JPEG and not larger than their pixels."""
    room, pixels = drawn
    assert len(page_html(room, pixels)) < 24 * 64 * 64 * 2 + 20_000


def test_mistakes_are_said(drawn):
    room, pixels = drawn
    with pytest.raises(CourseError, match="no reading"):
        page_html(room, pixels, "third")
    with pytest.raises(CourseError, match="no pixels"):
        page_html(room, dict(list(pixels.items())[1:]))
    plain, films = draw_room("plain", films=8, size=64)
    with pytest.raises(CourseError, match="No model"):
        page_html(plain, films, "advice")
