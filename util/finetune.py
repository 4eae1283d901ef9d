"""Fine-tune DenseNet-121 on real films: one function from weights and films to weights. Needs PyTorch (pip install torch).

The recipe is for few films: the class-weighted loss of notebook 2 with findings that count alike, strong augmentation
without mirroring, mixup (Zhang et al. 2018, arXiv 1710.09412), view, sex and age as further questions (they come with
every label table and cost no film), boxes where there are some, small films first, and a running mean of the weights
(Polyak and Juditsky 1992).
"""

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from util.augment import PLACE, augment
from util.torch_densenet import DenseNet, load_arrays, to_arrays

MEAN, STD = 120.37, 71.58  # gray levels of the phantom's training films, on which these weights began
LEAST_PREVALENCE = 0.03  # the weights of a rarer finding's positives grow no further
MIXUP = 0.3  # both parameters of the beta distribution
FURTHER = 0.2  # weight of view, sex and age among the losses
BOXES = 0.1  # weight of where the evidence of a finding lies, on films with boxes
CELL = 32  # pixels of the film behind a place of the last map
OLD = 47, 17  # years, mean and SD of the ages in ChestX-ray14
KEPT = 0.98  # of the running mean of the weights, at each step
WARM_UP = 60  # steps in which the step size rises


@dataclass(frozen=True)
class Stage:
    """One stage: films of `size` pixels, `views` augmented films seen, AdamW's step size of the body and of the head."""

    size: int
    views: int
    rate: float = 1e-3
    head_rate: float = 2e-3
    batch: int = 32


class Tuned(nn.Module):
    """DenseNet-121 with one further head for view, sex and age, which is thrown away at the end."""

    def __init__(self, start):
        super().__init__()
        self.net, self.further = DenseNet(), nn.Linear(1024, 3)
        if start is not None:
            load_arrays(self.net, start)
            return
        for module in self.net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, films):
        logits, features, maps = self.net(films)
        return logits, self.further(features), maps


def learned_prevalence(labels, counts):
    """Prevalence float (14,) of each finding among the films whose label counts, at least LEAST_PREVALENCE."""
    share = (labels * counts).sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
    return np.clip(share, LEAST_PREVALENCE, 1 - LEAST_PREVALENCE)


def to_input(pixels):
    """uint8 (n, h, w) -> standardised float32 (n, 3, h, w), channels last in memory."""
    films = (torch.from_numpy(pixels).float() - MEAN) / STD
    return films[:, None].expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def finetune(films, rows, stage, start=None, seed=0, note=None):
    """Train on some films.

    Parameters
    ----------
    films : util.real_films.RealFilms, of any size
    rows : int array, the training films among them
    stage : Stage
    start : dict of arrays by Keras path, such as a safetensors file holds, or None for random weights
    seed : int
    note : function of (step, steps, loss), called after each step, or None

    Returns
    -------
    dict of float32 arrays by Keras path, the running mean of the weights
    """
    torch.manual_seed(seed)
    model = Tuned(start).to(memory_format=torch.channels_last).train()
    mean = copy.deepcopy(model)
    labels, counts = films.labels, films.counts.astype(np.float32)
    prevalence = learned_prevalence(labels[rows], counts[rows])
    share = counts[rows].mean(axis=0)  # a label that counts on half of the films counts twice there
    weights = [torch.tensor(0.5 / p / share, dtype=torch.float32) for p in (prevalence, 1 - prevalence)]
    steps = max(1, stage.views // stage.batch)
    optimizer, schedule = _optimizer(model, stage, steps)
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(rows) for _ in range(-(-steps * stage.batch // len(rows)))])
    targets = labels, counts, further(films.table)

    boxed = {i: places for i in rows if (places := films.places(i)) is not None}

    def batch(step):
        chosen = order[step * stage.batch : (step + 1) * stage.batch]
        rng = np.random.default_rng((seed, step))
        takes = [augment(films.pixels[i], boxed.get(i), stage.size, rng) for i in chosen]
        places = _cells([where for _, where in takes])
        views = to_input(np.stack([take for take, _ in takes]))
        mixed = _mixed(views, *(torch.from_numpy(target[chosen]) for target in targets), share=rng.beta(MIXUP, MIXUP))
        return *mixed, places

    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(batch, 0)
        for step in range(steps):
            ready = pending.result()
            pending = pool.submit(batch, step + 1) if step + 1 < steps else None
            loss = _loss(model, *ready, *weights)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            average(mean, model, min(KEPT, (1 + step) / (10 + step)))
            if note:
                note(step + 1, steps, loss.item())
    return to_arrays(mean.net)


def _optimizer(model, stage, steps):
    head = [*model.net.logits.parameters(), *model.further.parameters()]
    of_head = {id(parameter) for parameter in head}
    body = [parameter for parameter in model.parameters() if id(parameter) not in of_head]
    groups = [{"params": body, "lr": stage.rate}, {"params": head, "lr": stage.head_rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.05)
    warm = max(1, min(WARM_UP, steps // 10))

    def factor(step):
        falling = 0.5 * (1 + np.cos(np.pi * max(0, step - warm) / max(1, steps - warm)))
        return min((step + 1) / warm, falling + 1e-3)

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def further(table):
    """View (AP), sex (M) and standardised age of each film: float32 (films, 3)."""
    age = (table["Age"].fillna(OLD[0]) - OLD[0]) / OLD[1]
    return np.stack([table["View"] == "AP", table["Sex"] == "M", age], axis=1).astype(np.float32)


def _mixed(films, labels, counts, answers, share):
    """Each film mixed with another of the batch, and so its labels; a label counts where it counts in both."""
    share = float(max(share, 1 - share))
    mix = [share * part + (1 - share) * part.flip(0) for part in (films, labels, answers)]
    return mix[0], mix[1], torch.minimum(counts, counts.flip(0)), mix[2]


def _cells(places):
    """Where the boxes of a batch lie at the last map: films and findings (pairs,), shares of cells (pairs, h * w), most 1."""
    film, finding, shares = [], [], []
    for i, where in enumerate(places):
        for k in np.flatnonzero(where.any(axis=(0, 1))) if where is not None else ():
            h, w = (side // (CELL // PLACE) for side in where.shape[:2])
            share = where[..., k].reshape(h, CELL // PLACE, w, CELL // PLACE).mean(axis=(1, 3), dtype=np.float32)
            film.append(i)
            finding.append(k)
            shares.append(share.ravel() / share.max())
    return film, finding, torch.from_numpy(np.array(shares))


def _off_the_boxes(net, maps, film, finding, shares):
    """How little of a finding's evidence lies within its boxes: mean of -log of the softmax over the cells in them."""
    if not film:
        return torch.zeros(())
    evidence = torch.einsum("nkhw,nk->nhw", maps[film].float(), net.logits.weight[finding])
    within = (evidence.flatten(1).softmax(dim=1) * shares).sum(dim=1)
    return -torch.log(within + 1e-4).mean()


def _loss(model, films, labels, counts, truth, places, positive, negative):
    with torch.autocast("cpu", torch.bfloat16):
        logits, answers, maps = model(films)
    logits, answers = logits.float(), answers.float()
    of_findings = weighted(logits, labels, positive, negative)
    rest = FURTHER * further_loss(answers, truth) + BOXES * _off_the_boxes(model.net, maps, *places)
    return (counts * of_findings).mean() + rest


def weighted(logits, labels, positive, negative):
    """The class-weighted cross-entropy of notebook 2, term by term; the weights are those of the last axis."""
    return positive * labels * F.softplus(-logits) + negative * (1 - labels) * F.softplus(logits)


def further_loss(answers, truth):
    """How far the answers to the further questions are off: both float32 (n, 3), as `further` has them."""
    of_view_and_sex = F.binary_cross_entropy_with_logits(answers[:, :2], truth[:, :2], reduction="none").mean(dim=0)
    return of_view_and_sex.sum() + F.smooth_l1_loss(answers[:, 2], truth[:, 2])


@torch.no_grad()
def average(mean, model, kept):
    """Move the running mean of the weights, and of batch norm's statistics, towards the model's, in place."""
    for old, new in zip(mean.state_dict().values(), model.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - kept)


def read_out(arrays, pixels, batch=64):
    """Logits (n, 14) and features (n, 1024) of films uint8 (n, size, size), float32, without TensorFlow."""
    parts = [(logits.float().numpy(), features.float().numpy()) for logits, features, _ in _read(arrays, pixels, batch)]
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def read_maps(arrays, pixels, batch=64):
    """Maps of evidence (n, 14, h, w) in units of the logit: Grad-CAM at the last ReLU (notebook 5), not rectified."""
    head = arrays["logits/kernel"]
    return np.concatenate(
        [np.einsum("nkhw,kc->nchw", maps.float().numpy(), head) for *_, maps in _read(arrays, pixels, batch)]
    )


@torch.no_grad()
def _read(arrays, pixels, batch):
    """What the network says of films, batch by batch: logits, features and maps of the last ReLU."""
    net = load_arrays(DenseNet(), arrays).to(memory_format=torch.channels_last).eval()
    for start in range(0, len(pixels), batch):
        with torch.autocast("cpu", torch.bfloat16):
            answers = net(to_input(pixels[start : start + batch]))
        yield answers
