"""What all trainings share: the losses and the running mean of the weights."""

import torch
from torch.nn import functional as F


def floating(module):
    return [tensor for tensor in module.state_dict().values() if tensor.is_floating_point()]


def weighted(logits, labels, positive, negative):
    """The class-weighted cross-entropy of notebook 4, term by term; the weights are those of the last axis."""
    return positive * labels * F.softplus(-logits) + negative * (1 - labels) * F.softplus(logits)


def demographics_loss(answers, truth):
    """How far the answers to the further questions are off: both float32 (n, 3), as `demographics` has them."""
    of_view_and_sex = F.binary_cross_entropy_with_logits(answers[:, :2], truth[:, :2], reduction="none").mean(dim=0)
    return of_view_and_sex.sum() + F.smooth_l1_loss(answers[:, 2], truth[:, 2])


@torch.no_grad()
def average(mean, model, kept):
    """Move the running mean of the weights, and of batch norm's statistics, towards the model's, in place."""
    torch._foreach_lerp_(floating(mean), floating(model), 1 - kept)
