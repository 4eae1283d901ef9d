"""Text of files, names, headers and errors never becomes markup: tried in a real browser, where there is one."""

import base64
import json
import os
import shutil
import subprocess
from io import BytesIO
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest
from PIL import Image

from tests.fuzz.dicom_writer import Writer
from tests.helpers.uploads import uploaded
from util.command import command
from util.course.pages import write_index, write_page
from util.course.run import Result
from util.data.own_film import read_own_film
from util.errors import CourseError
from util.explain.explorer import explore
from util.findings import FINDINGS
from util.markup import as_html, as_line

RUN = "document.documentElement.dataset.ran='yes'"
HOSTILE = (
    f"""a"><img src=x onerror="{RUN}"><script>{RUN}</script><svg onload={RUN}>'$\\href{{javascript:{RUN}}}{{x}}$"""
)
PIXEL = base64.b64encode(b"\x89PNG").decode()
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


@pytest.fixture
def ran(tmp_path):
    """Function page -> whether a script of it ran in the browser; the page is a path, or the source of a body."""
    if BROWSER is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")

    def ran(page):
        if isinstance(page, str):
            path = tmp_path / "page.html"
            path.write_text(f"<!DOCTYPE html><html><head><meta charset='utf-8'></head><body>{page}</body></html>")
            page = path
        command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        done = subprocess.run(
            [*command, "--virtual-time-budget=2000", "--dump-dom", page.as_uri()],
            capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": str(tmp_path)},
        )  # fmt: skip
        if "</html>" not in done.stdout:
            pytest.skip(f"the browser here does not start: {done.stderr[-200:]}")
        return 'data-ran="yes"' in done.stdout

    return ran


def assigned(*values):
    """A page that does with values what ipywidgets.HTML does."""
    lines = "".join(f"box.innerHTML += {json.dumps(value)};" for value in values).replace("</", "<\\/")
    return f"<div id='box'></div><script>{lines}</script>"


def test_the_browser_would_run_it(ran):
    """The control: the same text, not escaped, does run."""
    assert ran(assigned(HOSTILE))
    assert not ran(assigned(as_html(HOSTILE)))


def hostile_dicom():
    """A film whose header names a transfer syntax, a patient and a photometric interpretation in markup."""
    meta, out = Writer(), Writer()
    meta.text(0x10, HOSTILE, group=2, vr="UI")
    out.text(0x10, HOSTILE, group=0x10, vr="PN")
    out.text(0x04, "MONOCHROME2", vr="CS")
    for number, value in ((0x10, 2), (0x11, 2), (0x100, 8), (0x101, 8)):
        out.short(number, value)
    out.put(0x7FE0, 0x10, "OB", b"\xfe\xff\x00\xe0\0\0\0\0")
    return b"\0" * 128 + b"DICM" + meta.bytes() + out.bytes()


def test_a_header_is_never_repeated():
    with pytest.raises(CourseError, match="a transfer syntax that DICOM does not know") as raised:
        read_own_film(hostile_dicom())
    assert "onerror" not in str(raised.value).lower()


class Stub:
    """An explorer whose every text is hostile."""

    films, masks = {HOSTILE: None}, {}
    pretrained = SimpleNamespace(model=SimpleNamespace(layers=[SimpleNamespace(name="relu")]), findings=FINDINGS)

    def findings_of(self, name):
        return [FINDINGS[1]]

    def is_slow(self, *_):
        return False

    def picture(self, *_):
        Image.new("L", (8, 8)).save(png := BytesIO(), "PNG")
        return png.getvalue(), HOSTILE

    def add_own(self, data):
        if data == b"refused":
            return False, HOSTILE
        if data == b"error":
            raise CourseError(HOSTILE)
        return True, str(read_own_film(data))


def test_the_explorer_shows_text(ran, monkeypatch):
    monkeypatch.setenv("COURSE_BATCH", "0")
    _, upload, _wait, text, picture = explore(Stub()).children
    values = [text.value, picture.value]
    for data in (b"refused", b"error", hostile_dicom()):
        upload.value = (uploaded(HOSTILE, data),)
        values += [text.value, picture.value]
    assert "onerror" in "".join(values)  # the text is there
    assert not ran(assigned(*values))


def test_pages_show_text(ran, tmp_path):
    table = pd.DataFrame({HOSTILE: [HOSTILE]}, index=pd.Index([HOSTILE], name=HOSTILE))
    v4 = nbformat.v4
    outputs = [
        v4.new_output("stream", text=HOSTILE),
        v4.new_output("error", ename=HOSTILE, evalue=HOSTILE, traceback=[HOSTILE]),
        v4.new_output("execute_result", data={"text/html": table._repr_html_(), "text/plain": HOSTILE}),
        v4.new_output("execute_result", data={"text/plain": HOSTILE}),
        v4.new_output("display_data", data={"image/png": PIXEL}, metadata={"image/png": {"alt": HOSTILE}}),
    ]
    cells = [v4.new_markdown_cell("# A title"), v4.new_code_cell("print()", outputs=outputs)]
    write_page(v4.new_notebook(cells=cells), tmp_path / "page.ipynb")
    page = (tmp_path / "page.html").read_text()
    assert page.count("onerror") >= 6  # the text is there
    assert not ran(tmp_path / "page.html")


def test_the_index_shows_text(ran, tmp_path):
    write_index([Result(HOSTILE, HOSTILE, 1.0, 2.0, HOSTILE)], tmp_path, "phantom")
    assert not ran(tmp_path / "index.html")


def test_a_name_that_holds_line_ends_and_escapes_is_one_line_of_a_screen(capsys):
    """By hand, and by a command: a file named like this must not clear the screen of an instructor."""
    assert as_line("a\nb\x1b[2J\udcff ä 肺.png") == r"a\nb\x1b[2J\udcff ä 肺.png"

    @command()
    def main(arguments):
        raise CourseError(f"{arguments[0]} is wrong.\nA second line stays one.")

    assert main(["\x1b[2J"]) == 2
    assert capsys.readouterr().err == "\\x1b[2J is wrong.\nA second line stays one.\n"
