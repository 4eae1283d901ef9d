"""A server that lies in every way a server can, on this machine's own address; a download ends right or in one sentence."""

import contextlib
import http.server
import json
import random
import socket
import struct
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from util.data import download as downloads
from util.data.download import Remote, download, git_sha1
from util.data.fetch_nih import Listing
from util.errors import CourseError

LOGIN = b"<!DOCTYPE html><title>Log in</title>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
TOGETHER = 16  # cases at a time: most of them wait
CEILING = 120  # seconds: whatever takes longer never ends
CALM = {"TIMEOUT": (20, 20), "PAUSE": 0, "PATIENCE": 50, "SLOWEST": 10**6}  # also on a machine that is busy
HASTY = {"TIMEOUT": (20, 0.4), "PAUSE": 0, "PATIENCE": 0.8, "SLOWEST": 10**6}  # for a server that makes one wait


class Server(http.server.ThreadingHTTPServer):
    """Serves what `files` holds by path. `faults` says by path how it lies, or `fault` for all, for `times` requests each."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.faults, self.fault, self.times, self.asked = {}, {}, None, 10**9, Counter()
        self.release = threading.Event()  # ends all hanging

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_):
        pass  # a client that hangs up is what is tested

    @contextlib.contextmanager
    def running(self):
        """Serve while the block runs."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield self
        finally:
            self.release.set()
            self.shutdown()
            self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, server = urlsplit(self.path).path, self.server
        server.asked[path] += 1
        content = server.files.get(path)
        fault = server.faults.get(path, server.fault) if server.asked[path] <= server.times else None
        if path == "/login":
            self.answer(200, LOGIN)
        elif content is None:
            self.answer(404, b"404: Not Found")
        elif fault is None:
            self.answer(200, content)
        else:
            KINDS[fault](self, content)

    def answer(self, status, content=b"", length=None, **headers):
        """A proper answer; a header's name has _ for -, and a length may be a lie."""
        self.send_response(status)
        for name, value in {"Content_Length": len(content) if length is None else length, **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(content)

    def bare(self, data):
        """These very bytes and no more."""
        self.wfile.write(data)
        self.close_connection = True

    def drip(self, data, before=b""):
        """Byte by byte, quickly enough for every timeout between two of them."""
        self.wfile.write(before)
        for byte in data:
            if self.server.release.wait(0.15):
                return
            self.wfile.write(bytes([byte]))

    def log_message(self, *_):
        pass


def status(number, **headers):
    """A server that answers every question with this status."""
    return lambda h, content: h.answer(number, b"no", **headers)


def redirect(location):
    return lambda h, content: h.answer(302, b"", Location=location)


def length(value):
    return lambda h, content: h.answer(200, content, length=value)


def head(*lines):
    """Headers as they are written here, then the content."""
    text = "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""])
    return lambda h, content: h.bare(text.encode("latin-1") + content)


def flipped(content):
    return content[:100] + bytes([content[100] ^ 1]) + content[101:]


def chunks(content, size=1000):
    parts = [content[start : start + size] for start in range(0, len(content), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def reset(h, content):
    """Hang up in the middle, rudely."""
    h.bare(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + content[:100])
    h.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    h.connection.close()


def hang(after):
    def fault(h, content):
        h.wfile.write(after(content))
        h.server.release.wait(20)

    return fault


PLAIN = b"HTTP/1.1 200 OK\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
KINDS = {
    "right": lambda h, c: h.answer(200, c),
    "right, no length": lambda h, c: h.bare(PLAIN + c),
    "right, chunked": lambda h, c: h.bare(CHUNKED + chunks(c)),
    "right, said to be gzip": lambda h, c: h.answer(200, c, Content_Encoding="gzip"),
    "right, said to be br": lambda h, c: h.answer(200, c, Content_Encoding="br"),
    "right, short lines": lambda h, c: h.bare(b"HTTP/1.1 200 OK\nContent-Length: %d\n\n%s" % (len(c), c)),
    "missing": status(404),
    "gone": status(410),
    "no": status(403),
    "hourly limit": status(403, X_RateLimit_Remaining=0, X_RateLimit_Reset=int(time.time()) + 600),
    "limit without end": status(403, X_RateLimit_Remaining=0, X_RateLimit_Reset="9" * 400),
    "too many": status(429, Retry_After=120),
    "too many, a date": status(429, Retry_After="Fri, 31 Dec 1999 23:59:59 GMT"),
    "too many, no sense": status(429, Retry_After="soon"),
    "proxy": status(407),
    "error": status(500),
    "busy": status(503, Retry_After=5),
    "nothing": lambda h, c: h.answer(204, b""),
    "a part": lambda h, c: h.answer(206, c[:50], Content_Range="bytes 0-49/5000"),
    "unchanged": status(304),
    "teapot": status(418),
    "login": redirect("/login"),
    "ring": lambda h, c: h.answer(302, b"", Location=h.path),
    "to a file": redirect("file:///etc/passwd"),
    "to nowhere": redirect("http://127.0.0.1:9/x"),
    "to nothing": redirect(""),
    "to no address": redirect("http://[::1"),
    "to no name": redirect("http://" + "a" * 70 + ".invalid/"),
    "moved without a word": lambda h, c: h.answer(302, b""),
    "corrupt": lambda h, c: h.answer(200, flipped(c)),
    "another": lambda h, c: h.answer(200, c[::-1]),
    "page": lambda h, c: h.answer(200, LOGIN),
    "pointer": lambda h, c: h.answer(200, POINTER),
    "empty": lambda h, c: h.answer(200, b""),
    "longer": lambda h, c: h.answer(200, c + b"\0"),
    "endless": lambda h, c: [h.bare(PLAIN), *(h.wfile.write(b"\0" * 10**6) for _ in range(200))],
    "truncate": lambda h, c: h.answer(200, c[: len(c) // 2], length=len(c)),
    "truncate silently": lambda h, c: h.answer(200, c[:-7]),
    "hang": lambda h, c: hang(lambda c: HALF + c[:2000])(h, c),
    "hang at once": hang(lambda c: b""),
    "hang in the head": hang(lambda c: b"HTTP/1.1 200 OK\r\nContent-Le"),
    "drip": lambda h, c: h.drip(c, HALF),
    "drip the head": lambda h, c: h.drip(b"HTTP/1.1 200 OK\r\nX-Y: " + b"z" * 500),
    "drip a chunk's head": lambda h, c: h.drip(b"5;" + b"x" * 500, CHUNKED),
    "length abc": length("abc"),
    "length negative": length(-5),
    "length empty": length(""),
    "length enormous": length(10**30),
    "length twice": head("Content-Length: 5000", "Content-Length: 70"),
    "length short": length(4999),
    "chunk of no size": lambda h, c: h.bare(CHUNKED + b"zz\r\n" + c),
    "chunk negative": lambda h, c: h.bare(CHUNKED + b"-5\r\n" + c),
    "chunk enormous": lambda h, c: h.bare(CHUNKED + b"fffffffffffffff\r\n" + c),
    "chunks unfinished": lambda h, c: h.bare(CHUNKED + chunks(c)[:3000]),
    "chunked, not at all": head("Transfer-Encoding: chunked"),
    "reset": reset,
    "no word": lambda h, c: h.bare(b""),
    "no head": lambda h, c: h.bare(c),
    "garbage": lambda h, c: h.bare(b"\0\xff\r\n\r\n" * 50),
    "no status": lambda h, c: h.bare(b"HTTP/1.1 abc\r\n\r\n" + c),
    "status 99999": lambda h, c: h.bare(b"HTTP/1.1 99999 OK\r\n\r\n" + c),
    "version 9": lambda h, c: h.bare(b"HTTP/9.9 200 OK\r\n\r\n" + c),
    "long head": head("X-Long: " + "x" * 70_000),
    "many heads": head(*(f"X-{k}: 1" for k in range(200))),
    "odd heads": head("X-\x00\xff: \xfe", ": nothing", "no colon at all", " folded"),
    "continue, continue": lambda h, c: h.bare(b"HTTP/1.1 100 Continue\r\n\r\n" * 150 + PLAIN + c),
}


def film(number):
    return {"name": f"{number:08d}_000.png", "size": 1000 + number, "sha": f"{number:040x}", "type": "file"}


def spoiled(**entry):
    """A list of three films, the second of which has something else in it."""
    return lambda films: json.dumps([films[0], films[1] | entry, films[2]])


LISTS = {
    "right": json.dumps,
    "right, with a text": lambda films: json.dumps([{"name": "README.md", "size": 1, "sha": "0"}, *films]),
    "Infinity": lambda films: json.dumps(films).replace("1002", "Infinity"),
    "NaN": lambda films: json.dumps(films).replace("1002", "NaN"),
    "1e999": lambda films: json.dumps(films).replace("1002", "1e999"),
    "a number without end": lambda films: json.dumps(films).replace("1002", "9" * 5000),
    "negative": spoiled(size=-1),
    "zero": spoiled(size=0),
    "half a byte": spoiled(size=1.5),
    "True": spoiled(size=True),
    "size as text": spoiled(size="1002"),
    "enormous": spoiled(size=10**12),
    "no size": spoiled(size=None),
    "sha a number": spoiled(sha=7),
    "sha short": spoiled(sha="abc"),
    "sha of capitals": spoiled(sha="A" * 40),
    "sha and more": spoiled(sha="0" * 40 + "\n"),
    "no sha": spoiled(sha=None),
    "up": spoiled(name="../00000002_000.png"),
    "dots": spoiled(name="...png"),
    "absolute": spoiled(name="/etc/00000002_000.png"),
    "backslash": spoiled(name="..\\00000002_000.png"),
    "nul": spoiled(name="0000000\0_000.png"),
    "name and more": spoiled(name="00000002_000.png\n.png"),
    "digits of elsewhere": spoiled(name="٠٠٠٠٠٠٠٢_٠٠٠.png"),
    "name a number": spoiled(name=2),
    "name a list": spoiled(name=["00000002_000.png"]),
    "twice": spoiled(name="00000001_000.png"),
    "no name": lambda films: json.dumps([{"size": 1, "sha": "0" * 40}]),
    "deep": lambda films: "[" * 100_000,
    "deep and closed": lambda films: "[" * 100_000 + "]" * 100_000,
    "a dict": lambda films: json.dumps({"entries": films}),
    "limit as json": lambda films: '{"message": "API rate limit exceeded"}',
    "no films": lambda films: "[]",
    "numbers": lambda films: "[1, 2, 3]",
    "null": lambda films: "null",
    "a word": lambda films: '"films"',
    "cut": lambda films: json.dumps(films)[:-5],
    "no json": lambda films: "films: three",
    "mark": lambda films: "\ufeff" + json.dumps(films),
    "long": lambda films: json.dumps(films) + " " * 6_000_000,
    "nothing": lambda films: "",
}
CASES = [*(("file", kind) for kind in KINDS), *(("list", kind) for kind in LISTS)]
COUNT = 130 * len(CASES)


def run(count=COUNT, seed=0):
    """Try so many downloads, all kinds in turn; counts of what came of them.

    Returns
    -------
    dict : tried, refused (in one line), read_right, tracebacks, wrong (also: something left behind, or too slow),
        slowest_s, and `told`, a list of what went wrong
    """
    slow = [n for n in range(count) if CASES[n % len(CASES)][1].startswith(("hang", "drip"))]
    outcomes = _all(sorted(set(range(count)) - set(slow)), seed, CALM) + _all(slow, seed, HASTY)
    found = Counter(outcome for outcome, *_ in outcomes)
    return {
        "tried": count,
        **{outcome: found[outcome] for outcome in ("refused", "read_right", "tracebacks", "wrong")},
        "slowest_s": round(max((seconds for _, _, seconds in outcomes), default=0), 2),
        "told": [text for outcome, text, _ in outcomes if outcome in ("tracebacks", "wrong")],
    }


def _all(numbers, seed, waits):
    """Outcomes of these cases, side by side, with these waits."""
    kept = {name: getattr(downloads, name) for name in waits}
    with Server().running() as server, tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(TOGETHER) as pool:
        for name, value in waits.items():
            setattr(downloads, name, value)
        try:
            return list(pool.map(lambda number: _case(server, Path(folder), number, seed), numbers))
        finally:
            for name, value in kept.items():
                setattr(downloads, name, value)
            server.release.set()


def _case(server, folder, number, seed):
    """(outcome, what happened, seconds) of one download, half of the times with another file in its place before."""
    what, kind = CASES[number % len(CASES)]
    draw, path, place = random.Random(f"{seed} {number}"), f"/{number}/file", folder / str(number)
    place.mkdir()
    remote, content = (_file if what == "file" else _list)(server, path, kind, draw)
    before = b"what was there before" if draw.random() < 0.5 else None
    if before:
        (place / remote.name).write_bytes(before)
    started = time.monotonic()
    try:
        outcome, text = "read_right", download(remote, place, replace=True)
    except CourseError as error:
        outcome, text = "refused", str(error)
    except Exception as error:
        outcome, text = "tracebacks", f"{type(error).__name__}: {error}"
    seconds = time.monotonic() - started
    left = {file.name: file.read_bytes() for file in place.iterdir()}
    right = {remote.name: content} if outcome == "read_right" else {remote.name: before} if before else {}
    must = kind.startswith("right")
    if left != right or "\n" in str(text) or (must and outcome == "refused") or seconds > CEILING:
        outcome = "wrong" if outcome != "tracebacks" else outcome
    return outcome, f"{what}, {kind}: {text}; left {sorted(left)} after {seconds:.1f} s", seconds


def _file(server, path, kind, draw):
    content = np.random.default_rng(draw.randrange(10**9)).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    server.files[path], server.faults[path] = content, kind
    size = len(content) if draw.random() < 0.7 else None
    return Remote(server.address + path, "file.bin", size, git=git_sha1(content)), content


def _list(server, path, kind, draw):
    films = [film(number) for number in (1, 2, 3)]
    content = LISTS[kind](films).encode()
    server.files[path] = content
    return Listing(server.address + path, ".list.json"), content
