"""What tests of fetch_nih share."""

import gzip
import hashlib
import io
import json
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from tests.fuzz.server import CALM, Server
from tests.helpers.nih_folder import HEAD_2020, HEAD_BOXES
from util.data import download as downloads
from util.data import fetch_nih as fetch
from util.data.download import Remote, git_sha1, raw


@pytest.fixture
def server(monkeypatch):
    """A running server that CXR_MIRROR names; nobody waits long for it."""
    for name, value in CALM.items():
        monkeypatch.setattr(downloads, name, value)
    with Server().running() as server:
        monkeypatch.setenv("CXR_MIRROR", server.address)
        yield server


def png(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 40), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


STARTER = {f"{patient:08d}_000.png": png(patient) for patient in range(1, 7)}


BOXED = {f"{patient:08d}_001.png": png(100 + patient) for patient in range(5, 12)}


MIXED = STARTER | dict(list(BOXED.items())[:2])  # patients 5 and 6 have a film in either folder


def publish(monkeypatch, add):
    """Everything that is fetched, small, through `add(path of an address, content)`; hashes are pinned as they are."""
    names = [*STARTER, *BOXED]
    labels = "\n".join([HEAD_2020, *(f"{n},Mass,0,{int(n[:8])},50,F,PA,9,9,1,1" for n in names)]) + "\n"
    boxes = f"{HEAD_BOXES}\n{next(iter(BOXED))},Mass,10,10,50,50,,,\n"
    predictions = b"Image Index,prob_Mass\n" + b"a.png,0.5\n" * 200
    contents = [gzip.compress(labels.encode(), mtime=0), gzip.compress(boxes.encode(), mtime=0), predictions]
    tables = []
    for table, content in zip(fetch.TABLES, contents, strict=True):
        add(urlsplit(table.url).path, content)
        tables.append(Remote(table.url, table.name, len(content), hashlib.sha256(content).hexdigest()))
    monkeypatch.setattr(fetch, "TABLES", tuple(tables))
    for which, films in (("starter", STARTER), ("boxed", BOXED)):
        repository, commit, path = fetch.FOLDERS[which]
        for name, content in films.items():
            add(urlsplit(raw(repository, commit, f"{path}/{name}")).path, content)
        entries = [{"name": n, "size": len(c), "sha": git_sha1(c), "type": "file"} for n, c in films.items()]
        entries.append({"name": "README.md", "size": 3, "sha": "0" * 40, "type": "file"})
        add(f"/repos/{repository}/contents/{path}", json.dumps(entries).encode())


@pytest.fixture
def published(server, monkeypatch):
    publish(monkeypatch, server.files.__setitem__)
    return server


def film_names(folder):
    return {path.name: path.read_bytes() for path in (folder / "images").iterdir()}


def film_path(name):
    which = "starter" if name in STARTER else "boxed"
    return urlsplit(raw(*fetch.FOLDERS[which][:2], f"{fetch.FOLDERS[which][2]}/{name}")).path
