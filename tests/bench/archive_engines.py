"""Bench of archives: a film's cost beyond decoding and the network, memory at ten times the films, what going on costs."""

import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.bench import peer, row, seconds
from tests.bench.predict import decode

FILMS, SOME, KINDS = 2_000, 1_000, 32  # films scored, on half of the cores, and different ones among them
PEAK = """
import resource, sys
from tests.helpers.traps import PlainRecipe
from util.archive.run import score_archive
from util.course.run import peak_memory
score_archive(sys.argv[1], sys.argv[2], PlainRecipe("tiny", size=320))
print(peak_memory(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def bench():
    """The local engine against bare passes and decoding, Ray against it; memory; a resume."""
    if peer("pyarrow") is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        films = drawn(folder / "films", FILMS)
        wall = bench_engines(folder, films)
        if peer("ray") and hasattr(os, "sched_setaffinity"):
            bench_machines(folder)
        bench_resume(folder, films, wall)
        bench_memory(folder)


def drawn(folder, count, size=1024):
    """A folder of so many films with names of their own: PNGs of NIH's size in bytes, KINDS different ones, linked."""
    from PIL import Image

    from util.data.cohort import load_cohort

    folder.mkdir()
    phantom, rng, paths = load_cohort("phantom"), np.random.default_rng(0), []
    for k, image in enumerate(phantom.split("test")["Image"][:KINDS]):
        large = np.asarray(Image.fromarray(phantom.read(image)).resize((size, size), Image.Resampling.BICUBIC), float)
        paths.append(folder.parent / f"{folder.name}-{k}.png")
        Image.fromarray(np.clip(large + rng.normal(0, 2, large.shape), 0, 255).astype(np.uint8)).save(paths[-1])
    for k, path in zip(range(count), itertools.cycle(paths)):
        os.link(path, folder / f"{k:08}_000.png")
    return folder


def bench_engines(folder, films):
    """Wall time of local and Ray; the network is loaded and compiled before, processes are started within."""
    from util.archive.block import Recipe, with_gate
    from util.archive.run import score_archive
    from util.models.predict import BATCH_SIZE, predict_films
    from util.models.weights import load_pretrained

    pretrained, recipe = load_pretrained(check=False), with_gate(Recipe("phantom"))
    some = [path.name for path in sorted(films.iterdir())[:KINDS]]
    cohort = Folder(films)
    ready = np.stack([pretrained.preprocessing(cohort.read(name)) for name in some[:BATCH_SIZE]])
    predict_films(pretrained.model, ready)
    rounds = -(-FILMS // BATCH_SIZE)
    bare = seconds(lambda: [predict_films(pretrained.model, ready) for _ in range(rounds)])
    decoding = seconds(lambda: decode(cohort, some, pretrained.preprocessing)) / len(some) * FILMS
    apart = spent(lambda: [predict_films(pretrained.model, ready) for _ in range(4)]) * rounds / 4
    apart += spent(lambda: decode(cohort, some, pretrained.preprocessing)) / len(some) * FILMS
    before = cpu()
    wall = seconds(lambda: score_archive(films, folder / "local", recipe, pretrained=pretrained))
    whole = cpu() - before
    row(f"{FILMS:,} films of 1,024 pixels into an archive: films per second", f"{FILMS / wall:.2f}", "local")
    row("  (bare passes + decoding on all cores) / wall time", f"{(bare + decoding) / wall:.2f}", "goal .95")
    told = "seconds of cores, which other work on the machine changes less"
    row("  (bare passes + decoding) / all that was computed", f"{apart / whole:.2f}", told)
    if peer("ray"):
        taken = {name: seconds(lambda name=name: command(films, folder, name)) for name in ("local", "ray")}
        told = f"goal .90; the commands took {taken['local']:.0f} and {taken['ray']:.0f} seconds in all"
        row("  Ray on this machine: speed against local", f"{taken['local'] / taken['ray']:.2f}", told)
    return wall


def command(films, folder, engine):
    """Score the films as people do, with a command."""
    options = ["--root", str(films), "--model", "phantom", "--engine", engine, "--out", str(folder / f"by {engine}")]
    subprocess.run([sys.executable, "-m", "util", "score", *options], capture_output=True, check=True)


def bench_machines(folder):
    """Two machines of a cluster against one of them. Each is a process bound to its half of the cores."""
    from tests.helpers.ray_cluster import add_machine, running_cluster
    from util.archive.block import Recipe
    from util.archive.on_ray import run_ray
    from util.archive.run import score_archive

    films, cores = drawn(folder / "some", SOME), sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    taken, recipe = [], Recipe("phantom", readers=half)

    def score(name):
        def engine(blocks, recipe, pretrained):
            return run_ray(blocks, recipe, cluster.address)

        taken.append(seconds(lambda: score_archive(films, folder / name, recipe, engine)))

    try:
        os.sched_setaffinity(0, cores[:half])  # a machine and its workers have the cores of the process that starts it
        with running_cluster(folder, half) as cluster:
            os.sched_setaffinity(0, cores)
            score("one machine")
            os.sched_setaffinity(0, cores[half : 2 * half])
            add_machine(cluster, half)
            os.sched_setaffinity(0, cores)
            score("two machines")
    finally:
        os.sched_setaffinity(0, cores)
    told = f"{SOME} films; 2 if machines were all that counts; the command itself has no core of its own"
    row(f"  two machines of {half} cores each: speed against one of them", f"{taken[0] / taken[1]:.2f}", told)


def cpu():
    """Seconds of cores that this process and those it has ended have taken so far."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def spent(work):
    """Seconds of cores of one call."""
    before = cpu()
    work()
    return cpu() - before


class Folder:
    """Films of a folder, as a cohort reads them."""

    def __init__(self, folder):
        self.folder = folder

    def read(self, name):
        from util.data.own_film import read_own_film

        return read_own_film(self.folder / name)


def bench_resume(folder, films, wall):
    """What it costs to find out that all is done; and what a crash costs at most, a block a worker."""
    from util.archive.block import BLOCK, Recipe
    from util.archive.run import score_archive
    from util.models.weights import load_pretrained

    pretrained = load_pretrained(check=False)
    looked = seconds(lambda: score_archive(films, folder / "local", Recipe("phantom"), pretrained=pretrained))
    row("  finding out what is done: share of the whole", f"{looked / wall:.1%}", "the weights are loaded besides")
    lost = BLOCK / 2 / FILMS
    row(
        "  a crash: films scored again, share of the whole",
        f"{lost:.1%}",
        "half a block is to be expected; goal of both 2 %",
    )


def bench_memory(folder):
    """Peak memory of the command and of its readers, with a network of NumPy, at ten times the films."""
    peaks = []
    for count in (FILMS, 10 * FILMS):
        source = drawn(folder / f"many{count}", count, 320)
        command = [sys.executable, "-W", "ignore", "-c", PEAK, str(source), str(folder / f"out{count}")]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        peaks.append([float(number) for number in told.split()[-2:]])
    for k, what in enumerate(("the command", "a reader")):
        told = f"{peaks[0][k]:,.0f} while scoring {FILMS:,} (a network of NumPy)"
        row(f"  peak MB of {what} while scoring {10 * FILMS:,}", f"{peaks[1][k]:,.0f}", told)
