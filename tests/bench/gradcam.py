"""Bench of the heat maps: seconds against one forward pass, the usual loop, and a package."""

import subprocess
import sys

import numpy as np

from tests.bench import best, peer, row

FILMS, BATCH = 32, 8


def bench():
    """14 maps of every film against the bare forward pass, one gradient for each label, and tf-keras-vis."""
    from util.explain.heat_maps import grad_cam

    model, films = model_and_films()
    forward = bare_forward(model)
    grad_cam(model, films[:BATCH])  # compiles
    forward(films[:BATCH])
    rounds = [
        (best(lambda: forward(films), 1), best(lambda: grad_cam(model, films, batch_size=BATCH), 1)) for _ in range(5)
    ]
    bare, ours = (min(times) for times in zip(*rounds, strict=True))
    row(f"14 maps of {FILMS} films: seconds", f"{ours:.2f}", f"{ours / bare:.2f} forward passes; goal at most 1.15")
    label_loop(model, films, ours / FILMS)
    keras_vis(model, films, ours / FILMS)
    peaks = [peak_of(count) for count in (BATCH, 4 * BATCH)]
    row(f"peak MB of {4 * BATCH} films in batches of {BATCH}", f"{peaks[1]:,.0f}", f"{peaks[0]:,.0f} of {BATCH} films")


def model_and_films(count=FILMS):
    """The embedded model and films that went through its preprocessing."""
    from util.data.cohort import load_cohort
    from util.models.weights import load_pretrained

    phantom, pretrained = load_cohort("phantom"), load_pretrained(check=False)
    images = phantom.split("test")["Image"][:count]
    return pretrained.model, np.stack([pretrained.preprocessing(phantom.read(image)) for image in images])


def bare_forward(model):
    """The forward pass alone, compiled and batched like the maps."""
    import tensorflow as tf

    signature = [tf.TensorSpec((None, *model.input.shape[1:]), "float32")]
    step = tf.function(lambda films: model(films, training=False), input_signature=signature)
    return lambda films: [step(films[start : start + BATCH]).numpy() for start in range(0, len(films), BATCH)]


def label_loop(model, films, ours):
    """The loop of most tutorials: for each film and label a forward pass under a tape and one gradient."""
    import keras
    import tensorflow as tf

    both = keras.Model(model.input, [model.get_layer("relu").output, model.output])

    def one_film(film):
        maps = []
        for label in range(model.output.shape[1]):
            with tf.GradientTape() as tape:
                seen, logits = both(film[None], training=False)
                logit = logits[0, label]
            weights = tf.reduce_mean(tape.gradient(logit, seen), axis=(1, 2), keepdims=True)
            maps.append(tf.nn.relu(tf.reduce_sum(weights * seen, axis=-1))[0].numpy())
        return maps

    taken = best(lambda: one_film(films[0]))
    row("  times faster than one gradient per label, per film", f"{taken / ours:,.0f}", "same model; goal 100")


def keras_vis(model, films, ours):
    """tf-keras-vis, one label after the other, as its documentation has it; without enlarging the maps."""
    package = peer("tf_keras_vis")
    if package is None:
        return
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.scores import CategoricalScore

    explain = Gradcam(model, clone=False)

    def one_film(film):
        for label in range(model.output.shape[1]):
            explain(CategoricalScore([label]), film[None], penultimate_layer="relu", expand_cam=False)

    taken = best(lambda: one_film(films[0]))
    row("  times faster than tf-keras-vis, per film", f"{taken / ours:,.0f}", "same model; goal 100")


def peak_of(count):
    """Peak MB of a process that makes the maps of so many films."""
    code = (
        "from tests.bench.gradcam import BATCH, model_and_films; from util.explain.heat_maps import grad_cam;"
        "from util.course.run import peak_memory;"
        f"grad_cam(*model_and_films({count}), batch_size=BATCH); print(peak_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)
