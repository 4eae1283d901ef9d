"""The small hospital that the tests of `util.hospital` share: whose it is, and how large."""

STUDENT, SECRET, FILMS, SIZE = "small", b"a secret that only these tests know", 400, 64
