"""Run the course from first to last notebook, and leave it as pages to read.

    python -m util course                                       simulated films
    python -m util course --cohort nih --root FOLDER            real films

Each notebook runs in a fresh kernel; the executed notebooks and build/course/index.html are left behind. A failing
cell stops the course with its notebook, its number and its error.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from util import settings
from util.command import argument_parser, command
from util.course.kernel import kernel_of
from util.course.lessons import described
from util.course.pages import title_of, write_index, write_page
from util.data.cohort import HOME, load_cohort
from util.errors import CourseError

NOTEBOOKS = HOME / "notebooks"
ENOUGH = (300, 150)  # films and patients from which on most sections of all notebooks can be computed


@dataclass(frozen=True)
class Result:
    """What running one notebook gave: seconds of wall time, peak resident memory in MB, verdict."""

    name: str
    title: str
    seconds: float
    megabytes: float
    verdict: str
    part: str = ""  # of the path, and minutes, of a lesson


def notebooks(only=()):
    """Paths of the notebooks in their order, all or those with the numbers `only`, such as '02'."""
    paths = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    numbers = [path.stem[:2] for path in paths]
    if not paths or set(only) - set(numbers):
        raise CourseError(f"No such notebook in {NOTEBOOKS}: --only takes numbers of {', '.join(numbers) or 'none'}.")
    return [path for path in paths if not only or path.stem[:2] in only]


def peak_memory():
    """Peak resident memory of this process in MB; it is asked of each kernel before it stops."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux; getrusage would count the parent's memory from before the fork
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


def run_notebook(path, out, environment):
    """Execute one notebook in a fresh kernel and write it, executed, into the folder `out`.

    Parameters
    ----------
    path : Path of the notebook
    out : Path of the folder for the executed notebook and its page
    environment : dict, added to the kernel's environment variables

    Returns
    -------
    Result

    Raises
    ------
    CourseError : a cell failed; the executed part is written all the same.
    """
    import nbformat
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    started, failure, megabytes = time.perf_counter(), None, float("nan")
    try:
        with kernel_of(notebook, NOTEBOOKS, environment) as client:
            for number, cell in enumerate(notebook.cells):
                client.execute_cell(cell, number)
            megabytes = _peak_memory_of(client)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        failure = f"{path.stem} stopped at cell {number}: {_reason(error)}"
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of execution change from run to run
    write_page(notebook, out / path.name)
    if failure:
        raise CourseError(failure)
    lesson = described(notebook, path.stem)
    part = f"{'core' if lesson.core else 'further'}, {lesson.minutes}" if lesson else ""
    return Result(path.stem, title_of(notebook), time.perf_counter() - started, megabytes, "passed", part)


def _peak_memory_of(client):
    """Ask the kernel for its own peak, in a cell that is not part of the notebook."""
    from nbformat.v4 import new_code_cell

    cell = new_code_cell("from util.course.run import peak_memory; print(peak_memory())")
    client.nb.cells.append(cell)
    try:
        client.execute_cell(cell, len(client.nb.cells) - 1, store_history=False)
    finally:
        client.nb.cells.pop()
    return float(cell.outputs[0].text)


def _reason(error):
    name, value = getattr(error, "ename", type(error).__name__), getattr(error, "evalue", str(error))
    return f"{name}: {value}".splitlines()[0]


def prepare(out):
    """Make the output folder and take away what an earlier, perhaps interrupted, run left; say if it can't be.

    Nothing is taken away but files of the course's own names.
    """
    if out.resolve() == NOTEBOOKS.resolve():
        raise CourseError(f"The folder {out} holds the notebooks themselves: name another with --out.")
    pages = [name for path in notebooks() for name in (path.name, f"{path.stem}.html")]
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in (*pages, "index.html"):
            (out / name).unlink(missing_ok=True)
            (out / f"{name}.part").unlink(missing_ok=True)
        probe = out / "probe.part"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CourseError(
            f"The folder {out} cannot be written ({error.strerror}): change its permissions or name another with --out."
        ) from None


def tell_if_few(cohort):
    """Print, before anything runs, that a cohort has few films on disk, how many would do, and what happens instead."""
    films = cohort.films[cohort.films["Image"].isin(cohort.paths)]
    have = len(films), films["PatientId"].nunique()
    if have[0] < ENOUGH[0] or have[1] < ENOUGH[1]:
        print(
            f"Few films: {_films_of(*have)} on disk. Every section can be computed from about {_films_of(*ENOUGH)}, some of "
            "them with several films; a section that cannot says what it needs, and the notebook goes on."
        )


def _films_of(films, patients):
    return f"{films:,} film{'s' * (films != 1)} of {patients:,} patient{'s' * (patients != 1)}"


def run_course(paths, out, environment):
    """Run the notebooks in order with a line for each; return the results, the last one perhaps a failure."""
    results = []
    for number, path in enumerate(paths, start=1):
        print(f"[{number}/{len(paths)}] {path.stem} ...", flush=True)
        started = time.perf_counter()
        try:
            results.append(run_notebook(path, out, environment))
        except CourseError as error:
            seconds = time.perf_counter() - started
            results.append(Result(path.stem, path.stem, seconds, float("nan"), "FAILED"))
            print(error, file=sys.stderr)
            break
        print(f"      passed in {results[-1].seconds:.0f} s, {results[-1].megabytes:,.0f} MB", flush=True)
    return results


def table(results):
    """The closing table as text."""
    lines = [f"{'notebook':26} {'seconds':>8} {'peak MB':>8}  verdict"]
    lines += [f"{r.name:26} {r.seconds:8.0f} {r.megabytes:8,.0f}  {r.verdict}" for r in results]
    lines.append(f"{'all':26} {sum(r.seconds for r in results):8.0f}")
    return "\n".join(lines)


@command("Stopped. The same command starts the course again.")
def main(arguments=None):
    """Run the command; returns the exit code: 1 when a cell failed, 2 after a mistake in the arguments."""
    parser = argument_parser("course", __doc__)
    parser.add_argument("--cohort", default=settings.cohort_name() or "phantom", help="phantom (default) or nih")
    parser.add_argument("--root", help="folder of the real films (else the environment variable CXR_ROOT)")
    parser.add_argument("--out", default=HOME / "build" / "course", type=Path, help="folder for pages (build/course)")
    parser.add_argument("--only", nargs="*", default=(), metavar="NN", help="numbers of notebooks, such as 02 04")
    parser.add_argument("--save", action="store_true", help="also put the executed notebooks back into notebooks/")
    options = parser.parse_args(arguments)
    return _run(options)


def _run(options):
    """Check the options, run the course, leave index and table; returns the exit code."""
    root = options.root or (settings.films_folder() if options.cohort == "nih" else None)
    if root and options.cohort == "phantom":
        raise CourseError(f"The simulated films are embedded; for the films in {root} add --cohort nih (COHORT=nih).")
    if options.save and options.cohort != "phantom":
        raise CourseError("Only outputs of the phantom cohort are saved in notebooks/: leave out --save or --cohort.")
    environment = {
        "COURSE_BATCH": "1",
        "COHORT": options.cohort,
        "CXR_ROOT": str(Path(root).expanduser().resolve()) if root else "",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    cohort = load_cohort(options.cohort, environment["CXR_ROOT"] or None)
    print(cohort, flush=True)
    paths = notebooks(options.only)
    tell_if_few(cohort)
    prepare(options.out)
    results = run_course(paths, options.out, environment)
    write_index(results, options.out, options.cohort)
    failed = any(r.verdict != "passed" for r in results)
    if options.save and not failed:
        for result in results:
            (NOTEBOOKS / f"{result.name}.ipynb").write_bytes((options.out / f"{result.name}.ipynb").read_bytes())
    print(f"\n{table(results)}\n\nPages: {options.out / 'index.html'}. Not for clinical use.")
    return int(failed)
