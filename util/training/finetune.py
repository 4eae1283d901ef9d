"""Fine-tune DenseNet-121 on real films: one function from weights and films to weights. Needs PyTorch (pip install torch).

The recipe is for few films: the class-weighted loss of notebook 4 with findings that count alike, strong augmentation
without mirroring, mixup (Zhang et al. 2018, arXiv 1710.09412), simulated films with true labels and places mixed in, view,
sex and age as further questions (they come with every label table and cost no film), boxes where there are some, small
films first, and a running mean of the weights (Polyak and Juditsky 1992). On a GPU where PyTorch finds one, else on the
processor; the same seed gives the same result on a processor, nearly the same on a GPU.
"""

import copy
import gc
import os
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from util.findings import FINDINGS
from util.training.augment import PLACE, augment
from util.training.network import Tuned, device, to_arrays, to_input
from util.training.recipe import demographics_loss, floating, weighted

LEAST_PREVALENCE = 0.03  # the weights of a rarer finding's positives grow no further
FURTHER = 0.2  # weight of view, sex and age among the losses
BOXES = 0.1  # weight of where the evidence of a finding lies, on films with boxes
CELL = 32  # pixels of the film behind a place of the last map
WARM_UP = 60  # steps in which the step size rises


@dataclass(frozen=True)
class Stage:
    """One stage of a training.

    Parameters
    ----------
    size : int, pixels of the films, a multiple of 32
    views : int, augmented films seen
    rate, head_rate : float, AdamW's step size of the body and of the head
    batch : int, films of a step
    mixup : float, both parameters of the beta distribution of the shares in which two films are mixed; 0 mixes none
    decay : float, AdamW's weight decay
    kept : float, of the running mean of the weights, at each step
    simulated : float, share of simulated films among those seen, where some are given
    wide : bool, augmented more widely
    """

    size: int
    views: int
    rate: float = 1e-3
    head_rate: float = 2e-3
    batch: int = 32
    mixup: float = 0.3
    decay: float = 0.05
    kept: float = 0.98
    simulated: float = 0.3
    wide: bool = False


def learned_prevalence(labels, counts):
    """Prevalence float (14,) of each finding among the films whose label counts, at least LEAST_PREVALENCE."""
    share = (labels * counts).sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
    return np.clip(share, LEAST_PREVALENCE, 1 - LEAST_PREVALENCE)


class Takes(Dataset):
    """Augmented films in the order in which a training sees them; each depends on the seed and its number alone."""

    def __init__(self, parts, order, stage, seed):
        self.parts, self.order, self.stage, self.seed = parts, order, stage, seed
        self.starts = np.cumsum([0, *(len(part) for part in parts)])

    def __len__(self):
        return len(self.order)

    def __getitem__(self, number):
        row, size = self.order[number], self.stage.size
        part = int(np.searchsorted(self.starts, row, side="right")) - 1
        here = row - self.starts[part]
        rng = np.random.default_rng((self.seed, number))
        take, where = augment(self.parts[part].pixels[here], self.parts[part].places[here], size, rng, self.stage.wide)
        return take, cells(where, size), row


def taken(chance, number, rng):
    """Rows int (number,) in random order, each as often as its chance says: the whole number below or above that."""
    chance = np.asarray(chance, float)
    mixed = rng.permutation(len(chance))
    ends = np.cumsum(chance[mixed] / chance.sum())
    rows = np.searchsorted(ends, (np.arange(number) + rng.random()) / number, side="right")
    return rng.permutation(mixed[np.minimum(rows, len(chance) - 1)])


def finetune(films, rows, stage, start=None, seed=0, note=None, simulated=None):
    """Train on some films.

    Parameters
    ----------
    films : util.training.real_films.RealFilms, of any size
    rows : int array, the training films among them
    stage : Stage
    start : dict of arrays by Keras path, such as a safetensors file holds, or None for random weights
    seed : int
    note : function of (step, steps, loss), called after each step, or None
    simulated : Lessons of simulated films to be mixed in, or None

    Returns
    -------
    dict of float32 arrays by Keras path, the running mean of the weights
    """
    torch.manual_seed(seed)
    on = device()
    model = Tuned(start).to(on, memory_format=torch.channels_last).train()
    mean = copy.deepcopy(model)
    steps = max(1, stage.views // stage.batch)
    optimizer, schedule = _optimizer(model, stage, steps)
    parts, chance = _parts(films.lessons(rows), simulated, stage.simulated)
    order = taken(chance, steps * stage.batch, np.random.default_rng(seed))
    known = [np.concatenate([getattr(part, name) for part in parts]) for name in ("labels", "counts", "further")]
    *targets, weights = [
        torch.from_numpy(table).to(on) for table in (*known, np.concatenate(list(map(_weights, parts))))
    ]
    answer = _recorded(model, stage)
    averaged = floating(mean), floating(model)
    for step, (takes, where, chosen) in enumerate(_loader(Takes(parts, order, stage, seed), stage.batch)):
        takes, where, chosen = (part.to(on, non_blocking=True) for part in (takes, where, chosen))
        share = np.random.default_rng((seed, step, 1)).beta(stage.mixup, stage.mixup) if stage.mixup else 1.0
        mixed = _mixed(to_input(takes), *(target[chosen] for target in targets), share=share)
        loss = _loss(answer, model.net, *mixed, where, weights[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        torch._foreach_lerp_(*averaged, 1 - min(stage.kept, (1 + step) / (10 + step)))
        if note:
            note(step + 1, steps, loss.detach())
    return to_arrays(mean.net)


def _parts(real, simulated, share):
    """The lessons to take films from, and the chance of each film among all of them."""
    if simulated is None:
        return [real], real.chance
    parts, shares = [real, simulated], (1 - share, share)
    return parts, np.concatenate([s * part.chance / part.chance.sum() for s, part in zip(shares, parts, strict=True)])


def _loader(takes, batch):
    """Batches of takes; where a GPU learns, all cores make them, each in a process of its own."""
    if device() == "cpu":
        return DataLoader(takes, batch)
    gc.collect()  # a process must not clear away what an earlier training left on the GPU
    return DataLoader(takes, batch, num_workers=os.cpu_count(), pin_memory=True, worker_init_fn=_in_process)


def _in_process(_):
    gc.disable()
    cv2.setNumThreads(1)


def _weights(lessons):
    """Weights of each film's positives and negatives, float32 (n, 2, 14): findings count alike, and so do both sides."""
    counts = lessons.counts * (lessons.chance / lessons.chance.mean())[:, None]
    prevalence = learned_prevalence(lessons.labels, counts)
    share = np.maximum(counts.mean(axis=0), 1e-3)  # a label that counts on half of the films counts twice there
    pair = np.stack([0.5 / prevalence / share, 0.5 / (1 - prevalence) / share]).astype(np.float32)
    return np.broadcast_to(pair, (len(lessons), *pair.shape))


def _recorded(model, stage):
    """The network as a function of films, in bfloat16; on a GPU its two passes are recorded once and replayed.

    A recorded pass costs the processor one call in place of a thousand, which is what a GPU would wait for.
    """
    if device() == "cpu":

        def answer(films):
            with torch.autocast("cpu", torch.bfloat16):
                return model(films)

        return answer
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    sample = torch.zeros((stage.batch, 3, stage.size, stage.size), device="cuda")
    sample = sample.normal_().contiguous(memory_format=torch.channels_last)
    with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
        torch.cuda.make_graphed_callables(model, (sample,))  # replaces the network's own forward
    for name, buffer in model.named_buffers():
        buffer.copy_(buffers[name])

    def answer(films):
        with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
            return model(films)

    return answer


def _optimizer(model, stage, steps):
    head = [*model.net.logits.parameters(), *model.further.parameters()]
    of_head = {id(parameter) for parameter in head}
    body = [parameter for parameter in model.parameters() if id(parameter) not in of_head]
    groups = [{"params": body, "lr": stage.rate}, {"params": head, "lr": stage.head_rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=stage.decay, fused=True)
    warm = max(1, min(WARM_UP, steps // 10))

    def factor(step):
        falling = 0.5 * (1 + np.cos(np.pi * max(0, step - warm) / max(1, steps - warm)))
        return min((step + 1) / warm, falling + 1e-3)

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _mixed(films, labels, counts, answers, share):
    """Each film mixed with another of the batch, and so its labels; a label counts as it does in both."""
    share = float(max(share, 1 - share))
    mix = [share * part + (1 - share) * part.flip(0) for part in (films, labels, answers)]
    return mix[0], mix[1], torch.minimum(counts, counts.flip(0)), mix[2]


def cells(places, size):
    """Where boxes lie at the last map of a film of `size` pixels: shares float32 (14, cells) of each cell, the most 1.

    places : bool (size / 8, size / 8, 14), or None for no box at all
    """
    side = size // CELL
    if places is None:
        return np.zeros((len(FINDINGS), side * side), np.float32)
    step = CELL // PLACE
    shares = places.reshape(side, step, side, step, -1).mean(axis=(1, 3), dtype=np.float32).reshape(side * side, -1).T
    return shares / np.maximum(shares.max(axis=1, keepdims=True), 1e-6)


def _off_the_boxes(net, maps, shares):
    """How little of a finding's evidence lies within its boxes: mean of -log of the softmax over the cells in them."""
    evidence = torch.einsum("nkhw,fk->nfhw", maps.float(), net.logits.weight)
    within = (evidence.flatten(2).softmax(dim=2) * shares).sum(dim=2)
    boxed = shares.amax(dim=2) > 0
    return -(torch.log(within + 1e-4) * boxed).sum() / boxed.sum().clamp(min=1)


def _loss(answer, net, films, labels, counts, truth, places, weights):
    logits, answers, maps = answer(films)
    of_findings = (counts * weighted(logits.float(), labels, weights[:, 0], weights[:, 1])).mean()
    return of_findings + FURTHER * demographics_loss(answers.float(), truth) + BOXES * _off_the_boxes(net, maps, places)
