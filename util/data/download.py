"""Download one file from a fixed address, whole and verified or not at all; a different file in its place is kept.

CXR_MIRROR names a mirror to take files from, a folder or the address of a server. There, each file has the path of
its own address (jrzech/reproduce-chexnet/...).
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
PATIENCE, SLOWEST = 60, 10_000  # seconds allowed for a file, and bytes that allow one second more
PAUSE = 2  # seconds before the second and last attempt
TYPICAL = 420_000  # assumed bytes of a file of unknown size: most of these are films
PIECE = 16_384  # bytes passed on at a time
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
    name : str, its path within a folder
    bytes : int, or None if unknown
    sha256, git : str, SHA-256 and git's SHA-1 of the file, or None if unknown

    See Also
    --------
    download : fetches it

    Examples
    --------
    >>> Remote("https://example.org/films/a.png", "a.png").problem("no-such-file")
    'it is no file'
    """

    url: str
    name: str
    bytes: int | None = None
    sha256: str | None = None
    git: str | None = None

    largest = 100_000_000  # bytes, where the size is unknown

    def problem(self, path: Path | str) -> str | None:
        """What is wrong with the copy of the file at `path`, in words, or None."""
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


def git_sha1(data: bytes) -> str:
    """SHA-1 by which git names these bytes.

    See Also
    --------
    Remote : holds it where a commit vouches for the file

    Examples
    --------
    >>> git_sha1(b"film")[:12]
    '39d367e63c54'
    """
    hasher = _git_hash(len(data))
    hasher.update(data)
    return hasher.hexdigest()


def _picture_problem(path):
    """A film without a known hash must at least be a whole picture: PNG has a checksum in every part."""
    from util.data.images import read_film

    try:
        read_film(path)
    except CourseError as error:
        return f"no hash of it is known, and it is no whole picture: {error}"
    return None


def raw(repository: str, commit: str, path: str) -> str:
    """Address of a file of a GitHub repository at one commit.

    See Also
    --------
    source : the address that is really asked

    Examples
    --------
    >>> raw("owner/films", "0123abc", "images/a.png")
    'https://raw.githubusercontent.com/owner/films/0123abc/images/a.png'
    """
    return f"https://raw.githubusercontent.com/{repository}/{commit}/{path}"


def source(url: str) -> str:
    """Where a file is taken from: its own address, or its path in the mirror CXR_MIRROR.

    See Also
    --------
    download : asks this address

    Examples
    --------
    >>> source("https://example.org/films/a.png")  # without CXR_MIRROR
    'https://example.org/films/a.png'
    """
    mirror = os.environ.get("CXR_MIRROR")
    if not mirror:
        return url
    scheme = urlsplit(mirror).scheme if "://" in mirror else None
    if scheme not in (None, "http", "https"):
        raise CourseError(
            f"CXR_MIRROR is {mirror}, and from {scheme}:// nothing is taken: name a folder by its plain path, or a "
            "server by an address with http:// or https://."
        )
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query and scheme else ""
    return f"{mirror.rstrip('/')}{parts.path}{query}"


class Differs(CourseError):
    """A different file is in the place of the one to download, and it is not ours to remove.

    See Also
    --------
    download : raises it

    Examples
    --------
    >>> issubclass(Differs, CourseError)
    True
    """


class _Passing(Exception):
    """A failure that may be over in a moment."""


class _Slow(Exception):
    """An answer that would take forever."""


def download(remote: Remote, folder: Path | str, replace: bool = False, stop: threading.Event | None = None) -> Path:
    """Path of a file in the folder, downloaded unless it is there already, and verified in either case.

    Parameters
    ----------
    remote : Remote
    folder : str or Path of an existing folder
    replace : bool, whether to replace a different file in its place, once the new one is downloaded and verified
    stop : threading.Event that ends the download as Ctrl+C does, or None

    Raises
    ------
    Differs : a different file is in its place, and `replace` is False. It is left as it is.
    CourseError : no network, an answer that is not the file, no place to write. No partial file is left.

    See Also
    --------
    Remote : what to fetch, and how to verify it
    util.data.fetch_nih.fetch_nih : films and tables together

    Examples
    --------
    Not run by the tests, since it needs a network.

    >>> download(Remote("https://example.org/a.csv", "a.csv"), "data")  # doctest: +SKIP
    """
    target = Path(folder) / remote.name
    if os.path.lexists(target):
        problem = remote.problem(target)
        if problem is None:
            return target
        if not replace or target.is_symlink():
            raise Differs(
                f"{target} is another file than {remote.url} ({problem}) and was left as it is: the new one would take "
                "its place, so move yours away."
            )
    for further in (True, False):
        try:
            return _retrieve(remote, target, stop)
        except _Passing as error:
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
    # A margin, since a web page in place of a small file is best recognized by its content.
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
    """The same pieces, with a CourseError in place of any other error."""
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
    """Yield an answer piece by piece. A thread sends the request, so that no server holds us up beyond `seconds`."""
    inbox, over, end = queue.Queue(64), threading.Event(), time.monotonic() + seconds
    threading.Thread(target=_ask, args=(url, inbox, over), daemon=True).start()
    try:
        while (what := _next(inbox)) is not END:
            if stop is not None and stop.is_set():
                raise CourseError(f"{url} was broken off.")
            if time.monotonic() > end:
                raise _Slow(f"sends so slowly that the file is not here after {seconds:.0f} seconds")
            if isinstance(what, Exception):
                raise what
            yield what
    finally:
        over.set()


def _next(inbox):
    """What the thread has passed on: a piece, an error or END; b"" if nothing comes for a while."""
    try:
        return inbox.get(timeout=0.1)
    except queue.Empty:
        return b""


def _ask(url, inbox, over):
    """Put the pieces of an answer into the inbox, then END or an error, unless `over` is set."""
    import requests

    def hand_on(what):
        while not over.is_set():
            with contextlib.suppress(queue.Full):
                return inbox.put(what, timeout=0.2)

    try:
        with requests.get(url, stream=True, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"}) as answer:
            if answer.status_code != 200:
                raise requests.HTTPError(response=answer)
            answer.raw.headers.pop("Content-Encoding", None)  # the file as it is on the server, packed or not
            for piece in answer.iter_content(PIECE):
                if over.is_set():
                    return
                hand_on(piece)
        hand_on(END)
    except Exception as error:  # from requests or the libraries below it, whatever a server provokes
        hand_on(error)


def _cause(error, url, by_hand):
    """What to raise if no answer came: a CourseError that names the cause, or _Passing."""
    kinds = [kind.__name__ for kind in type(error).__mro__]  # by name, since requests is imported where it is used
    if "TooManyRedirects" in kinds:
        return CourseError(f"{url} sends from one address to the next without end: {by_hand}.")
    answer = getattr(error, "response", None)
    if answer is not None:
        return _refusal(answer, url, by_hand)
    if "SSLError" in kinds and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return CourseError(
            f"{url} shows a certificate that this machine does not trust, as behind the proxy of a company or a "
            f"school: name the file of their certificates in REQUESTS_CA_BUNDLE, or {by_hand}."
        )
    if "ProxyError" in kinds:
        return CourseError(_proxy("407" in str(error), by_hand))
    passing = next((sentence for kind, sentence in PASSING.items() if kind in kinds), None)
    if passing:
        return _Passing(passing)
    if isinstance(error, _Slow):
        return CourseError(f"{url} {error}: try again later, or {by_hand}.")
    return CourseError(f"{url} gives no answer that can be read ({kinds[0]}): {by_hand}.")


def _proxy(asks_for_a_name, by_hand):
    cause = "asks for a name and a password (407)" if asks_for_a_name else "cannot be reached, or refuses"
    return (
        f"The proxy named in HTTPS_PROXY or HTTP_PROXY {cause}: correct that variable "
        f"(http://name:password@host:port), or {by_hand}."
    )


def _refusal(answer, url, by_hand):
    """What to raise if a server answers with anything but the file."""
    status, headers = answer.status_code, answer.headers
    spent = headers.get("X-RateLimit-Remaining") == "0" or "Retry-After" in headers
    if status == 429 or (status == 403 and spent):
        return CourseError(
            f"{urlsplit(url).hostname} gives this address no more answers for now ({status}; all who share an address, "
            f"such as a class, share its limit): try again {_when(headers)}, or {by_hand}."
        )
    if status == 407:
        return CourseError(_proxy(True, by_hand))
    if status >= 500:
        return _Passing(f"answers with an error ({status})")
    state = "is not there" if status in (404, 410) else "is refused" if status >= 400 else "is not what comes"
    return CourseError(f"{url} {state} ({status}): {by_hand}.")


def _when(headers):
    """When to come back, by the headers of a refusal: 'at 14:05', with the date if it is a different day."""
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
