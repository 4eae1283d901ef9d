"""The reading room's page in a real browser: a person reads by keyboard and click, and the file that is saved can be read."""

import numpy as np
import pytest

from util.reading.files import read_answers, read_class
from util.reading.page import page_html
from util.reading.room import draw_room

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
HOSTILE = "<img src=x onerror=document.title='gone'>"


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """(Room, folder of its pages): eight films under a hostile name, read by an invented model."""
    room, pixels = draw_room(HOSTILE, films=8, size=128)
    room = room.with_scores(np.arange(8.0), 4)
    folder = tmp_path_factory.mktemp("room")
    for reading in ("alone", "advice"):
        (folder / f"{reading}.html").write_text(page_html(room, pixels, reading), encoding="utf-8")
    return room, folder


@pytest.fixture
def opened(browser, room):
    """A function that opens a page of the room; at the end, that nothing was asked of a network and no script failed."""
    asked, failed, contexts = [], [], []

    def open_page(reading="alone", size=DESK, context=None):
        contexts.append(context or browser.new_context(viewport=size, accept_downloads=True))
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("console", lambda message: failed.append(message.text) if message.type == "error" else None)
        page.goto((room[1] / f"{reading}.html").as_uri())
        return page

    yield open_page
    for context in set(contexts):
        context.close()
    assert asked and [url[:80] for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert failed == []


def begin(page, name="ann"):
    page.fill("#name", name)
    page.keyboard.press("Enter")
    page.wait_for_selector("#room:not([hidden])")


def saved(page, folder):
    with page.expect_download() as download:
        page.click("#save")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_five_films_are_read_by_keyboard_and_click_and_read_back(opened, room, tmp_path):
    page = opened()
    begin(page)
    for k, keys in enumerate(["y4", "n2", "y5", "n1", "y3"]):
        for one in keys:
            page.keyboard.press(one)
        if k == 0:
            box = page.locator("#picture").bounding_box()
            page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.75 * box["height"])
        if k == 2:
            page.keyboard.press("p")
            page.keyboard.press("Shift+ArrowRight")
            page.keyboard.press("Shift+ArrowUp")
        page.keyboard.press("ArrowRight")
    assert "5 of 8 films are answered" in page.inner_text("main")
    path = saved(page, tmp_path)
    assert path.name == "reader-ann-alone.csv"
    answers = read_answers(path, room[0])
    assert answers.table.index.tolist() == room[0].names[:5] and answers.missing == room[0].names[5:]
    assert answers.ratings.tolist() == [4, -2, 5, -1, 3]
    np.testing.assert_allclose(answers.table[["X", "Y"]].iloc[0], [0.25, 0.75], atol=0.01)
    np.testing.assert_allclose(answers.table[["X", "Y"]].iloc[2], [0.51, 0.49], atol=1e-4)
    assert answers.table["X"].isna().tolist() == [False, True, False, True, True]
    assert "3 films have no answer yet" in page.inner_text("#status")


def test_answers_are_kept_when_the_page_is_closed_and_each_reader_has_their_own(opened, room, tmp_path):
    page = opened()
    begin(page)
    page.keyboard.press("y")
    page.keyboard.press("5")
    again = opened(context=page.context)
    begin(again)
    assert "Welcome back, ann" in again.inner_text("#status") and again.inner_text("#number") == "Film 2 of 8"
    other = opened(context=page.context)
    begin(other, "bob")
    assert "0 of 8" in other.inner_text("main")


def test_the_second_reading_shows_the_advice_in_another_order_and_both_files_make_a_class(opened, room, tmp_path):
    first, second = opened(), opened("advice")
    for page in (first, second):
        begin(page, "Zoë b")
        said = []
        for _ in range(8):
            said.append(page.inner_text("#advice") if page.is_visible("#advice") else "")
            page.keyboard.press("n")
            page.keyboard.press("3")
            page.keyboard.press("ArrowRight")
        saved(page, tmp_path)
    order = room[0].films.sort_values("Second")
    assert said == [f"The model says: {'yes' if advice else 'no'}." for advice in order["Advice"]]
    found = read_class([tmp_path], room[0])
    assert [(one.reader, one.reading, len(one.table)) for one in found] == [
        ("Zoë b", "alone", 8),
        ("Zoë b", "advice", 8),
    ]


def test_hostile_names_are_not_markup(opened, room):
    page = opened()
    assert HOSTILE in page.title() and HOSTILE in page.inner_text("h1") and page.locator("h1 img").count() == 0
    for name in (HOSTILE, "=cmd()", "a,b", "'; alert(1)", " "):
        page.fill("#name", name)
        page.click("#start button")
        assert page.is_hidden("#room"), name
    begin(page, "a.b-c_d 9")
    assert page.title() != "gone"


def test_a_damaged_memory_is_taken_as_none(opened, room):
    page = opened()
    key = f"reading-room:{room[0].fingerprint}:alone:ann"
    film = room[0].names[0]
    for kept in (
        "[1",
        "null",
        "7",
        f'{{"{film}": {{"finding": "<b>", "confidence": 9, "x": "a", "y": 2}}}}',
        f'{{"{film}": 3}}',
    ):
        page.evaluate("([key, kept]) => localStorage.setItem(key, kept)", [key, kept])
        page.reload()
        begin(page)
        assert "0 of 8" in page.inner_text("main"), kept


@pytest.mark.parametrize("size", [DESK, PHONE], ids=str)
@pytest.mark.parametrize("started", [False, True])
def test_everybody_can_read_it(opened, axe, size, started):
    """Axe has no serious complaint, and a phone shows the page whole."""
    page = opened("advice", size)
    if started:
        begin(page)
        page.keyboard.press("y")
        page.keyboard.press("p")
    page.evaluate(axe)
    result = page.evaluate('axe.run({ preload: false, resultTypes: ["violations"] })')
    assert len(result["passes"]) > 10
    told = [(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in result["violations"]
            if v["impact"] in ("serious", "critical", "moderate")]  # fmt: skip
    assert told == []
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]


def test_it_works_without_a_mouse(opened):
    """Tab reaches every control, Enter on the film sets the mark, and the focus can be seen."""
    page = opened()
    begin(page)
    names = set()
    for _ in range(16):
        page.keyboard.press("Tab")
        names.add(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {"film", "next", "open", "save", "1", "5"} <= names
    page.focus("#film")
    page.keyboard.press("Enter")
    assert page.is_visible("#mark")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Delete")
    assert page.is_hidden("#mark")
