"""Bench of the prediction: what a film costs beyond the network's own work, and a faster engine."""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from os import cpu_count
from pathlib import Path

import numpy as np

from tests.bench import peer, row, seconds

FILMS, ROUNDS = 32, 8  # many short turns: the least of them is what the machine does when it is left alone
PEAK = """
from tests.bench.predict import many, tiny
from util.course.run import peak_memory
many(tiny(), {films})
print(peak_memory())
"""


def bench():
    """Films per second from file to logits against the bare forward pass, against the seed's way, and with OpenVINO."""
    from PIL import Image

    from util.data.cohort import load_cohort
    from util.models.predict import BATCH_SIZE, predict, predict_films
    from util.models.weights import load_pretrained

    phantom, pretrained = load_cohort("phantom"), load_pretrained(check=False)
    images = list(phantom.split("test")["Image"][:FILMS])
    ready = np.stack([pretrained.preprocessing(phantom.read(image)) for image in images[:BATCH_SIZE]])
    predict_films(pretrained.model, ready)  # compiles
    with tempfile.TemporaryDirectory() as folder:
        paths, rng = {}, np.random.default_rng(0)
        for image in images:
            paths[image] = Path(folder) / f"{Path(image).stem}.png"
            large = np.asarray(
                Image.fromarray(phantom.read(image)).resize((1024, 1024), Image.Resampling.BICUBIC), float
            )
            grain = np.clip(large + rng.normal(0, 2, large.shape), 0, 255).astype(
                np.uint8
            )  # PNG of NIH's size in bytes
            Image.fromarray(grain).save(paths[image])
        png = replace(phantom, paths=paths)
        works = {
            "bare": lambda: [predict_films(pretrained.model, ready) for _ in range(FILMS // BATCH_SIZE)],
            "jpeg": lambda: predict(pretrained, phantom, images),
            "png": lambda: predict(pretrained, png, images),
            "decode": lambda: decode(png, images, pretrained.preprocessing),
            "seed": lambda: seeds_way(pretrained, folder, images),
        }
        times = interleaved(works)
    told(times)
    bench_memory()
    bench_openvino(pretrained, phantom)


def interleaved(works):
    """Least wall time of each work; they take turns, so that what else runs on the machine meets all of them."""
    times = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            times[name].append(seconds(work))
    return {name: min(those) for name, those in times.items()}


def told(times):
    row("bare forward pass, 320 pixels: films per second", f"{FILMS / times['bare']:.2f}", "all in one run")
    share = times["bare"] / times["jpeg"]
    row("320-pixel JPEG to logits: films per second", f"{FILMS / times['jpeg']:.2f}", f"{share:.2f} of bare; goal .95")
    ratio = times["png"] / (times["bare"] + times["decode"])
    row("1,024-pixel PNG to logits: films per second", f"{FILMS / times['png']:.2f}", "")
    row("  wall time / (bare + decoding on all cores)", f"{ratio:.2f}", "goal 1.05 or less")
    row("  times faster than the seed's way", f"{times['seed'] / times['png']:.2f}", "ImageDataGenerator, then predict")


def decode(cohort, images, preprocessing):
    """Decoding, shrinking and standardising alone, spread over the cores."""
    with ThreadPoolExecutor(cpu_count()) as pool:
        list(pool.map(lambda image: preprocessing(cohort.read(image)), images))


def seeds_way(pretrained, folder, images):
    """As the project did from which this one descends: nearest pixel, three channels, film by film, then predict."""
    import pandas as pd
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    table = pd.DataFrame({"Image": [f"{Path(image).stem}.png" for image in images], "y": 0})
    generator = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True)
    generator.mean, generator.std = np.float32(120.0), np.float32(70.0)
    size = (pretrained.preprocessing.size,) * 2
    flow = generator.flow_from_dataframe(
        table, folder, "Image", "y", class_mode="raw", batch_size=8, shuffle=False, target_size=size
    )
    pretrained.model.predict(flow, verbose=0)


def tiny():
    """Weights of a network that costs nearly nothing, with the real preprocessing."""
    from tests.helpers.networks import tiny_network
    from util.findings import FINDINGS
    from util.models.preprocessing import Preprocessing
    from util.models.weights import Pretrained

    return Pretrained(tiny_network(320), FINDINGS, Preprocessing(320, 120.0, 60.0), {})


def many(pretrained, films):
    """Score so many films, the embedded ones over and over."""
    from util.data.cohort import load_cohort
    from util.models.predict import predict

    phantom = load_cohort("phantom")
    names = [f"{i}" for i in range(films)]
    known = list(phantom.paths.values())
    predict(pretrained, replace(phantom, paths={name: known[i % len(known)] for i, name in enumerate(names)}), names)


def bench_memory():
    """Peak memory of a process that scores 100 films, and of one that scores 10,000."""
    peaks = []
    for films in (100, 10_000):
        command = [sys.executable, "-c", PEAK.format(films=films)]
        peaks.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]))
    row("peak MB while scoring 10,000 films", f"{peaks[1]:,.0f}", f"{peaks[0]:,.0f} while scoring 100 (a tiny network)")


def bench_openvino(pretrained, phantom):
    """OpenVINO against TensorFlow on the same films; what bfloat16 changes."""
    from util.errors import CourseError
    from util.findings import FINDINGS
    from util.metrics.auc_tables import auc_table
    from util.models.openvino import with_openvino
    from util.models.predict import predict

    if peer("openvino") is None:
        return
    films = phantom.split("test")
    images, few = list(films["Image"]), list(films["Image"])[:FILMS]
    scores = {"TensorFlow": predict(pretrained, phantom, images)}
    works = {"TensorFlow": lambda: predict(pretrained, phantom, few)}
    for precision in ("f32", "bf16"):
        try:
            fast = with_openvino(pretrained, precision)
        except CourseError as error:
            row(f"OpenVINO, {precision}", "skipped", str(error))
            continue
        scores[precision] = predict(fast, phantom, images)
        works[precision] = lambda fast=fast: predict(fast, phantom, few)
    times = interleaved(works)
    means = {name: auc_table(films[list(FINDINGS)], table)["auc"].mean() for name, table in scores.items()}
    for precision in [name for name in times if name != "TensorFlow"]:
        ratio = times["TensorFlow"] / times[precision]
        goal = "; goal 1.8" if precision == "bf16" else ""
        row(
            f"OpenVINO, {precision}: times faster than TensorFlow",
            f"{ratio:.2f}",
            f"{FILMS / times[precision]:.1f} films/s{goal}",
        )
        moved = np.abs(scores[precision] - scores["TensorFlow"]).to_numpy().max()
        change = f"{means[precision] - means['TensorFlow']:+.5f}"
        row(
            "  mean AUC of 14 findings, 420 simulated films, changes by",
            change,
            f"largest change of a logit {moved:.3f}",
        )
