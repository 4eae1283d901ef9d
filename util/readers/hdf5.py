"""Weights that Keras 2 saved as HDF5, as a whole model or as weights alone, read with h5py.

Keras 3's own `load_weights(by_name=True)` leaves five arrays of such a file random without a word (layers were renamed
between the versions), and `load_model` refuses whole models; here layers are paired by order, and every name is compared.
"""

import numpy as np

from util.errors import CourseError
from util.readers import Foreign

EPSILON = 1.001e-5  # of the batch norms in Keras' DenseNet


def read_keras2(path):
    """Layers of a Keras 2 HDF5 file that have weights, in the file's order.

    Returns
    -------
    util.readers.Foreign

    Raises
    ------
    CourseError : the file is damaged, or no HDF5 file of Keras 2.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)
            if "layer_names" not in group.attrs:
                raise CourseError(
                    f"{path} is an HDF5 file without the layer names of Keras 2: is it Keras 3's .weights.h5? Save that "
                    "model with util.weights.save_weights instead."
                )
            names = _names(group.attrs["layer_names"])
            layers = [
                (name, tuple(np.asarray(group[name][weight], np.float32) for weight in weights))
                for name in names
                if len(weights := _names(group[name].attrs["weight_names"]))
            ]
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        if isinstance(error, CourseError):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CourseError(f"{path} is damaged ({reason}): get it again from its source.") from None
    return Foreign(layers, "relu" in names, EPSILON, named=True)


def _names(attribute):
    return [name.decode() if isinstance(name, bytes) else str(name) for name in attribute]
