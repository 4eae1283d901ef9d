"""What wrong labels do to an AUC, when the mistakes do not depend on the score."""

import numpy as np
from numpy.typing import ArrayLike

from util.metrics.inputs import checked_shares
from util.metrics.thresholds import npv_at_prevalence, ppv_at_prevalence


def observed_auc(true_auc: ArrayLike, ppv: ArrayLike, npv: ArrayLike) -> np.ndarray | float:
    """AUC to expect against noisy labels, from the AUC against the truth.

    Parameters
    ----------
    true_auc : float or array in [0, 1]
    ppv, npv : floats or arrays in [0, 1]: the share of positive labels, and of negative labels, that are right

    Returns
    -------
    float or array: 0.5 + (true_auc - 0.5) (ppv + npv - 1)

    Exact for large samples if label and score are independent given the truth: a film labeled positive is then a random
    truly positive film with probability ppv, and so on for the four kinds of pairs (Menon et al. 2015, 'Learning from
    corrupted binary labels', corollary 3).

    See Also
    --------
    attainable_auc : the highest value that it can take
    util.metrics.roc.auc : the AUC against the labels at hand

    Examples
    --------
    >>> print(round(float(observed_auc(0.9, ppv=0.8, npv=0.95)), 3))
    0.8

    Taught in lesson 8.
    """
    checked_shares(**{"AUC": true_auc, "PPV": ppv, "NPV": npv})
    return 0.5 + (np.asarray(true_auc) - 0.5) * (np.asarray(ppv) + np.asarray(npv) - 1)


def attainable_auc(prevalence: ArrayLike, sensitivity: ArrayLike, specificity: ArrayLike) -> np.ndarray | float:
    """The best AUC that anyone, even a perfect reader, can reach against noisy labels.

    Parameters
    ----------
    prevalence : float or array in [0, 1], of the truth
    sensitivity, specificity : floats or arrays in [0, 1], of the labels against the truth

    Returns
    -------
    float or array, (PPV + NPV) / 2 of the labels

    See Also
    --------
    observed_auc : what is left of any AUC
    util.metrics.thresholds.ppv_at_prevalence : the PPV in the formula

    Examples
    --------
    >>> print(round(float(attainable_auc(0.1, sensitivity=0.8, specificity=0.95)), 3))
    0.809

    Taught in lesson 8.
    """
    ppv = ppv_at_prevalence(sensitivity, specificity, prevalence)
    return observed_auc(1.0, ppv, npv_at_prevalence(sensitivity, specificity, prevalence))
