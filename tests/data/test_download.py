"""One file from a server that misbehaves: whole and verified, or one sentence that names the cause and nothing left."""

import threading
import time
import types

import pytest

from tests.helpers.downloads import CONTENT, hurry, remote, server  # noqa: F401 - fixtures
from util.data import download as downloads
from util.data.download import Remote, download
from util.errors import CourseError

BY_HAND = r"get https://example\.org/some/path/w\.bin by hand and put it at .*w\.bin"


def test_download_once_and_verify_ever_after(server, remote, tmp_path):
    path = download(remote, tmp_path)
    assert path == tmp_path / "w.bin" and path.read_bytes() == CONTENT
    assert download(remote, tmp_path) == path and server.asked["/some/path/w.bin"] == 1


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("missing", rf"w\.bin is not there \(404\): {BY_HAND}"),
        ("no", r"w\.bin is refused \(403\): get"),
        ("teapot", r"w\.bin is refused \(418\): get"),
        ("nothing", r"w\.bin is not what comes \(204\): get"),
        ("error", rf"answers with an error \(500\): try again later, or {BY_HAND}"),
        ("busy", r"answers with an error \(503\): try again"),
        ("proxy", r"proxy named in HTTPS_PROXY or HTTP_PROXY asks for a name and a password \(407\): correct that variable"),
        ("login", r"is not the file wanted .*perhaps a page to log in"),
        ("pointer", r"is not the file wanted .it is a web page or a link"),
        ("corrupt", r"is not the file wanted .its SHA-256 is another"),
        ("ring", r"sends from one address to the next without end: get"),
        ("to a file", r"gives no answer that can be read \(InvalidSchema\): get"),
        ("truncate", r"cannot be reached, or broke off: try again|broke off: try again later, or get https://example"),
        ("truncate silently", r"4,993 bytes in place of 5,000"),
        ("reset", r"broke off: try again"),
        ("no word", r"cannot be reached, or broke off: try again"),
        ("hang", r"has stopped answering|broke off"),
        ("hang at once", r"has stopped answering: try again"),
        ("drip", rf"w\.bin sends so slowly that the file is not here after 1 seconds: try again later, or {BY_HAND}"),
        ("drip the head", r"sends so slowly"),
        ("endless", r"The answer of .*w\.bin is longer than the file: it was broken off, and nothing was kept"),
    ],
)  # fmt: skip
def test_a_bad_answer_is_named_and_leaves_nothing(server, remote, tmp_path, monkeypatch, fault, sentence):
    server.fault = fault
    hurry(monkeypatch, fault)
    with pytest.raises(CourseError, match=sentence):
        download(remote, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", ["error", "truncate", "hang", "no word"])
def test_a_passing_fault_is_tried_once_more(server, remote, tmp_path, monkeypatch, fault):
    server.fault, server.times = fault, 1
    monkeypatch.setattr(downloads, "TIMEOUT", (20, 3))
    assert download(remote, tmp_path).read_bytes() == CONTENT
    assert server.asked["/some/path/w.bin"] == 2


@pytest.mark.parametrize("fault", ["missing", "corrupt", "too many", "hourly limit", "drip"])
def test_a_lasting_fault_is_not(server, remote, tmp_path, monkeypatch, fault):
    server.fault, server.times = fault, 1
    hurry(monkeypatch, fault)
    with pytest.raises(CourseError):
        download(remote, tmp_path)
    assert server.asked["/some/path/w.bin"] == 1


def test_it_waits_before_the_second_try(server, remote, tmp_path, monkeypatch):
    slept = []
    monkeypatch.setattr(downloads, "PAUSE", 7)
    monkeypatch.setattr(downloads.time, "sleep", slept.append)
    server.fault = "error"
    with pytest.raises(CourseError):
        download(remote, tmp_path)
    assert slept == [7] and server.asked["/some/path/w.bin"] == 2


def test_the_waits_that_people_get():
    """Long enough for a slow line, and an end to everything."""
    assert downloads.TIMEOUT == (10, 30) and downloads.PAUSE == 2
    assert downloads.PATIENCE == 60 and downloads.SLOWEST == 10_000
    assert downloads.PATIENCE + downloads.TYPICAL / downloads.SLOWEST == 102  # seconds for a film


@pytest.mark.parametrize(("size", "seconds"), [(5000, 5), (None, 420)])
def test_the_time_that_a_file_may_take_goes_with_its_size(server, remote, tmp_path, monkeypatch, size, seconds):
    asked = []
    monkeypatch.setattr(downloads, "SLOWEST", 1000)
    monkeypatch.setattr(downloads, "PATIENCE", 0)
    monkeypatch.setattr(downloads, "_from_server", lambda url, seconds, stop: asked.append(seconds) or iter([CONTENT]))
    download(Remote(remote.url, "w.bin", size, remote.sha256), tmp_path)
    assert asked == [seconds]


@pytest.mark.parametrize(
    ("size", "extra", "told"),
    [
        (5000, 100_000, "is not the file wanted"),  # read to its end, since what it is tells more than its length
        (5000, 100_001, "longer than the file"),
        (None, 95_000, "is not the file wanted"),
    ],
)
def test_how_much_more_than_the_file_is_read(server, remote, tmp_path, size, extra, told):
    server.files["/some/path/w.bin"] = CONTENT + b"\0" * extra
    with pytest.raises(CourseError, match=told):
        download(Remote(remote.url, "w.bin", size, remote.sha256), tmp_path)


def test_a_file_of_unknown_size_has_a_limit_too(server, remote, tmp_path, monkeypatch):
    assert Remote.largest == 100_000_000
    monkeypatch.setattr(Remote, "largest", 20_000)
    for extra, told in ((115_000, "is not the file wanted"), (115_001, "longer than the file")):
        server.files["/some/path/w.bin"] = CONTENT + b"\0" * extra
        with pytest.raises(CourseError, match=told):
            download(Remote(remote.url, "w.bin", None, remote.sha256), tmp_path)


def test_a_packed_file_comes_as_it_lies_there(server, remote, tmp_path):
    """Some servers say of every .gz that it is packed for the way, and an obliging client would unpack it."""
    server.fault = "right, said to be gzip"
    assert download(remote, tmp_path).read_bytes() == CONTENT


def test_stopping_ends_a_download_soon(server, remote, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "PATIENCE", 60)
    monkeypatch.setattr(downloads, "TIMEOUT", (30, 30))
    server.fault, stop = "hang", threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(CourseError, match="was broken off"):  # and not that the server has stopped answering
        download(remote, tmp_path, stop=stop)
    assert list(tmp_path.iterdir()) == []
    asking = [thread for thread in threading.enumerate() if thread.name.endswith("(_ask)")]
    assert asking and all(thread.daemon for thread in asking)  # it still waits, and keeps no process from ending


def test_the_thread_that_asks_ends_with_the_download(server, remote, tmp_path):
    server.fault = "endless"
    with pytest.raises(CourseError, match="longer than the file"):
        download(remote, tmp_path)
    end = time.monotonic() + 60
    while any(thread.name.endswith("(_ask)") for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.05)


# ---- when to come back, proxies, certificates -------------------------------------------------------------------

NOON = 1_795_694_400  # 26 November 2026, 12:00 UTC


@pytest.fixture
def noon(monkeypatch):
    """Noon in Greenwich, here and now."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(downloads.time, "time", lambda: NOON)
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="no time zones to set on Windows")
@pytest.mark.parametrize(
    ("headers", "when"),
    [
        ({"X-RateLimit-Reset": str(NOON + 35 * 60)}, "at 12:35"),
        ({"X-RateLimit-Reset": str(NOON - 120)}, "at 11:58"),
        ({"Retry-After": "120"}, "at 12:02"),
        ({"Retry-After": "0"}, "at 12:00"),
        ({"Retry-After": "120", "X-RateLimit-Reset": "9"}, "at 12:02"),
        ({"Retry-After": "Thu, 26 Nov 2026 13:30:00 GMT"}, "at 13:30"),
        ({"Retry-After": "43199"}, "at 23:59"),
        ({"Retry-After": "43200"}, "at 00:00 on 27 November"),
        ({"Retry-After": str(29 * 86_400)}, "at 12:00 on 25 December"),
        ({"Retry-After": str(30 * 86_400)}, "later"),
        ({"Retry-After": "9" * 400}, "later"),
        ({"Retry-After": "soon"}, "later"),
        ({"Retry-After": "-5"}, "later"),
        ({"X-RateLimit-Reset": "nan"}, "later"),
        ({"X-RateLimit-Reset": "9" * 400}, "later"),
        ({"X-RateLimit-Reset": "0"}, "later"),
        ({}, "later"),
    ],
)
def test_when_to_come_back(noon, headers, when):
    assert downloads._when(headers) == when


@pytest.mark.parametrize(
    ("status", "headers", "limited"),
    [
        (429, {}, True),
        (429, {"Retry-After": "5"}, True),
        (403, {"X-RateLimit-Remaining": "0"}, True),
        (403, {"Retry-After": "60"}, True),
        (403, {"X-RateLimit-Remaining": "7"}, False),
        (403, {}, False),
        (404, {"X-RateLimit-Remaining": "0"}, False),
    ],
)
def test_a_limit_is_told_from_a_refusal(status, headers, limited):
    answer = types.SimpleNamespace(status_code=status, headers=headers)
    text = str(downloads._refusal(answer, "https://api.github.com/repos/x", "or by hand"))
    assert ("api.github.com gives this address no more answers for now" in text) == limited
    assert ("all who share an address, such as a class, share its limit): try again" in text) == limited


@pytest.mark.parametrize(("status", "state"), [(399, "not what comes"), (400, "refused"), (410, "not there")])
def test_other_refusals(status, state):
    answer = types.SimpleNamespace(status_code=status, headers={})
    assert f"is {state} ({status})" in str(downloads._refusal(answer, "u", "h"))


def test_an_error_of_the_server_may_be_over_in_a_moment():
    for status, passing in ((499, CourseError), (500, downloads._Passing)):
        answer = types.SimpleNamespace(status_code=status, headers={})
        assert type(downloads._refusal(answer, "u", "h")) is passing


def test_nobody_there(remote, tmp_path, monkeypatch):
    monkeypatch.setenv("CXR_MIRROR", "http://127.0.0.1:9")  # the port of 'discard', where nobody listens
    with pytest.raises(CourseError, match=rf"cannot be reached, or broke off: try again later, or {BY_HAND}"):
        download(remote, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_proxy_that_is_not_there_is_named(remote, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("CXR_MIRROR", "http://course.invalid")
    with pytest.raises(CourseError, match=r"proxy named in HTTPS_PROXY or HTTP_PROXY cannot be reached, or refuses"):
        download(remote, tmp_path)


@pytest.mark.parametrize(
    ("said", "told"),
    [("Tunnel connection failed: 407 Proxy Authentication Required", "asks for a name"), ("no tunnel", "or refuses")],
)
def test_a_proxy_that_wants_a_name(said, told):
    import requests

    assert told in str(downloads._cause(requests.exceptions.ProxyError(said), "u", "h"))


@pytest.mark.parametrize("secret", ["http://me:hunter2@127.0.0.1:9"])
def test_a_password_of_a_proxy_is_never_shown(remote, tmp_path, monkeypatch, secret):
    monkeypatch.setenv("HTTP_PROXY", secret)
    monkeypatch.setenv("CXR_MIRROR", "http://course.invalid")
    with pytest.raises(CourseError) as caught:
        download(remote, tmp_path)
    assert "hunter2" not in str(caught.value)


def test_certificates():
    import requests

    untrusted = requests.exceptions.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")
    cause = downloads._cause(untrusted, "https://x", "by hand")
    assert type(cause) is CourseError
    assert "https://x shows a certificate that this machine does not trust" in str(cause)
    assert "REQUESTS_CA_BUNDLE, or by hand" in str(cause)
    other = downloads._cause(requests.exceptions.SSLError("[SSL: WRONG_VERSION_NUMBER]"), "https://x", "by hand")
    assert type(other) is downloads._Passing and "secure connection" in str(other)


def test_a_server_that_does_not_speak_tls(server, remote, tmp_path, monkeypatch):
    monkeypatch.setenv("CXR_MIRROR", server.address.replace("http:", "https:"))
    with pytest.raises(CourseError, match=r"does not answer over a secure connection: try again"):
        download(remote, tmp_path)


def test_what_nobody_thought_of_gets_a_sentence_too(server, remote, tmp_path, monkeypatch):
    import requests

    def broken(*_, **__):
        raise RuntimeError("deep below\nin many lines")

    monkeypatch.setattr(requests, "get", broken)
    with pytest.raises(
        CourseError, match=rf"^\S*w\.bin gives no answer that can be read \(RuntimeError\): {BY_HAND}\.$"
    ):
        download(remote, tmp_path)
