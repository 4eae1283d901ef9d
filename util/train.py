"""Train the embedded DenseNet-121 from scratch on freshly drawn phantom films.

    python -m util.train --out build/train

Any Keras backend does (KERAS_BACKEND=tensorflow, jax or torch). Small films come first, large ones last
(progressive resizing): most is learned where a film costs least. Besides the findings of the film the network is
told, through heads that are thrown away at the end, at which places of three of its maps each finding lies, which a
simulation knows (deep supervision, Lee et al. 2015, arXiv 1409.5185). Work is kept after every round of films; the
same command resumes.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import cv2
import keras
import numpy as np
import pandas as pd

from util.cohort import PHANTOM, load_cohort
from util.errors import CourseError
from util.evaluation import auc
from util.findings import FINDINGS
from util.images import Preprocessing
from util.loss import weighted_loss
from util.model import build_densenet, predict, predict_films
from util.phantom.disease import true_prevalence
from util.phantom.shards import open_shards, render_shards
from util.progress import progress
from util.torch_speed import sped_up
from util.weights import Pretrained, read_weights, save_weights

FINAL_SIZE = 320  # pixels, the input of the released model
STAGES = "128:23000,192:4000,320:1000"  # pixels:films seen, in this order
HELD_OUT = 300  # films of other patients at each size, for the log
ROUND = 500  # films between two savings
LEAST_PREVALENCE = 0.2  # many findings on each training film: a short training must meet each of them often
PREVALENCE = true_prevalence(LEAST_PREVALENCE)
RATE = 1e-3  # Adam's step size at the start; falls to nothing as a cosine of the pixels seen
LOGITS_WEIGHT = 3.0  # of the loss of the films' findings among those of their places, which are larger by their weights
MAPS = ("pool3_relu", "pool4_relu", "relu")  # of 8, 16 and 32 pixels: where the places are asked for
MOST_WEIGHT = 20  # of a place with a finding, where hardly any place has it
MOMENTUM = 0.9  # of batch norm's running statistics: Keras' 0.99 would lag behind a short training


def augment(film, places, rng):
    """Another take of the same film: turned, scaled, shifted, re-windowed, shaded. Never mirrored: side is information.

    film uint8 (h, h) and places bool (h/8, h/8, 14) -> the same, of the new take.
    """
    size = len(film)
    angle, zoom, shift = rng.normal(0, 4), np.exp(rng.normal(0, 0.08)), rng.normal(0, 0.03, 2)
    film = cv2.warpAffine(film, _move(size, angle, zoom, shift), (size, size), borderMode=cv2.BORDER_CONSTANT)
    side = len(places)
    move = _move(side, angle, zoom, shift)
    planes = np.array_split(places.astype(np.float32), -(-len(FINDINGS) // 4), axis=-1)  # OpenCV takes four at a time
    moved = [cv2.warpAffine(np.ascontiguousarray(four), move, (side, side)) for four in planes]
    film = (film.astype(np.float32) / 255) ** np.exp(rng.normal(0, 0.25))
    film = (film - film.mean()) * np.exp(rng.normal(0, 0.25)) + film.mean() + rng.normal(0, 0.08)
    shade = rng.normal(0, 0.04, (3, 3)).astype(np.float32)  # uneven exposure, slow over the film
    film += cv2.resize(shade, (size, size), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.3:
        film = cv2.GaussianBlur(film, (0, 0), rng.uniform(0.3, 1.2))
    film += rng.standard_normal(film.shape, dtype=np.float32) * np.float32(abs(rng.normal(0, 0.015)))
    return np.clip(film * 255, 0, 255).astype(np.uint8), np.concatenate(moved, axis=-1) > 0.4


def _move(size, angle, zoom, shift):
    """Matrix (2, 3) that turns (degrees) and zooms about the centre of a square map and shifts by parts of its size."""
    move = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), angle, zoom)
    move[:, 2] += np.asarray(shift) * size
    return move


def coarser(places):
    """Places twice as wide: bool (n, h, w, 14) -> (n, h // 2, w // 2, 14); one holds a finding if one of its four does."""
    n, h, w, k = places.shape
    return places[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, k).any(axis=(2, 4))


def at_maps(places):
    """Places of 8, 16 and 32 pixels, as the maps named in MAPS have them, each float32."""
    levels = [places]
    while len(levels) < len(MAPS):
        levels.append(coarser(levels[-1]))
    return tuple(level.astype(np.float32) for level in levels)


class Batches(keras.utils.PyDataset):
    """Augmented films of one round: float32 (n, size, size, 3), findings (n, 14) and places at each of MAPS."""

    def __init__(self, stage, rows, preprocessing, batch_size, seed):
        super().__init__()
        self.stage, self.rows, self.preprocessing = stage, rows, preprocessing
        self.batch_size, self.seed = batch_size, seed

    def __len__(self):
        return max(1, len(self.rows) // self.batch_size)

    def __getitem__(self, index):
        rows = self.rows[index * self.batch_size : (index + 1) * self.batch_size]
        films, places = [], []
        for row in rows:
            rng = np.random.default_rng([*self.seed, int(row)])
            film, where = augment(self.stage.film(row), self.stage.places[row], rng)
            films.append(self.preprocessing(film))
            places.append(where)
        present = (self.stage.truth[rows] > 0).astype(np.float32)
        return np.stack(films), (present, *at_maps(np.stack(places)))


class Stage:
    """The films of one stage, drawn on first use: training rows, and held-out rows of other patients."""

    def __init__(self, folder, films, seed, size):
        render_shards(folder, films + HELD_OUT, seed, size, enriched=LEAST_PREVALENCE)
        self.chunks, self.truth, self.mined, self.places = open_shards(folder)
        self.starts = np.cumsum([0, *map(len, self.chunks)])
        patients = pd.read_csv(folder / "table.csv")["PatientId"]
        self.held_out = np.arange(films, len(patients))
        self.training = np.flatnonzero(~patients.isin(patients.iloc[self.held_out]))

    def film(self, row):
        """Pixels of one film, uint8 (size, size), over all chunks as if they were one array."""
        chunk = int(np.searchsorted(self.starts, row, side="right")) - 1
        return np.asarray(self.chunks[chunk][row - self.starts[chunk]])

    def round(self, number, films, seed):
        """Rows of `films` training films for one round; all are seen before one is seen again."""
        order = np.random.default_rng(seed).permutation(len(self.training))
        return self.training[np.resize(np.roll(order, -number * ROUND), films)]

    def place_weights(self):
        """For each of MAPS, weights of places with and without each finding: findings count alike, up to MOST_WEIGHT."""
        some = self.places[self.training[:2000]]
        shares = [level.mean(axis=(0, 1, 2), dtype=np.float64) for level in at_maps(some)]
        return [(np.minimum(0.5 / np.maximum(share, 1e-6), MOST_WEIGHT), 0.5 / (1 - share)) for share in shares]


def plan(stages):
    """[(size, films), ...] from '128:6000,320:250'."""
    try:
        pairs = [tuple(int(number) for number in stage.split(":")) for stage in stages.split(",")]
        if all(size % 32 == 0 and size > 0 and films > 0 for size, films in pairs):
            return pairs
    except ValueError:
        pass
    raise CourseError(f"Stages {stages!r} are not of the form 128:6000,320:250 (pixels, a multiple of 32 : films).")


class Training:
    """The run: films, state on disk, one round after another."""

    def __init__(self, out, films, seed, stages, batch_size, start=None):
        self.out, self.most_films, self.seed = Path(out), films, seed
        self.stages, self.batch_size, self.log = plan(stages), batch_size, self.out / "log.csv"
        self.start = start
        first = self.stage(0)
        sample = np.stack([first.film(row) for row in first.training[:1000]])
        self.mean, self.std = round(float(sample.mean()), 2), round(float(sample.std()), 2)

    def stage(self, number):
        """Films of stage `number`: as many as are seen, at most `most_films`, each stage other patients."""
        size, seen = self.stages[number]
        folder = self.out / f"films-{number}-{size}"
        return Stage(folder, min(seen, self.most_films), 100 * self.seed + number, size)

    def preprocessing(self, size):
        return Preprocessing(size, self.mean, self.std)

    def run(self):
        """Train through all stages, from where an earlier call stopped; return the model to be released."""
        rounds = [(k, n) for k, (_, seen) in enumerate(self.stages) for n in range(-(-seen // ROUND))]
        done = self.done([(self.stages[k][0], n) for k, n in rounds])
        keras.utils.set_random_seed(self.seed)
        current, model, stage = None, None, None
        if done or self.start:
            current = rounds[max(done - 1, 0)][0]
            stage = self.stage(current)
            model = self.compiled(current, stage)
            model.optimizer.build(model.trainable_variables)
            model.load_weights(self.out / "last.weights.h5" if done else self.start)
        for number, n in progress(rounds[done:], f"rounds of {ROUND} films"):
            if number != current:
                current, stage = number, self.stage(number)
                model = self.compiled(number, stage, previous=model)
            self.one_round(model, number, stage, n)
        plain = build_densenet(FINAL_SIZE)
        for layer in (layer for layer in plain.layers if layer.weights):
            layer.set_weights(model.get_layer(layer.name).get_weights())
        return plain

    def done(self, rounds):
        """Number of rounds that an earlier call has done, of the [(size, round), ...] to be done."""
        if not self.log.is_file():
            return 0
        logged = pd.read_csv(self.log)[["size", "round"]].to_numpy().tolist()
        if logged != [list(line) for line in rounds[: len(logged)]]:
            raise CourseError(f"{self.log} was begun with other stages: choose another folder with --out.")
        return len(logged)

    def compiled(self, number, stage, previous=None):
        """Model of one stage with all heads, compiled, with the weights of the stage before."""
        plain = build_densenet(self.stages[number][0])
        for layer in plain.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = MOMENTUM
        maps = [plain.get_layer(name).output for name in MAPS]
        heads = [keras.layers.Dense(len(FINDINGS), name=f"places_{name}", dtype="float32") for name in MAPS]
        outputs = [plain.output, *(head(level) for head, level in zip(heads, maps, strict=True))]
        model = sped_up(keras.Model(plain.input, outputs))
        if previous is not None:
            model.set_weights(previous.get_weights())
        losses = [weighted_loss(1 - PREVALENCE, PREVALENCE), *(weighted_loss(*pair) for pair in stage.place_weights())]
        weights = [LOGITS_WEIGHT, *(1.0 for _ in MAPS)]
        model.compile(optimizer=keras.optimizers.Adam(), loss=losses, loss_weights=weights)
        return model

    def one_round(self, model, number, stage, n):
        """Train on one round of films, then save model and optimizer, then the line of the log."""
        size, seen = self.stages[number]
        model.optimizer.learning_rate = self.rate(number, n)
        rows = stage.round(n, min(ROUND, seen - n * ROUND), (self.seed, number))
        data = Batches(stage, rows, self.preprocessing(size), self.batch_size, (self.seed, number, n))
        history = model.fit(data, verbose=0, shuffle=False).history
        line = {"size": size, "round": n, "films": len(rows)}
        losses = [history["logits_loss"][-1], *(history[f"places_{name}_loss"][-1] for name in MAPS)]
        line |= {f"loss_{name}": round(value, 5) for name, value in zip(("logits", *MAPS), losses, strict=True)}
        checked = n % 4 == 3 or (n + 1) * ROUND >= seen
        line["held_out_auc"] = round(self.held_out_auc(model, stage, size), 4) if checked else ""
        partial = self.out / "partial.weights.h5"
        model.save_weights(partial)
        partial.replace(self.out / "last.weights.h5")
        pd.DataFrame([line]).to_csv(self.log, mode="a", header=not self.log.is_file(), index=False)

    def rate(self, number, n):
        """Adam's step size in round n of stage `number`."""
        pixels = [size**2 * films for size, films in self.stages]
        seen = sum(pixels[:number]) + self.stages[number][0] ** 2 * n * ROUND
        return RATE * 0.5 * (1 + np.cos(np.pi * seen / sum(pixels)))

    def held_out_auc(self, model, stage, size):
        """Mean AUC over findings on the held-out films of the stage, against mined labels."""
        ready, logits, plain = self.preprocessing(size), [], keras.Model(model.input, model.outputs[0])
        for start in range(0, len(stage.held_out), self.batch_size):
            rows = stage.held_out[start : start + self.batch_size]
            films = np.stack([ready(stage.film(row)) for row in rows])
            logits.append(predict_films(plain, films, self.batch_size))
        y, score = stage.mined[stage.held_out], np.concatenate(logits)
        return float(np.nanmean([auc(y[:, k], score[:, k]) for k in range(len(FINDINGS))]))  # nan: one class only


def release(training, model, name, command):
    """Write weights, passport and the scores of the embedded cohort beside the log; return the weights' path."""
    file = training.out / f"{name}.safetensors"
    sha256 = save_weights(model, file)
    model = build_densenet(FINAL_SIZE)
    read_weights(model, file)  # what is released is the rounded model
    preprocessing, cohort = training.preprocessing(FINAL_SIZE), load_cohort("phantom", PHANTOM)
    image = cohort.split("test")["Image"].iloc[0]
    seen = ", ".join(f"{films:,} of {size} x {size} pixels" for size, films in training.stages)
    begun = "; begun with the weights of earlier runs, see the datasheet" if training.start else ""
    passport = {
        "name": name,
        "sha256": sha256,
        "bytes": file.stat().st_size,
        "origin": "DenseNet-121 trained by the course on its own simulated films",
        "films": "simulated",
        "training": f"simulated films with true findings and their places, seen: {seen}{begun}; no real film",
        "command": command,
        "findings": list(FINDINGS),
        "preprocessing": asdict(preprocessing),
        "prevalence": dict(zip(FINDINGS, PREVALENCE.round(4).tolist(), strict=True)),
        "output": "logits; because of the weighted loss the sigmoid assumes a prevalence of one half",
        "licence": "MIT",
    }
    pretrained = Pretrained(model, FINDINGS, preprocessing, passport)
    logits = predict(pretrained, cohort, [image]).iloc[0]
    passport["known_film"] = {"image": image, "logits": [round(float(value), 5) for value in logits]}
    (training.out / f"{name}.json").write_text(json.dumps(passport, indent=2) + "\n", encoding="utf-8")
    images = pd.concat([cohort.split(split)["Image"] for split in ("valid", "test", "reversed")])
    predict(pretrained, cohort, images).to_csv(training.out / f"{name}_scores.csv", float_format="%.5f")
    draw_curve(training.log, training.out / f"{name}_curve.svg")
    return file


def draw_curve(log, file):
    """Draw the training log: losses against films seen, each of them as a share of its first value, and held-out AUC."""
    import matplotlib.pyplot as plt

    log = pd.read_csv(log)
    seen = log["films"].cumsum()
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    names = ("findings", "places of 8 pixels", "places of 16 pixels", "places of 32 pixels")
    for column, label, style in zip(log.filter(like="loss_"), names, ("-", "--", "-.", ":"), strict=True):
        left.plot(seen, log[column] / log[column].iloc[0], style, label=label)
    left.set(xlabel="Simulated films seen", ylabel="Loss / its first value")
    left.legend(fontsize="small")
    checked = log["held_out_auc"].notna()
    right.plot(seen[checked], log["held_out_auc"][checked], "o-")
    right.set(xlabel="Simulated films seen", ylabel="Mean AUC on held-out films")
    for axes in (left, right):
        for start in seen[log["size"].diff() > 0]:
            axes.axvline(start, color="0.7", linewidth=1)
    fig.savefig(file, metadata={"Date": None})  # same log, same picture
    plt.close(fig)


def main(arguments=None):
    """Run the command; returns the exit code, 2 after a mistake in the arguments."""
    parser = argparse.ArgumentParser(prog="python -m util.train", description=__doc__.split("\n")[0])
    parser.add_argument("--out", default="build/train", help="folder for films, state, log and result (build/train)")
    parser.add_argument("--films", type=int, default=7000, help="films to draw for a stage, at most (7000)")
    parser.add_argument("--stages", default=STAGES, help=f"pixels:films seen, ... ({STAGES})")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", help="last.weights.h5 of another run, to go on from")
    parser.add_argument("--name", default="phantom", help="name of the weights (phantom)")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)  # the cores are the network's
    try:
        if plan(options.stages)[-1][0] != FINAL_SIZE:
            raise CourseError(f"The last stage must be at {FINAL_SIZE} pixels, the size of the released model.")
        training = Training(options.out, options.films, options.seed, options.stages, options.batch_size, options.start)
        command = (
            f"KERAS_BACKEND={keras.config.backend()} python -m util.train --films {options.films} "
            f"--stages {options.stages} --batch-size {options.batch_size} --seed {options.seed}"
            + (f" --start {Path(options.start).name}" if options.start else "")
        )
        file = release(training, training.run(), options.name, command)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Weights, passport and scores: {file.parent}. To embed them, copy {options.name}* to data/weights.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
