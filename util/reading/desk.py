"""Films to be read by a class, and what its answers say.

python -m util reading-room make --out DIR --secret-file FILE    pages for readers, and what only you may see
python -m util reading-room analyze ANSWERS --room FILE          tables and curves from the readers' CSV files
python -m util reading-room scores                               for maintainers: scores of lesson 16's room
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from util.command import argument_parser, command
from util.data.cohort import HOME
from util.errors import CourseError
from util.files import whole, write_text
from util.findings import FINDINGS
from util.notes import note
from util.reading.room import FILMS, FINDING, SIZE, draw_room, read_room, write_room
from util.seal import OPEN, read_secret, write_secret

FOR_READERS, FOR_INSTRUCTOR = "for-readers", "for-the-instructor"


@command()
def main(arguments: Sequence[str] | None = None) -> int | None:
    """Run the command; returns the exit code, 2 after a mistake.

    See Also
    --------
    util.reading.room.draw_room : draws the films

    Examples
    --------
    Not run by the tests, since it writes files.

    >>> main(["make", "--out", "build/reading-room", "--no-model"])  # doctest: +SKIP
    """
    parser = argument_parser("reading-room", __doc__)
    commands = parser.add_subparsers(dest="what", required=True, metavar="make | analyze | scores")
    make = commands.add_parser("make", help="draw the films and write the pages")
    make.add_argument(
        "--out", default=str(HOME / "build" / "reading-room"), help="folder to write; must be new or empty"
    )
    make.add_argument("--name", default="reading room", help="of the room, such as 'spring'")
    make.add_argument(
        "--finding", default=FINDING, choices=FINDINGS, metavar="FINDING", help=f"to read for ({FINDING})"
    )
    make.add_argument("--films", type=int, default=FILMS, help=f"8 to 200 ({FILMS})")
    make.add_argument("--size", type=int, default=SIZE, help=f"pixels of a film's side ({SIZE})")
    make.add_argument(
        "--secret-file", help="your secret, created if there is no such file; without it the truth is open"
    )
    make.add_argument("--no-model", action="store_true", help="no reading with advice (needs no TensorFlow)")
    make.add_argument("--rehearse", type=int, default=0, metavar="READERS", help="also answers of simulated readers")
    make.set_defaults(run=_make_room)
    analyze = commands.add_parser("analyze", aliases=["analyse"], help="what the answers say")
    analyze.add_argument("answers", nargs="+", help="CSV files of readers, or folders of them")
    analyze.add_argument("--room", required=True, help=f"the room.json in {FOR_INSTRUCTOR}")
    analyze.add_argument("--out", help="folder that is there, for report.md, readers.csv and curves.png")
    analyze.set_defaults(run=_analyze_room)
    scores = commands.add_parser("scores", help="for maintainers: score the room of lesson 16")
    scores.set_defaults(run=_score_lesson)
    options = parser.parse_args(arguments)
    return options.run(options)


def _make_room(options):
    """Write the pages for readers and the instructor's file."""
    from util.reading.advice import advised
    from util.reading.page import page_html

    out = _new_folder(options.out)
    secret = _secret(options.secret_file, out)
    room, pixels = draw_room(options.name, options.finding, options.films, secret, options.size)
    if not options.no_model:
        room = advised(room, pixels)
    pages = {reading: page_html(room, pixels, reading) for reading in ("alone", "advice")[: 1 + room.advised]}
    for folder in (FOR_READERS, FOR_INSTRUCTOR):
        (out / folder).mkdir(parents=True)
    for reading, page in pages.items():
        write_text(out / FOR_READERS / f"read-{reading}.html", page)
    write_room(room, out / FOR_INSTRUCTOR / "room.json")
    _rehearse(options.rehearse, room, out)
    print(f"{len(room.films)} simulated films, {room.finding}, room {room.fingerprint}. Not for clinical use.")
    print(f"Give readers {out / FOR_READERS}: first read-alone.html, and read-advice.html some weeks later.")
    print(f"Keep {out / FOR_INSTRUCTOR} to yourself: room.json has the truth.")
    if secret == OPEN:
        print("This room is open, for self-study: the same command draws it again. For a class give --secret-file.")


def _new_folder(name):
    out = Path(name)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CourseError(f"{out} is not an empty folder: name a new one with --out.")
    return out


def _secret(file, out):
    """The secret in a file, which is made where it is missing; it never comes into the readers' folder."""
    if file is None:
        return OPEN
    if (out / FOR_READERS).resolve() in Path(file).resolve().parents:
        raise CourseError(f"The secret would be in {FOR_READERS}, which you give to readers: name a different place.")
    if not Path(file).exists():
        write_secret(file)
    return read_secret(file)


def _rehearse(readers, room, out):
    from util.reading.files import write_answers
    from util.reading.scripted import scripted_class

    if not readers:
        return
    folder = out / FOR_INSTRUCTOR / "rehearsal"
    folder.mkdir()
    for reader in scripted_class(readers):
        for reading in ("alone", "advice")[: 1 + room.advised]:
            write_answers(reader.read(room, reading), room, folder)


def _analyze_room(options):
    """Print the report of a class's answers, and write it where a folder is named."""
    from util.reading.files import read_class
    from util.reading.report import report

    room = read_room(options.room)
    left_out = []
    answers = read_class(options.answers, room, left_out)
    for sentence in left_out:
        note(f"Left out: {sentence}")
    text = report(answers, room, len(left_out))
    print(text)
    if options.out:
        _write_all(Path(options.out), text, answers, room)


def _write_all(out, text, answers, room):
    from util.reading.figures import draw_class
    from util.reading.study import complete, ratings_of, readers_table

    if not out.is_dir():
        raise CourseError(f"There is no folder {out}: make it, or name a different one.")
    write_text(out / "report.md", text)
    with whole(out / "readers.csv") as part:
        readers_table(answers, room).to_csv(part, lineterminator="\n", float_format="%.4f")
    if complete(answers, "alone"):
        fig = draw_class(room, ratings_of(answers, ("alone",))[1][0], f"{room.finding}, read alone (simulated films)")
        with whole(out / "curves.png") as part, part.open("wb") as stream:
            fig.savefig(stream, format="png")


def _score_lesson(options):
    """Write data/reading_room.csv again."""
    from util.reading.advice import SCORES, write_lesson_scores

    print(f"{len(write_lesson_scores())} films scored: {SCORES}")
