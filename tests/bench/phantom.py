"""Bench of the simulated films and of twins."""

import io
import json
import subprocess
import sys
import time

import numpy as np

from tests.bench import row

FILMS = 120


def bench():
    """CPU time of one core and peak memory per film, against reading a real film's file, a PNG of 1,024 pixels."""
    for size, goal in ((320, "goal 45 ms, limit 400 MB"), (128, "as for training")):
        code = f"from tests.bench.phantom import measure; measure({size})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        film, patient, read, peak = json.loads(done)
        row(f"film of {size} pixels with its patient: CPU ms", f"{film:.1f}", goal)
        row("  times reading a 1,024-pixel PNG and shrinking it", f"{film / read:.2f}", f"{read:.1f} ms")
        row("  of it the patient's body, films of a patient share it", f"{patient:.1f}")
        row("  films in an hour on one core", f"{3.6e6 / film:,.0f}")
        row("  peak MB of the process", f"{peak:.0f}")
    twin()


def twin(pairs=8):
    """A further twin of one patient, drawn on one core, against a forward pass of the embedded network."""
    from tests.bench import best
    from util.models.predict import predict_films
    from util.models.weights import load_pretrained
    from util.phantom.twins import family, people

    patient, pretrained = people(1, seed=12)[0], load_pretrained("phantom")
    changes = [{"Effusion": severity} for severity in np.linspace(0.2, 0.9, pairs)]
    films = np.stack([pretrained.preprocessing(pair.twin.pixels) for pair in family(patient, changes)])
    predict_films(pretrained.model, films)  # compiles
    drawn = best(lambda: list(family(patient, changes)), 3) / (pairs + 1)
    passed = best(lambda: predict_films(pretrained.model, films), 3) / pairs
    row("a twin of 320 pixels: ms", f"{1000 * drawn:.0f}", f"{drawn / passed:.2f} forward passes; goal at most 0.5")


def measure(size):
    """Print CPU ms per film, per film for bodies alone, per PNG read, and the peak MB of this process, as JSON."""
    import cv2

    from util.course.run import peak_memory
    from util.phantom import films
    from util.phantom.anatomy import make_anatomy
    from util.phantom.studies import sample_studies

    cv2.setNumThreads(1)
    rows = sample_studies(FILMS, seed=3, enriched=True).to_dict("records")
    png = real_film(films.draw(rows[0], 3, size).pixels)
    figures = [
        cpu(lambda row: films.draw(row, 3, size), rows),
        cpu(lambda row: make_anatomy(3, row["PatientId"], row["BaseAge"], row["Sex"]), rows),
        cpu(lambda row: read(png, size), rows[:40]),
    ]
    print(json.dumps([*figures, peak_memory()]))


def cpu(work, rows, rounds=3):
    """CPU ms of a call, the least mean of some rounds: other work on the machine can only add."""
    from util.phantom.anatomy import make_anatomy

    taken = []
    for _ in range(rounds):
        make_anatomy.cache_clear()
        started = time.process_time()
        for each in rows:
            work(each)
        taken.append((time.process_time() - started) / len(rows) * 1000)
    return min(taken)


def real_film(pixels):
    """A PNG file of 1,024 pixels a side and about 0.3 MB, as real films are kept, from a simulated film."""
    from PIL import Image

    large = np.asarray(Image.fromarray(pixels).resize((1024, 1024), Image.Resampling.BICUBIC)).astype(float)
    noise = np.random.default_rng(0).normal(0, 0.4, large.shape)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(large + noise, 0, 255).round().astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def read(png, size):
    """A film's file as pixels of the wanted size."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).resize((size, size), Image.Resampling.BILINEAR))
