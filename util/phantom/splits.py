"""Divide films among splits of exact sizes, whole patients at a time, so that all splits are alike."""

import numpy as np


def stratify(patients, traits, sizes, rng):
    """Give every patient to one split, such that each trait is as frequent in all of them.

    A greedy relative of iterative stratification (Sechidis et al. 2011, doi 10.1007/978-3-642-23808-6_10): patients
    are placed from the one with most films down, each where the sum over traits of (films - wanted)^2 / wanted
    stays least, among the splits with room. The many patients with one film come last and even things out.

    Parameters
    ----------
    patients : int (films,), which patient each film is of
    traits : 0/1 (films, traits), what shall be alike
    sizes : sequence of int, numbers of films of the splits, together the number of films
    rng : numpy.random.Generator, orders patients with as many films

    Returns
    -------
    int (films,), number of the split of each film, or None where the last patients fit nowhere
    """
    sizes = np.asarray(sizes)
    _, of_patient = np.unique(patients, return_inverse=True)
    marks = np.column_stack([np.ones(len(patients)), traits])
    counts = np.zeros((of_patient.max() + 1, marks.shape[1]))
    np.add.at(counts, of_patient, marks)
    wanted = np.maximum(np.outer(sizes / sizes.sum(), counts.sum(axis=0)), 1)  # a trait of no film asks for nothing
    held = np.zeros_like(wanted)
    split = np.zeros(len(counts), int)
    for patient in np.lexsort((rng.permutation(len(counts)), -counts[:, 0])):
        films = counts[patient]
        worse = ((2 * (held - wanted) + films) * films / wanted).sum(axis=1)  # growth of the sum of squares
        room = sizes - held[:, 0] >= films[0]
        if not room.any():
            return None
        split[patient] = np.argmin(np.where(room, worse, np.inf))
        held[split[patient]] += films
    return split[of_patient]
