"""Train the embedded DenseNet-121 on freshly drawn phantom films, in PyTorch (pip install torch).

    python -m util train --out build/train
    python -m util train --out build/subtle --subtle --start build/train/phantom.safetensors --stages 160:12000,320:4000

Easy films come first, hard ones second (curriculum learning, Bengio et al. 2009, doi 10.1145/1553374.1553380): what
hardly shows is learned sooner by a network that knows what it looks like. The second training makes the network read
real films better and simulated ones worse; a mean of its weights and of those it went on from keeps most of both
(Wortsman et al. 2022, arXiv 2109.01903).

Small films come first, large ones last (progressive resizing): most is learned where a film costs least. Besides the
findings of the film the network is told, through heads that are thrown away at the end, at which places of three of its
maps each finding lies, which a simulation knows (deep supervision, Lee et al. 2015, arXiv 1409.5185), and view, sex and
age. Each core trains on its share of every batch. Work is kept after every round of films; the same command resumes.
"""

import copy
import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from torch import distributed, nn

from util.command import argument_parser, command
from util.data.cohort import PHANTOM, load_cohort
from util.errors import CourseError
from util.files import alone, sweep, whole
from util.findings import FINDINGS
from util.metrics.roc import auc
from util.models.preprocessing import Preprocessing
from util.models.weights import read_arrays
from util.phantom.epidemiology import true_prevalence
from util.phantom.shards import open_shards, render_shards
from util.progress import progress
from util.training.augment import augment
from util.training.network import MEAN, STD, Tuned, read_out, to_arrays, to_input
from util.training.real_films import demographics
from util.training.recipe import average, demographics_loss, weighted
from util.training.release import draw_curve, write_release

FINAL_SIZE = 320  # pixels, the input of the released model
STAGES = "128:110000,224:18000,320:4000"  # pixels:films seen, in this order
FILMS = 40_000  # films drawn for all stages but the last, at the largest size among them
HELD_OUT = 400  # films of other patients, for the log
ROUND = 5000  # films between two savings
# A short training must meet each finding often; subtle films bear fewer of them at once, as real ones do.
LEAST_PREVALENCE = {"gross": 0.2, "subtle": 0.1}
# AdamW's step size after the warm-up, from scratch or not; falls to nothing as a cosine of the pixels seen
RATE = {"scratch": 1e-3, "start": 5e-4}
START_SHARE = 1 / 3  # of the weights gone on from in the released ones
WARM_UP = 0.01  # of the training
BATCH = 32  # films of a step, over all cores
LOGITS_WEIGHT = 3.0  # of the loss of the films' findings among those of their places, which are larger by their weights
FURTHER = 0.3  # weight of view, sex and age
CHANNELS = {8: 512, 16: 1024, 32: 1024}  # pixels of the film behind a place, and channels of the map that is asked
MOST_WEIGHT = 20  # of a place with a finding, where hardly any place has it
KEPT = 0.998  # of the running mean of the weights, at each step


def coarser(places):
    """Places twice as wide: bool (n, h, w, 14) -> (n, h // 2, w // 2, 14); one holds a finding if one of its four does."""
    n, h, w, k = places.shape
    return places[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, k).any(axis=(2, 4))


def at_maps(places):
    """Places of 8, 16 and 32 pixels, each float32."""
    levels = [places]
    while len(levels) < len(CHANNELS):
        levels.append(coarser(levels[-1]))
    return tuple(level.astype(np.float32) for level in levels)


class Films:
    """Films drawn on first use: training rows, and held-out rows of other patients."""

    def __init__(self, folder, films, seed, size, kind):
        enriched, subtle = LEAST_PREVALENCE[kind], kind == "subtle"
        render_shards(folder, films + HELD_OUT, seed, size, enriched=enriched, subtle=subtle)
        self.chunks, self.truth, self.mined, self.places = open_shards(folder)
        self.starts = np.cumsum([0, *map(len, self.chunks)])
        table = pd.read_csv(folder / "table.csv")
        patients, self.further = table["PatientId"], demographics(table)
        self.held_out = np.arange(films, len(patients))
        self.training = np.flatnonzero(~patients.isin(patients.iloc[self.held_out]))

    def film(self, row):
        """Pixels of one film, uint8 (h, h), over all chunks as if they were one array."""
        chunk = int(np.searchsorted(self.starts, row, side="right")) - 1
        return np.asarray(self.chunks[chunk][row - self.starts[chunk]])

    def rows(self, first, number, seed):
        """Training films number `first` and so on in an order in which all are seen before one is seen again."""
        turns = range(first // len(self.training), (first + number - 1) // len(self.training) + 1)
        order = [np.random.default_rng((seed, turn)).permutation(self.training) for turn in turns]
        start = first - turns[0] * len(self.training)
        return np.concatenate(order)[start : start + number]

    def place_weights(self):
        """Weights of places with and without each finding at each map: findings count alike, up to MOST_WEIGHT."""
        some = self.places[self.training[:2000]]
        shares = [level.mean(axis=(0, 1, 2), dtype=np.float64) for level in at_maps(some)]
        return [(np.minimum(0.5 / np.maximum(share, 1e-6), MOST_WEIGHT), 0.5 / (1 - share)) for share in shares]


class Student(Tuned):
    """DenseNet-121 with the heads that are thrown away: places of the findings at three maps; view, sex and age."""

    def __init__(self, start=None):
        super().__init__(start)
        self.places = nn.ModuleList(nn.Conv2d(channels, len(FINDINGS), 1) for channels in CHANNELS.values())

    def forward(self, films):
        levels = self.net.levels(films)[1:]
        logits, features = self.net.pooled(levels[-1])
        return logits, self.further(features), [head(level) for head, level in zip(self.places, levels, strict=True)]


def plan(stages):
    """[(size, films), ...] from '128:6000,320:250'."""
    try:
        pairs = [tuple(int(number) for number in stage.split(":")) for stage in stages.split(",")]
        if all(size % 32 == 0 and size > 0 and films > 0 for size, films in pairs):
            return pairs
    except ValueError:
        pass
    raise CourseError(f"Stages {stages!r} are not of the form 128:6000,320:250 (pixels, a multiple of 32 : films).")


@dataclass(frozen=True)
class Run:
    """A training: its folder, stages [(pixels, films seen), ...], films drawn, seed, kind of film, weights to start from."""

    out: Path
    stages: list
    films: int
    seed: int
    kind: str = "gross"  # or "subtle"
    start: Path | None = None

    @cached_property  # every step asks for it
    def prevalence(self):
        """Prevalence of the findings, float64 (14,)."""
        return true_prevalence(LEAST_PREVALENCE[self.kind])

    def drawn(self, number):
        """Films of stage `number`. Those of the last stage are its own; the others share theirs, at the largest size."""
        own = number == len(self.stages) - 1
        sizes = [size for size, _ in (self.stages[-1:] if own else self.stages[:-1])]
        seen = self.stages[-1][1] if own else sum(films for _, films in self.stages[:-1])
        films, seed = min(seen, self.films), 100 * self.seed + own
        return Films(self.out / f"films-{max(sizes)}", films, seed, max(sizes), self.kind)

    def rounds(self):
        """[(stage, first film, films), ...] of at most ROUND films each."""
        return [(k, n, min(ROUND, seen - n)) for k, (_, seen) in enumerate(self.stages) for n in range(0, seen, ROUND)]

    def rate(self, number, seen):
        """AdamW's step size when `seen` films of stage `number` have been met."""
        pixels = np.array([size**2 * films for size, films in self.stages], float)
        done = (pixels[:number].sum() + self.stages[number][0] ** 2 * seen) / pixels.sum()
        return RATE["start" if self.start else "scratch"] * float(
            min((done + 1e-4) / WARM_UP, 0.5 * (1 + np.cos(np.pi * done)))
        )


class Learner:
    """One of `world` processes that train the same network, each on its share of every batch."""

    def __init__(self, run, rank=0, world=1):
        self.run, self.rank, self.world = run, rank, world
        torch.manual_seed(run.seed)
        self.start = read_arrays(run.start) if run.start else None
        self.model = Student(self.start).to(memory_format=torch.channels_last).train()
        self.mean = copy.deepcopy(self.model)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=run.rate(0, 0), weight_decay=0.02)
        self.log, self.state = [], run.out / "last.pt"
        self.begun = started(run.start)["start_sha256"] if run.start else "random weights"
        if self.state.is_file():
            self._resume()

    def _resume(self):
        kept = read_state(self.state)
        self.log = kept["log"]
        begun = [(line["size"], line["films"]) for line in self.log]
        planned = [(self.run.stages[k][0], films) for k, _, films in self.run.rounds()[: len(begun)]]
        if begun != planned or kept.get("begun") != self.begun:
            raise CourseError(f"{self.run.out} was begun with other stages or weights: choose another with --out.")
        try:
            self.model.load_state_dict(kept["model"])
            self.mean.load_state_dict(kept["mean"])
            self.optimizer.load_state_dict(kept["optimizer"])
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError):
            raise damaged(self.state) from None

    def learn(self):
        """All rounds that are left; keeps the state after each."""
        rounds, current = self.run.rounds()[len(self.log) :], None
        for number, first, seen in progress(rounds, f"rounds of {ROUND} films") if self.rank == 0 else rounds:
            if number != current:
                current, films = number, self.run.drawn(number)
                weights = [[torch.tensor(side, dtype=torch.float32) for side in pair] for pair in films.place_weights()]
            losses = self.one_round(films, weights, number, first, seen)
            line = {"size": self.run.stages[number][0], "films": seen} | losses
            self.log.append(line | {"held_out_auc": self.held_out_auc(films, line["size"]) if self.rank == 0 else None})
            self._keep()

    def one_round(self, films, weights, number, first, seen):
        """Train on one round of films; returns the mean losses of this process."""
        rows, size = films.rows(first, seen, (self.run.seed, number)), self.run.stages[number][0]
        total = np.zeros(2 + len(CHANNELS))
        batches = [rows[start : start + BATCH] for start in range(0, max(len(rows) // BATCH, 1) * BATCH, BATCH)]
        for step, batch in enumerate(batches):
            for group in self.optimizer.param_groups:
                group["lr"] = self.run.rate(number, first + step * BATCH)
            seed = (self.run.seed, number, first + step * BATCH)
            losses = self._losses(films, weights, batch[self.rank :: self.world], size, seed)
            self.optimizer.zero_grad(set_to_none=True)
            (LOGITS_WEIGHT * losses[0] + FURTHER * losses[1] + sum(losses[2:])).backward()
            self._share_gradients()
            self.optimizer.step()
            average(self.mean, self.model, min(KEPT, (1 + step + first) / (10 + step + first)))
            total += [loss.item() for loss in losses]
        names = ("logits", "further", *(f"places_{pixels}" for pixels in CHANNELS))
        return {f"loss_{name}": round(float(value) / len(batches), 5) for name, value in zip(names, total, strict=True)}

    def _losses(self, films, weights, rows, size, seed):
        """Losses of the findings, of view, sex and age, and of the places at each map."""
        wide = self.run.kind == "subtle"
        takes = [
            augment(films.film(i), films.places[i], size, np.random.default_rng((*seed, int(i))), wide) for i in rows
        ]
        pixels, places = (np.stack(part) for part in zip(*takes, strict=True))
        with torch.autocast("cpu", torch.bfloat16):
            logits, answers, maps = self.model(to_input(pixels))
        present = torch.from_numpy((films.truth[rows] > 0).astype(np.float32))
        share = torch.tensor(self.run.prevalence, dtype=torch.float32)
        losses = [weighted(logits.float(), present, 1 - share, share).mean()]
        losses.append(demographics_loss(answers.float(), torch.from_numpy(films.further[rows])))
        for level, truth, pair in zip(maps, at_maps(places), weights, strict=True):
            losses.append(weighted(level.permute(0, 2, 3, 1).float(), torch.from_numpy(truth), *pair).mean())
        return losses

    def _share_gradients(self):
        if self.world > 1:
            gradients = [parameter.grad for parameter in self.model.parameters()]
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            distributed.all_reduce(flat)
            for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(part.view_as(gradient) / self.world)

    def _keep(self):
        if self.rank == 0:
            state = {"model": self.model.state_dict(), "mean": self.mean.state_dict()}
            state |= {"optimizer": self.optimizer.state_dict(), "log": self.log, "begun": self.begun}
            with whole(self.state) as part, part.open("wb") as stream:
                torch.save(state, stream)
            with whole(self.run.out / "log.csv") as part:
                pd.DataFrame(self.log).to_csv(part, index=False)

    def held_out_auc(self, films, size):
        """Mean AUC over findings of the mean weights on the held-out films, against mined labels."""
        pixels = [cv2.resize(films.film(i), (size, size), interpolation=cv2.INTER_AREA) for i in films.held_out]
        y, score = films.mined[films.held_out], read_out(to_arrays(self.mean.net), np.stack(pixels), BATCH)[0]
        return round(float(np.nanmean([auc(y[:, k], score[:, k]) for k in range(len(FINDINGS))])), 4)  # nan: one class

    def released(self):
        """The mean weights by Keras path, float32, and among them START_SHARE of those that were gone on from."""
        arrays, kept = to_arrays(self.mean.net), np.float32(START_SHARE)  # the start's kernels may be float16
        if self.start is None:
            return arrays
        return {name: (1 - START_SHARE) * array + kept * self.start[name] for name, array in arrays.items()}


def read_state(file):
    """What `Learner` keeps after each round: dict; nothing in the file is executed."""
    try:
        kept = torch.load(file, weights_only=True)
    except OSError as error:
        raise CourseError(f"{file} cannot be read ({error.strerror}): mend that, or choose another --out.") from None
    except Exception:  # a file that is cut short is told in many ways
        raise damaged(file) from None
    whole_state = isinstance(kept, dict) and {"model", "mean", "optimizer", "log"} <= set(kept)
    if not whole_state or not all(isinstance(line, dict) and {"size", "films"} <= set(line) for line in kept["log"]):
        raise damaged(file)
    return kept


def damaged(file):
    """The sentence on a file from which no training can be resumed."""
    return CourseError(
        f"{file} is damaged, so nothing is resumed from it: remove it to begin again, or choose another --out."
    )


def work(rank, world, run):
    """What one process does: join the others, then train with its share of the cores."""
    cv2.setNumThreads(1)  # the cores are the network's
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // world))
    if world > 1:
        meeting = distributed.FileStore(str(run.out / "meeting"), world)
        distributed.init_process_group("gloo", store=meeting, rank=rank, world_size=world)
    Learner(run, rank, world).learn()
    if world > 1:
        distributed.destroy_process_group()


def train(run, processes):
    """Train from where an earlier call stopped; returns the released weights, arrays by Keras path."""
    Learner(run)  # says here what is wrong with --start or --out, before films are drawn and processes begun
    try:
        run.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CourseError(
            f"{run.out} cannot be written ({error.strerror}): choose another folder with --out."
        ) from None
    with alone(run.out):
        sweep(run.out, r"last\.pt|log\.csv")
        for number in {0, len(run.stages) - 1}:
            run.drawn(number)  # here, not in each process
        (run.out / "meeting").unlink(missing_ok=True)
        if processes == 1:
            work(0, 1, run)
        else:
            torch.multiprocessing.spawn(work, (processes, run), nprocs=processes)
        return Learner(run).released()


def started(start):
    """What a passport says of the weights gone on from: their SHA-256 and share, and how they were made where that is known."""
    begun = {"start_sha256": hashlib.sha256(start.read_bytes()).hexdigest(), "start_share": round(START_SHARE, 4)}
    note = start.with_suffix(".json")
    made = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
    return begun | {f"start_{entry}": made[entry] for entry in ("command", "training") if entry in made}


def release(run, arrays, name, command):
    """Write weights, passport, curve and the scores of the embedded cohort beside the log; return the weights' path."""
    from util.models.predict import predict

    file, cohort = run.out / f"{name}.safetensors", load_cohort("phantom", PHANTOM)
    seen = ", ".join(f"{films:,} of {size} x {size} pixels" for size, films in run.stages)
    begun = started(run.start) if run.start else {}
    earlier = f"{begun.pop('start_training')}; then " if "start_training" in begun else ""
    pretrained = write_release(
        file,
        arrays,
        Preprocessing(FINAL_SIZE, MEAN, STD),
        cohort.split("test")["Image"].iloc[0],
        name=name,
        origin="DenseNet-121 trained by the course on its own simulated films",
        films="simulated",
        training=f"{earlier}simulated films with true, {run.kind} findings and their places, seen: {seen}; no real film",
        command=command,
        prevalence=dict(zip(FINDINGS, run.prevalence.round(4).tolist(), strict=True)),
        **begun,
    )
    images = pd.concat([cohort.split(split)["Image"] for split in ("valid", "test", "reversed")])
    predict(pretrained, cohort, images).to_csv(run.out / f"{name}_scores.csv", float_format="%.5f")
    draw_curve(run.out / "log.csv", run.out / f"{name}_curve.svg", CHANNELS)
    return file


@command("Stopped. The same command goes on after the last round that was finished.")
def main(arguments=None):
    """Run the command; returns the exit code, 2 after a mistake in the arguments."""
    parser = argument_parser("train", __doc__)
    parser.add_argument("--out", default="build/train", type=Path, help="folder of the result (build/train)")
    parser.add_argument("--films", type=int, default=FILMS, help=f"films to draw for a size, at most ({FILMS})")
    parser.add_argument("--stages", default=STAGES, help=f"pixels:films seen, ... ({STAGES})")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--subtle", action="store_true", help="findings that hardly show, as on many real films")
    parser.add_argument("--start", type=Path, help="weights (.safetensors) to go on from, instead of random ones")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="that train together (one per core)")
    parser.add_argument("--name", default="phantom", help="name of the weights (phantom)")
    options = parser.parse_args(arguments)
    kind = "subtle" if options.subtle else "gross"
    run = Run(options.out, plan(options.stages), options.films, options.seed, kind, options.start)
    if run.stages[-1][0] != FINAL_SIZE:
        raise CourseError(f"The last stage must be at {FINAL_SIZE} pixels, the size of the released model.")
    if not 1 <= options.processes <= BATCH:
        raise CourseError(f"{options.processes} processes cannot share a batch: give a number from 1 to {BATCH}.")
    if run.start and not run.start.is_file():
        raise CourseError(
            f"There are no weights {run.start} to start from: give a .safetensors file of `python -m util train`."
        )
    command = (
        f"python -m util train{' --subtle' * options.subtle}{f' --start {run.start.name}' if run.start else ''} "
        f"--films {options.films} --stages {options.stages} --seed {options.seed} --processes {options.processes}"
    )
    file = release(run, train(run, options.processes), options.name, command)
    print(f"Weights, passport and scores: {file.parent}. To embed them, copy {options.name}* to data/weights.")
