"""The page on which a class reads a room: one file of HTML with the films in it, which works offline and sends nothing."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np

from util.errors import CourseError
from util.findings import DEFINITIONS
from util.markup import as_html
from util.reading.files import READINGS
from util.reading.room import Room

TEMPLATE = Path(__file__).with_name("page.html")
QUALITY = 90  # of the JPEG files
MOST_BYTES = 20_000_000  # of a page; a class's machines are slow with more
WORDS = {
    "alone": "First reading: you read alone.",
    "advice": "Second reading: for each film you see what a model says. It is sometimes wrong. The answer is yours.",
}


def page_html(room: Room, pixels: dict[str, np.ndarray], reading: str = "alone") -> str:
    """The page of one reading as HTML.

    Parameters
    ----------
    room : Room
    pixels : dict of a film's name -> uint8 (h, w)
    reading : 'alone', or 'advice' with the model's answers, in the order of the second reading

    Returns
    -------
    str. It holds the films, their names and the room's fingerprint, and in the second reading the advice; nothing of the truth,
    the severities, the scores or the outlines. The room's name is text on it, never markup.

    Raises
    ------
    CourseError : the reading is unknown, no model has read the room, a film is missing, or the page would be too large.

    See Also
    --------
    util.reading.files.read_answers : reads what the page saves

    Examples
    --------
    >>> from util.reading.room import draw_room
    >>> room, pixels = draw_room("demo", films=8, size=64)
    >>> page_html(room, pixels).startswith("<!DOCTYPE html>")
    True

    Taught in lesson 16, section 1.
    """
    if reading not in READINGS:
        raise CourseError(f"There is no reading {reading!r}: use 'alone' or 'advice'.")
    if reading == "advice" and not room.advised:
        raise CourseError("No model has read this room, so there is no page with advice.")
    films = room.films if reading == "alone" else room.films.sort_values("Second")
    if lacking := [name for name in films["Film"] if name not in pixels]:
        raise CourseError(f"Film {lacking[0]} has no pixels: give those of all {len(films)} films.")
    shown = [{"film": row.Film, "src": _jpeg(pixels[row.Film])} for row in films.itertuples()]
    if reading == "advice":
        for film, advice in zip(shown, films["Advice"], strict=True):
            film["advice"] = "yes" if advice else "no"
    data = {"fingerprint": room.fingerprint, "reading": reading, "films": shown}
    finding = room.finding.replace("_", " ").lower()
    words = {
        "TITLE": f"Reading room: {room.name}",
        "QUESTION": f"{room.finding.replace('_', ' ')}: yes or no?",
        "DEFINITION": f"{finding.capitalize()}: {DEFINITIONS[room.finding]}",
        "READING": WORDS[reading],
        "FILMS": len(films),
        "FINGERPRINT": room.fingerprint,
    }
    page = TEMPLATE.read_text(encoding="utf-8")
    before, after = page.split("@@DATA@@")
    for name, value in words.items():
        before, after = (part.replace(f"@@{name}@@", as_html(value)) for part in (before, after))
    page = before + _in_script(data) + after
    if len(page) > MOST_BYTES:
        raise CourseError(f"The page has {len(page) / 1e6:.0f} MB: take fewer films, or smaller ones (--size).")
    return page


def _in_script(data: object) -> str:
    """Data as JSON that is safe in a script element: no text in it can end the element.

    Examples
    --------
    >>> _in_script("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _jpeg(pixels):
    import cv2

    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise CourseError("A film cannot be written as JPEG: it must be uint8 (h, w).")
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
