"""A remote store of films that other processes reach: the part of WebHDFS that lists folders and sends files."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit


class Store(ThreadingHTTPServer):
    """Serves a folder at `address`. `sends` is asked for each file, with its name, whether the store sends it now."""

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.sends = Path(folder), lambda name: True
        self.address = f"webhdfs://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self):
        """List, describe or send."""
        parts = urlsplit(self.path)
        path = self.server.folder / unquote(parts.path).removeprefix("/webhdfs/v1").lstrip("/")
        query = {name.lower(): values[0] for name, values in parse_qs(parts.query).items()}
        op = query["op"].upper()
        if not path.exists():
            return self.answer(404, {"RemoteException": {"exception": "FileNotFoundException", "message": ""}})
        if op == "LISTSTATUS":
            inside = sorted(path.iterdir()) if path.is_dir() else [path]
            return self.answer(200, {"FileStatuses": {"FileStatus": [status(one) for one in inside]}})
        if op == "GETFILESTATUS":
            return self.answer(200, {"FileStatus": status(path)})
        if not self.server.sends(path.name):
            return self.answer(503, {})
        start = int(query.get("offset", 0))
        return self.answer(200, path.read_bytes()[start : start + int(query["length"])])

    def answer(self, code, body):
        """Send bytes, or a dict as JSON."""
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Nothing is written."""


def status(path):
    """What WebHDFS says of a file or folder."""
    found = path.stat()
    kind = "DIRECTORY" if path.is_dir() else "FILE"
    return {"pathSuffix": path.name, "type": kind, "length": found.st_size, "modificationTime": found.st_mtime_ns}


@contextlib.contextmanager
def running_store(folder):
    """A `Store` while the block runs."""
    with Store(folder) as store:
        thread = threading.Thread(target=store.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield store
        finally:
            store.shutdown()
            thread.join()
