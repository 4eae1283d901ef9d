"""Weights that Keras 2 saved as HDF5, as a whole model or as weights alone, read with h5py.

Keras 3's own `load_weights(by_name=True)` leaves five arrays of such a file random without a word (layers were renamed
between the versions), and `load_model` refuses whole models; here layers are paired by order, and every name is compared.

HDF5 can do much that no file of weights needs: take numbers from other files, point elsewhere, unpack, invent numbers
that are not there. Keras does none of it, so none of it is followed: numbers are read only if they lie in the file
itself, in one stretch, as they are. As the library itself cannot be bounded, `util.models.formats.apart` runs this reader.
"""

from util.errors import CourseError
from util.models.formats.kinds import Foreign
from util.models.formats.limits import LONGEST, NUMBERS, Budget, Unreadable, reason, regular, shown, single

EPSILON = 1.001e-5  # of the batch norms in Keras' DenseNet
LAYERS = 2_000  # DenseNet-121 has 430, most of them without weights
DAMAGED = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, OverflowError, MemoryError)


def read_keras2(path):
    """Layers of a Keras 2 HDF5 file that have weights, in the file's order.

    Returns
    -------
    util.models.formats.kinds.Foreign

    Raises
    ------
    CourseError : the file is damaged, no HDF5 file of Keras 2, or takes numbers from anywhere but itself.
    """
    import h5py

    path, size = regular(path)
    room, known = Budget(NUMBERS, "bytes of numbers"), Budget(LAYERS, "layers and arrays")
    try:
        with h5py.File(path, "r") as file:
            group = _inside(file, "model_weights") if "model_weights" in file else file
            if "layer_names" not in group.attrs:
                raise CourseError(
                    f"{path} is an HDF5 file without the layer names of Keras 2: is it Keras 3's .weights.h5? Save that "
                    "model with util.models.weights.save_weights instead."
                )
            names, layers = _names(group, "layer_names", known), []
            for name in names:
                layer = _inside(group, name)
                arrays = [_numbers(_inside(layer, n), room, size) for n in _names(layer, "weight_names", known)]
                if arrays:
                    layers.append((name, tuple(arrays)))
    except CourseError:
        raise
    except Unreadable as error:
        raise CourseError(
            f"{path} is not as Keras 2 writes its weights ({reason(error)}): save them anew with save_weights of Keras 2."
        ) from None
    except DAMAGED as error:
        raise CourseError(f"{path} is damaged ({reason(error)}): get it again from its source.") from None
    return Foreign(layers, "relu" in names, EPSILON, named=True)


def _inside(group, name):
    """What lies under a name in a group, followed step by step through links that stay in the file."""
    import h5py

    for part in name.split("/"):
        if not isinstance(group, h5py.Group):
            raise Unreadable(f"{shown(name, 60)} is no group")
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise Unreadable(f"{shown(name, 60)} is missing, or a link to somewhere else")
        group = group[part]
    return group


def _numbers(data, room, size):
    """The numbers of one data set, float32; where they lie and how many they are is known before they are read."""
    import h5py

    if not isinstance(data, h5py.Dataset):
        raise Unreadable("a group where an array should be")
    name, kind = shown(data.name, 60), data.id.get_create_plist()
    if data.dtype.kind not in "fiu" or data.dtype.itemsize > 8 or data.shape is None:
        raise Unreadable(f"{name} holds no plain numbers")
    if kind.get_layout() not in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT) or kind.get_external_count():
        raise Unreadable(f"{name} does not lie in the file in one stretch: it is packed, in pieces, or in another file")
    room.take(data.nbytes)
    if data.id.get_storage_size() != data.nbytes or (data.id.get_offset() or 0) + data.nbytes > size:
        raise Unreadable(f"{name} has numbers that are not in the file")
    return single(data[()])


def _names(group, attribute, known):
    """A list of names that a group keeps; none where Keras wrote an empty list of numbers."""
    found = group.attrs.get_id(attribute)
    if len(found.shape) != 1:
        raise Unreadable(f"{attribute} is no list")
    known.take(found.shape[0])
    if found.shape[0] and (found.dtype.kind not in "SO" or found.get_storage_size() > LONGEST * found.shape[0]):
        raise Unreadable(f"{attribute} are no names")
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in group.attrs[attribute]]
    if any(len(name) > LONGEST for name in names):
        raise Unreadable(f"a name of more than {LONGEST} letters")
    return names
