"""One file from a fixed address, whole and verified or not at all; what somebody else put in its place stays there.

CXR_MIRROR names another place to take files from, a folder or the address of a server, in which each file lies under
the path of its own address (jrzech/reproduce-chexnet/...).
"""

import contextlib
import hashlib
import os
import queue
import threading
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from util.errors import CourseError
from util.files import whole

TIMEOUT = (10, 30)  # seconds to connect, and to wait for the next bytes
PATIENCE, SLOWEST = 60, 10_000  # a file may take so many seconds, and one more for every so many bytes
PAUSE = 2  # seconds before the one further try
TYPICAL = 420_000  # bytes of a file whose size nobody tells: most of those are films
PIECE = 16_384  # bytes handed on at a time
END = object()  # of an answer
PASSING = {  # by the class of an error of requests, the narrow ones first
    "Timeout": "has stopped answering",
    "SSLError": "does not answer over a secure connection",
    "ConnectionError": "cannot be reached, or broke off",
    "ChunkedEncodingError": "broke off",
}


@dataclass(frozen=True)
class Remote:
    """A file at a fixed address.

    Attributes
    ----------
    url : str
    name : str, where it goes within a folder
    bytes : int, or None where nobody knows
    sha256, git : str, SHA-256 and git's SHA-1 of the file, either or both or None
    """

    url: str
    name: str
    bytes: int | None = None
    sha256: str | None = None
    git: str | None = None

    largest = 100_000_000  # bytes, where nobody knows them

    def problem(self, path):
        """What is wrong with a copy of the file in `path`, in words, or None."""
        path = Path(path)
        if not path.is_file():
            return "it is no file"
        try:
            return self._problem(path)
        except OSError as error:
            return f"it cannot be read, {error.strerror}"

    def _problem(self, path):
        with path.open("rb") as file:
            head = file.read(1000)
        if head.lstrip()[:1] == b"<" or head.startswith(b"version https://git-lfs"):
            return "it is a web page or a link, perhaps a page to log in"
        size = path.stat().st_size
        if self.bytes is not None and size != self.bytes:
            return f"it has {size:,} bytes in place of {self.bytes:,}"
        if self.sha256 is not None and _digest(path, hashlib.sha256()) != self.sha256:
            return "its SHA-256 is another"
        if self.git is not None and _digest(path, _git_hash(size)) != self.git:
            return "its content is not that of the pinned commit"
        unknown = self.sha256 is None and self.git is None
        return _picture_problem(path) if unknown and self.name.endswith(".png") else None


def _digest(path, hasher):
    with path.open("rb") as file:
        while data := file.read(1_000_000):
            hasher.update(data)
    return hasher.hexdigest()


def _git_hash(size):
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def git_sha1(data):
    """The name that git gives to these bytes."""
    hasher = _git_hash(len(data))
    hasher.update(data)
    return hasher.hexdigest()


def _picture_problem(path):
    """A film of which no hash is known must at least be a whole picture: PNG has a checksum in every part."""
    from util.data.images import read_film

    try:
        read_film(path)
    except CourseError as error:
        return f"no hash of it is known, and it is no whole picture: {error}"
    return None


def raw(repository, commit, path):
    """Address of a file of a GitHub repository at one commit."""
    return f"https://raw.githubusercontent.com/{repository}/{commit}/{path}"


def source(url):
    """Where a file is taken from: its own address, or its place in the mirror CXR_MIRROR."""
    mirror = os.environ.get("CXR_MIRROR")
    if not mirror:
        return url
    scheme = urlsplit(mirror).scheme if "://" in mirror else None
    if scheme not in (None, "http", "https"):
        raise CourseError(
            f"CXR_MIRROR is {mirror}, and from {scheme}:// nothing is taken: name a folder by its plain path, or a server "
            "by an address with http:// or https://."
        )
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query and scheme else ""
    return f"{mirror.rstrip('/')}{parts.path}{query}"


class Differs(CourseError):
    """In the place of a file lies another one, which is not ours to remove."""


class Passing(Exception):
    """A failure that may be over in a moment."""


class Slow(Exception):
    """An answer that would take for ever."""


def download(remote, folder, replace=False, stop=None):
    """Path of a file in the folder: there already, or fetched; verified in either case before it is used.

    Parameters
    ----------
    remote : Remote
    folder : str or Path of a folder that is there
    replace : bool, whether another file that lies in its place is replaced, once the new one is here and verified
    stop : threading.Event that ends the download as Ctrl+C does, or None

    Raises
    ------
    Differs : another file lies in its place, and nobody asked to replace it. It is left as it is.
    CourseError : no network, an answer that is not the file, no place to write. Nothing half is left.
    """
    target = Path(folder) / remote.name
    if os.path.lexists(target):
        problem = remote.problem(target)
        if problem is None:
            return target
        if not replace or target.is_symlink():
            raise Differs(
                f"{target} is another file than {remote.url} ({problem}) and was left as it is: the new one would take its "
                "place, so move yours away."
            )
    for further in (True, False):
        try:
            return _retrieve(remote, target, stop)
        except Passing as error:
            if not further:
                raise CourseError(
                    f"{source(remote.url)} {error}: try again later, or {_by_hand(remote, target)}."
                ) from None
            time.sleep(PAUSE)


def _by_hand(remote, target):
    return f"get {remote.url} by hand and put it at {target}"


def _retrieve(remote, target, stop):
    url = source(remote.url)
    expected = remote.bytes or TYPICAL
    seconds = PATIENCE + expected / SLOWEST
    pieces = _from_server(url, seconds, stop) if "://" in url else _from_folder(url)
    pieces = _told(pieces, url, _by_hand(remote, target))
    # Somewhat more is let through, since a page in place of a small file is told best by what it says.
    left = 100_000 + (expected if remote.bytes else remote.largest)
    with whole(target) as part:
        with part.open("wb") as file, contextlib.closing(pieces):
            for piece in pieces:
                left -= len(piece)
                if left < 0:
                    raise CourseError(
                        f"The answer of {url} is longer than the file: it was broken off, and nothing was kept."
                    )
                file.write(piece)
        if problem := remote.problem(part):
            raise CourseError(f"{url} is not the file wanted ({problem}): nothing of it was kept.")
    return target


def _told(pieces, url, by_hand):
    """The same pieces, and a sentence in place of an error."""
    try:
        yield from pieces
    except CourseError:
        raise
    except Exception as error:
        raise _cause(error, url, by_hand) from None


def _from_folder(path):
    try:
        with Path(path).expanduser().open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    except OSError as error:
        reason = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise CourseError(f"{path} {reason}: complete the mirror, or unset CXR_MIRROR.") from None


def _from_server(url, seconds, stop):
    """Yield an answer piece by piece. A thread does the asking, so that no server holds anybody up beyond `seconds`."""
    inbox, over, end = queue.Queue(64), threading.Event(), time.monotonic() + seconds
    threading.Thread(target=_ask, args=(url, inbox, over), daemon=True).start()
    try:
        while (what := _next(inbox)) is not END:
            if stop is not None and stop.is_set():
                raise CourseError(f"{url} was broken off.")
            if time.monotonic() > end:
                raise Slow(f"sends so slowly that the file is not here after {seconds:.0f} seconds")
            if isinstance(what, Exception):
                raise what
            yield what
    finally:
        over.set()


def _next(inbox):
    """What the thread has handed on: a piece, an error or END; b"" where nothing comes for a while."""
    try:
        return inbox.get(timeout=0.1)
    except queue.Empty:
        return b""


def _ask(url, inbox, over):
    """Put an answer's pieces into the inbox, and END or an error after them, until it is over."""
    import requests

    def hand_on(what):
        while not over.is_set():
            with contextlib.suppress(queue.Full):
                return inbox.put(what, timeout=0.2)

    try:
        with requests.get(url, stream=True, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"}) as answer:
            if answer.status_code != 200:
                raise requests.HTTPError(response=answer)
            answer.raw.headers.pop("Content-Encoding", None)  # the file as it lies there, packed or not
            for piece in answer.iter_content(PIECE):
                if over.is_set():
                    return
                hand_on(piece)
        hand_on(END)
    except Exception as error:  # of requests, of what lies below it, and of what a server makes of both
        hand_on(error)


def _cause(error, url, by_hand):
    """What to raise where no answer came: a sentence that names the cause, or Passing."""
    kinds = [kind.__name__ for kind in type(error).__mro__]  # by name, since requests is imported where it is used
    if "TooManyRedirects" in kinds:
        return CourseError(f"{url} sends from one address to the next without end: {by_hand}.")
    answer = getattr(error, "response", None)
    if answer is not None:
        return _refusal(answer, url, by_hand)
    if "SSLError" in kinds and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return CourseError(
            f"{url} shows a certificate that this machine does not trust, as behind the proxy of a company or a school: "
            f"name the file of their certificates in REQUESTS_CA_BUNDLE, or {by_hand}."
        )
    if "ProxyError" in kinds:
        return CourseError(_proxy("407" in str(error), by_hand))
    passing = next((sentence for kind, sentence in PASSING.items() if kind in kinds), None)
    if passing:
        return Passing(passing)
    if isinstance(error, Slow):
        return CourseError(f"{url} {error}: try again later, or {by_hand}.")
    return CourseError(f"{url} gives no answer that can be read ({kinds[0]}): {by_hand}.")


def _proxy(asks_for_a_name, by_hand):
    cause = "asks for a name and a password (407)" if asks_for_a_name else "cannot be reached, or refuses"
    return (
        f"The proxy named in HTTPS_PROXY or HTTP_PROXY {cause}: correct that variable "
        f"(http://name:password@host:port), or {by_hand}."
    )


def _refusal(answer, url, by_hand):
    """What to raise where a server answers with anything but the file."""
    status, headers = answer.status_code, answer.headers
    spent = headers.get("X-RateLimit-Remaining") == "0" or "Retry-After" in headers
    if status == 429 or (status == 403 and spent):
        return CourseError(
            f"{urlsplit(url).hostname} gives this address no more answers for now ({status}; all who share an address, such "
            f"as a class, share its limit): try again {_when(headers)}, or {by_hand}."
        )
    if status == 407:
        return CourseError(_proxy(True, by_hand))
    if status >= 500:
        return Passing(f"answers with an error ({status})")
    state = "is not there" if status in (404, 410) else "is refused" if status >= 400 else "is not what comes"
    return CourseError(f"{url} {state} ({status}): {by_hand}.")


def _when(headers):
    """When to come back, as the headers of a refusal have it: 'at 14:05', with the date where that is another day."""
    after, now = headers.get("Retry-After", ""), time.time()
    try:
        if after.isdigit():
            then = now + int(after)
        else:
            then = parsedate_to_datetime(after).timestamp() if after else int(headers["X-RateLimit-Reset"])
        if not abs(then - now) < 30 * 86_400:
            return "later"
    except (KeyError, ValueError, TypeError, OverflowError):
        return "later"
    local = time.localtime(then)
    return f"at {time.strftime('%H:%M' if abs(then - now) < 43_200 else '%H:%M on %d %B', local)}"
