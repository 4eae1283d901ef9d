"""Weights in a TensorFlow checkpoint (PREFIX.index and PREFIX.data-00000-of-00001), as Keras 2 saves them.

TensorFlow reads it itself and checks every stretch against its CRC; no Python lies in such a file.
"""

from util.errors import CourseError
from util.readers import Foreign
from util.readers.hdf5 import EPSILON

KINDS = (("gamma", "beta", "moving_mean", "moving_variance"), ("kernel", "bias"), ("kernel",))


def read_checkpoint(prefix, final_relu=True):
    """Layers of a checkpoint that have weights, in Keras' order.

    Parameters
    ----------
    prefix : str or Path, such as checkpoint/cp.ckpt
    final_relu : bool, which the file does not tell

    Returns
    -------
    util.readers.Foreign

    Raises
    ------
    CourseError : files are missing or damaged, or it is no checkpoint of a Keras model.
    """
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(prefix))
        known, layers = reader.get_variable_to_shape_map(), []
        while kind := next((kind for kind in KINDS if _key(len(layers), kind[-1]) in known), None):
            arrays = tuple(reader.get_tensor(_key(len(layers), name)) for name in kind)
            layers.append((f"layer {len(layers)}", arrays))
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise CourseError(f"The checkpoint {prefix} cannot be read ({reason}): get both of its files again.") from None
    if not layers:
        raise CourseError(f"The checkpoint {prefix} holds no layers of a Keras model: it cannot be used here.")
    return Foreign(layers, final_relu, EPSILON)


def _key(layer, name):
    return f"layer_with_weights-{layer}/{name}/.ATTRIBUTES/VARIABLE_VALUE"
