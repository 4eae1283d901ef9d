"""Train the embedded DenseNet-121 from scratch on freshly drawn phantom films.

    python -m util.train --out build/train

Any Keras backend does (KERAS_BACKEND=tensorflow, jax or torch). Small films come first, large ones last
(progressive resizing): most is learned where a film costs least. Work is kept after every round of films; the same
command resumes.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import keras
import numpy as np
import pandas as pd

from util.cohort import PHANTOM, load_cohort
from util.errors import CourseError
from util.findings import FINDINGS
from util.images import Preprocessing
from util.loss import class_weights, weighted_loss
from util.model import build_densenet, predict, predict_films
from util.phantom.shards import open_shards, render_shards
from util.progress import progress
from util.weights import Pretrained, read_weights, save_weights

FINAL_SIZE = 320  # pixels, the input of the released model
STAGES = "96:12000,160:4000,320:1000"  # pixels:films seen, in this order
HELD_OUT = 400  # films of other patients, for the log
ROUND = 500  # films between two savings
RATES = {"first": 1e-3, "later": 3e-4}  # Adam's step size at the start of a stage; falls as a cosine


class Rounds(keras.utils.PyDataset):
    """One round of augmented training films: batches of (float32 (n, size, size, 3), float32 (n, 14))."""

    def __init__(self, films, labels, rows, preprocessing, batch_size, seed):
        super().__init__()
        self.films, self.labels, self.rows = films, labels, rows
        self.preprocessing, self.batch_size, self.seed = preprocessing, batch_size, seed

    def __len__(self):
        return len(self.rows) // self.batch_size

    def __getitem__(self, index):
        rows = self.rows[index * self.batch_size : (index + 1) * self.batch_size]
        films = [
            augment(self.films[row], self.preprocessing.size, np.random.default_rng([*self.seed, int(row)]))
            for row in rows
        ]
        return np.stack([self.preprocessing(film) for film in films]), self.labels[rows].astype(np.float32)


def augment(film, size, rng):
    """Another take of the same film: turned, scaled, shifted, re-windowed, noisier. Never mirrored: side is information.

    uint8 (h, h) -> uint8 (size, size)
    """
    film = cv2.resize(film, (size, size), interpolation=cv2.INTER_AREA)
    move = cv2.getRotationMatrix2D((size / 2, size / 2), rng.normal(0, 4), np.exp(rng.normal(0, 0.07)))
    move[:, 2] += rng.normal(0, 0.03 * size, 2)
    film = cv2.warpAffine(film, move, (size, size), borderMode=cv2.BORDER_CONSTANT).astype(np.float32) / 255
    film = film ** np.exp(rng.normal(0, 0.2))
    film = (film - film.mean()) * np.exp(rng.normal(0, 0.2)) + film.mean() + rng.normal(0, 0.06)
    if rng.random() < 0.3:
        film = film + rng.normal(0, rng.uniform(0, 0.03), film.shape)
    return np.clip(film * 255, 0, 255).astype(np.uint8)


class Films:
    """Rows over all chunks of shards as if they were one array."""

    def __init__(self, chunks):
        self.chunks, self.starts = chunks, np.cumsum([0, *map(len, chunks)])

    def __getitem__(self, row):
        chunk = int(np.searchsorted(self.starts, row, side="right")) - 1
        return np.asarray(self.chunks[chunk][row - self.starts[chunk]])


def split_rows(table):
    """Rows for training, and held-out rows of other patients (the last HELD_OUT, or a tenth of few films)."""
    start = len(table) - min(HELD_OUT, len(table) // 10)
    held_out = np.arange(start, len(table))
    training = np.flatnonzero(~table["PatientId"].isin(table["PatientId"].iloc[held_out]))
    return training, held_out


def plan(stages):
    """[(size, films), ...] from '128:12000,320:1500'."""
    try:
        pairs = [tuple(int(number) for number in stage.split(":")) for stage in stages.split(",")]
        if all(size % 32 == 0 and size > 0 and films > 0 for size, films in pairs):
            return pairs
    except ValueError:
        pass
    raise CourseError(f"Stages {stages!r} are not of the form 128:12000,320:1500 (pixels, a multiple of 32 : films).")


class Training:
    """The run: shards, state on disk, one round after another."""

    def __init__(self, out, films, seed, stages, batch_size):
        self.out, self.seed, self.stages, self.batch_size = Path(out), seed, plan(stages), batch_size
        render_shards(self.out / "shards", films, seed, FINAL_SIZE)
        chunks, _, self.mined = open_shards(self.out / "shards")
        self.films = Films(chunks)
        self.training, self.held_out = split_rows(pd.read_csv(self.out / "shards" / "table.csv"))
        sample = np.stack([self.films[row] for row in self.training[:1000]])
        self.mean, self.std = round(float(sample.mean()), 2), round(float(sample.std()), 2)
        self.weights = class_weights(pd.DataFrame(self.mined[self.training], columns=list(FINDINGS)))
        self.log = self.out / "log.csv"

    def preprocessing(self, size):
        return Preprocessing(size, self.mean, self.std)

    def run(self):
        """Train through all stages, from where an earlier call stopped; return the final model."""
        done = len(pd.read_csv(self.log)) if self.log.is_file() else 0
        rounds = [
            (stage, size, number, -(-films // ROUND))
            for stage, (size, films) in enumerate(self.stages)
            for number in range(-(-films // ROUND))
        ]
        keras.utils.set_random_seed(self.seed)
        model = None
        if done:
            model = self.compiled(rounds[done - 1][1])
            self.restore(model)
        for stage, size, number, total in progress(rounds[done:], f"rounds of {ROUND} films"):
            if model is None or model.input_shape[1] != size:
                model = self.compiled(size, previous=model)
            self.one_round(model, stage, size, number, total)
        return model

    def compiled(self, size, previous=None):
        """A compiled model for films of this size, with the weights of the stage before."""
        model = build_densenet(size)
        if previous is not None:
            model.set_weights(previous.get_weights())
        model.compile(optimizer=keras.optimizers.Adam(clipnorm=1.0), loss=weighted_loss(*self.weights))
        return model

    def restore(self, model):
        model.optimizer.build(model.trainable_variables)
        model.load_weights(self.out / "last.weights.h5")

    def one_round(self, model, stage, size, number, total):
        """Train on one round of films, then save model and optimizer, then the line of the log."""
        order = np.random.default_rng([self.seed, stage]).permutation(len(self.training))
        rows = self.training[np.resize(np.roll(order, -number * ROUND), ROUND)]
        rate = RATES["first" if stage == 0 else "later"]
        model.optimizer.learning_rate = rate * 0.5 * (1 + np.cos(np.pi * number / total))
        seed = (self.seed, stage, number)
        data = Rounds(self.films, self.mined, rows, self.preprocessing(size), self.batch_size, seed)
        history = model.fit(data, verbose=0, shuffle=False)
        row = {"size": size, "round": number, "films": ROUND, "loss": round(history.history["loss"][-1], 5)}
        row["held_out_auc"] = round(self.held_out_auc(model, size), 4) if number == total - 1 or number % 6 == 5 else ""
        partial = self.out / "partial.weights.h5"
        model.save_weights(partial)
        partial.replace(self.out / "last.weights.h5")
        pd.DataFrame([row]).to_csv(self.log, mode="a", header=not self.log.is_file(), index=False)

    def held_out_auc(self, model, size):
        """Mean AUC over findings on the held-out films, against mined labels."""
        from sklearn.metrics import roc_auc_score

        ready, logits = self.preprocessing(size), []
        for start in range(0, len(self.held_out), self.batch_size):
            rows = self.held_out[start : start + self.batch_size]
            films = [cv2.resize(self.films[row], (size, size), interpolation=cv2.INTER_AREA) for row in rows]
            logits.append(predict_films(model, np.stack([ready(film) for film in films]), self.batch_size))
        y, score = self.mined[self.held_out], np.concatenate(logits)
        both = [k for k in range(len(FINDINGS)) if 0 < y[:, k].sum() < len(y)]
        return float(np.mean([roc_auc_score(y[:, k], score[:, k]) for k in both]))


def release(training, model, name, command):
    """Write weights, passport and the scores of the embedded cohort beside the log; return the weights' path."""
    file = training.out / f"{name}.safetensors"
    sha256 = save_weights(model, file)
    model = build_densenet(FINAL_SIZE)
    read_weights(model, file)  # what is released is the rounded model
    preprocessing, cohort = training.preprocessing(FINAL_SIZE), load_cohort("phantom", PHANTOM)
    image = cohort.split("test")["Image"].iloc[0]
    seen = sum(films for _, films in training.stages)
    passport = {
        "name": name,
        "sha256": sha256,
        "bytes": file.stat().st_size,
        "origin": "DenseNet-121 trained by the course on its own simulated films",
        "films": "simulated",
        "training": f"{len(training.training):,} simulated films with mined labels, seen {seen:,} times; no real film",
        "command": command,
        "findings": list(FINDINGS),
        "preprocessing": asdict(preprocessing),
        "prevalence": dict(zip(FINDINGS, training.weights[1].round(4).tolist(), strict=True)),
        "output": "logits; because of the weighted loss the sigmoid assumes a prevalence of one half",
        "licence": "MIT",
    }
    pretrained = Pretrained(model, FINDINGS, preprocessing, passport)
    logits = predict(pretrained, cohort, [image]).iloc[0]
    passport["known_film"] = {"image": image, "logits": [round(float(value), 5) for value in logits]}
    (training.out / f"{name}.json").write_text(json.dumps(passport, indent=2) + "\n", encoding="utf-8")
    images = cohort.films["Image"][cohort.films["Split"] != "train"]
    predict(pretrained, cohort, images).to_csv(training.out / f"{name}_scores.csv", float_format="%.5f")
    return file


def main(arguments=None):
    """Run the command; returns the exit code, 2 after a mistake in the arguments."""
    parser = argparse.ArgumentParser(prog="python -m util.train", description=__doc__.split("\n")[0])
    parser.add_argument("--out", default="build/train", help="folder for films, state, log and result (build/train)")
    parser.add_argument("--films", type=int, default=6000, help="films to draw (6000)")
    parser.add_argument("--stages", default=STAGES, help=f"pixels:films seen, ... ({STAGES})")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--name", default="phantom", help="name of the weights (phantom)")
    options = parser.parse_args(arguments)
    try:
        training = Training(options.out, options.films, options.seed, options.stages, options.batch_size)
        if training.stages[-1][0] != FINAL_SIZE:
            raise CourseError(f"The last stage must be at {FINAL_SIZE} pixels, the size of the released model.")
        command = f"python -m util.train --films {options.films} --stages {options.stages} --seed {options.seed}"
        file = release(training, training.run(), options.name, command)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Weights, passport and scores: {file.parent}. To embed them, copy {options.name}* to data/weights.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
