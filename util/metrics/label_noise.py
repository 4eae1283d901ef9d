"""What wrong labels do to an AUC, when the mistakes do not look at the score."""

import numpy as np

from util.metrics.inputs import checked_shares
from util.metrics.thresholds import npv_at_prevalence, ppv_at_prevalence


def observed_auc(true_auc, ppv, npv):
    """AUC against noisy labels of scores whose AUC against the truth is known.

    Parameters
    ----------
    true_auc : float or array in [0, 1]
    ppv, npv : floats or arrays in [0, 1]: the share of positive labels, and of negative labels, that are right

    Returns
    -------
    float or array: 0.5 + (true_auc - 0.5) (ppv + npv - 1)

    Exact for large samples when, given the truth, label and score are independent: a positive label then stands for
    a random truly positive film with probability ppv, and so on for the four kinds of pairs (Menon et al. 2015,
    'Learning from corrupted binary labels', corollary 3).
    """
    checked_shares(**{"AUC": true_auc, "PPV": ppv, "NPV": npv})
    return 0.5 + (np.asarray(true_auc) - 0.5) * (np.asarray(ppv) + np.asarray(npv) - 1)


def attainable_auc(prevalence, sensitivity, specificity):
    """The best AUC that anyone, even a perfect reader, can reach against noisy labels.

    Parameters
    ----------
    prevalence : float or array in [0, 1], of the truth
    sensitivity, specificity : floats or arrays in [0, 1], of the labels against the truth

    Returns
    -------
    float or array, (PPV + NPV) / 2 of the labels
    """
    ppv = ppv_at_prevalence(sensitivity, specificity, prevalence)
    return observed_auc(1.0, ppv, npv_at_prevalence(sensitivity, specificity, prevalence))
