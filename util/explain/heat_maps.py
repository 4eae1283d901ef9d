"""Heat maps of a network: which places of a film push a finding's logit up (notebook 5).

Four methods with one call, ``method(model, films, layer) -> (logits, maps)``, for all findings of all films at once:

- `grad_cam`: Selvaraju et al., Grad-CAM, ICCV 2017 (arXiv 1610.02391); at the last ReLU it is
  Zhou et al., CAM, CVPR 2016 (arXiv 1512.04150);
- `hires_cam`: Draelos and Carin, HiResCAM, 2020 (arXiv 2011.08891);
- `grad_cam_pp`: Chattopadhay et al., Grad-CAM++, WACV 2018 (arXiv 1710.11063);
- `occlusion`: Zeiler and Fergus, ECCV 2014 (arXiv 1311.2901).
"""

from functools import lru_cache

import numpy as np

from util.errors import CourseError
from util.models.graph import Graph, check_logits, inputs_of, made_by
from util.progress import progress


def grad_cam(model, films, layer="relu", batch_size=8):
    """Grad-CAM of every finding for every film at once.

    The map of a finding is the sum over the channels of activation x weight, the weight being the gradient of the
    finding's logit, summed over the channel. (Grad-CAM's paper takes the mean: the same map divided by the number of
    its cells.) So a map is in units of the logit, and where `layer` feeds global average pooling and one dense layer
    it is CAM itself: ``map.mean() + bias == logit``. There all gradients are known in closed form, and the maps of
    all findings cost one forward pass; at any other layer, one backward pass a finding from the logits to the layer.

    Parameters
    ----------
    model : keras.Model, flat and functional, films -> logits (n, c); neither Sequential, nor nested, nor with a sigmoid
        after its last layer with weights, be it hidden by further layers
    films : float32 (n, h, w, channels), standardised by the preprocessing that belongs to the model
    layer : str, name of a layer with output (n, rows, columns, channels); 'relu' is DenseNet's last one
    batch_size : int, films at a time; 8 films of 320 pixels take about 1 GB

    Returns
    -------
    (logits, maps) : float32 (n, c) and float32 (n, c, rows, columns). The maps are *not* rectified: below 0 a place
        speaks against the finding. ``np.maximum(maps, 0)`` is the picture usually shown; a map that is nowhere
        positive becomes zero, not NaN, since nothing is divided by a maximum.

    Raises
    ------
    CourseError : the model, the layer or the films are not as above.
    """
    return _explain(1, model, films, layer, batch_size)


def hires_cam(model, films, layer="relu", batch_size=8):
    """HiResCAM: as `grad_cam`, but each place keeps its own gradient instead of the channel's mean.

    Parameters, errors and shapes as for `grad_cam`. The maps are multiplied by the number of cells, so that they are
    in units of the logit too; at the last ReLU, where a channel's gradient is the same everywhere, they *are* Grad-CAM.
    """
    return _explain(2, model, films, layer, batch_size)


def grad_cam_pp(model, films, layer="relu", batch_size=8):
    """Grad-CAM++: only places that raise the logit give a channel its weight, and small active areas count as large ones.

    The weight of channel k is the sum over its places of ``relu(g) / (2 + g S)``, g the gradient of the logit and S the
    channel's summed activation (equation 19 of the paper with its third derivatives of exp(logit); the common factor
    exp(logit) is left out, or maps of different films could not be told apart from their scores).

    Parameters, errors and shapes as for `grad_cam`; meant for layers after a ReLU. The unit is not the logit's: compare
    these maps among themselves only.
    """
    return _explain(3, model, films, layer, batch_size)


def occlusion(model, films, layer="relu", batch_size=8):
    """Occlusion: how much each logit falls when one patch of the film is painted mid-grey, the mean of training films.

    No gradient: rows x columns forward passes a film, with a progress bar.

    Parameters, errors and shapes as for `grad_cam`; of `layer` only the number of cells is used: the film is divided
    into as many patches. The unit is the logit: above 0 the patch spoke for the finding.
    """
    import keras

    graph, activations = _activations(model, layer)
    shape = activations.shape[1:3]
    films = _checked(films, graph.input.shape[1:], batch_size)
    if model.input is not graph.input or model.output is not graph.output:  # lists or dictionaries of one tensor
        model = keras.Model(graph.input, graph.output, name=model.name)
    if None in shape:
        raise CourseError(f"The layer {layer!r} of {model.name} has no fixed size: build the model for one film size.")
    rows, columns = (np.arange(pixels) * cells // pixels for pixels, cells in zip(films.shape[1:3], shape, strict=True))
    patches = [(film, *patch) for film in range(len(films)) for patch in np.ndindex(*shape)]
    logits = _logits(model, films, batch_size)
    drops = []
    for start in progress(range(0, len(patches), batch_size), "hiding patches"):
        chosen = patches[start : start + batch_size]
        whole = [film for film, _, _ in chosen]
        hidden = films[whole]  # a copy
        for film, (_, row, column) in zip(hidden, chosen, strict=True):
            film[np.ix_(rows == row, columns == column)] = 0
        drops.append(logits[whole] - _logits(model, hidden, batch_size))
    maps = np.concatenate(drops).reshape(len(films), *shape, -1)
    return logits, np.ascontiguousarray(maps.transpose(0, 3, 1, 2))


METHODS = {"Grad-CAM": grad_cam, "HiResCAM": hires_cam, "Grad-CAM++": grad_cam_pp, "occlusion": occlusion}


def _explain(method, model, films, layer, batch_size):
    """Logits and maps of one method, batch by batch, so that memory grows with the batch alone."""
    graph, _ = _activations(model, layer)
    films = _checked(films, graph.input.shape[1:], batch_size)
    step = _explainer(model, layer)
    parts = [step(films[start : start + batch_size]) for start in range(0, len(films), batch_size)]
    logits, maps = (np.concatenate([np.asarray(part[what], np.float32) for part in parts]) for what in (0, method))
    return logits, maps


def _logits(model, films, batch_size):
    """Logits (n, c) of standardised films, batch by batch."""
    from util.models.predict import predict_films

    starts = range(0, len(films), batch_size)
    return np.concatenate([predict_films(model, films[s : s + batch_size], batch_size) for s in starts])


def upsample(maps, size):
    """Enlarge maps to the pixels of a film, bilinearly between the centres of the cells.

    Parameters
    ----------
    maps : float array (..., rows, columns)
    size : (height, width) in pixels

    Returns
    -------
    float32 array (..., height, width), within the range of the values of `maps`
    """
    maps, size = np.asarray(maps, np.float32), np.asarray(size)
    if maps.ndim < 2 or min(maps.shape[-2:]) < 1:
        raise CourseError(f"upsample needs maps (..., rows, columns), here an array of shape {maps.shape}.")
    if size.shape != (2,) or size.dtype.kind not in "iu" or size.min() < 1:
        raise CourseError(f"upsample needs a size (height, width) in pixels, here {size.tolist()}.")
    down, across = _interpolation(maps.shape[-2], size[0]), _interpolation(maps.shape[-1], size[1])
    return down @ maps @ across.T


def _interpolation(cells, pixels):
    """Matrix (pixels, cells) of bilinear weights between cell centres; beyond the outer centres the value stays."""
    position = np.clip((np.arange(pixels) + 0.5) * cells / pixels - 0.5, 0, cells - 1)
    return np.maximum(0, 1 - np.abs(position[:, None] - np.arange(cells))).astype(np.float32)


@lru_cache(maxsize=4)  # tracing a DenseNet takes seconds, running it a fraction of one
def _explainer(model, layer):
    """Function films -> (logits, Grad-CAM, HiResCAM, Grad-CAM++), compiled once for each model and layer.

    All three come of the same gradients, so one function serves them; later changes of weights count.
    """
    import keras
    import tensorflow as tf

    graph, activations = _activations(model, layer)
    both = keras.Model(graph.input, [activations, graph.output])
    dense = _pool_and_dense(graph, activations)

    def closed_form(films):
        seen, logits = both(films, training=False)
        seen, kernel = tf.cast(seen, "float32"), tf.cast(dense.kernel, "float32")
        cells = tf.cast(tf.shape(seen)[1] * tf.shape(seen)[2], "float32")
        cam = tf.einsum("ck,nhwc->nkhw", kernel, seen)  # the gradient is kernel / cells, the same at all places
        parts = _plus_plus(kernel / cells, tf.reduce_sum(seen, axis=(1, 2))[..., None])
        return logits, cam, cam, cells * tf.einsum("nck,nhwc->nkhw", parts, seen)

    def by_gradient(films):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(films)
            seen, logits = both(films, training=False)
            totals = tf.reduce_sum(logits, axis=0)  # films do not mix, so one gradient serves them all

        def of_finding(chosen):
            return _three_maps(tf.cast(seen, "float32"), tf.cast(tape.gradient(totals, seen, chosen), "float32"))

        # One finding after the other: gradients of all at once would fill the memory at an early layer.
        maps = tf.map_fn(of_finding, tf.eye(graph.output.shape[1], dtype=totals.dtype), fn_output_signature="float32")
        return logits, *tf.unstack(tf.transpose(maps, (1, 2, 0, 3, 4)), num=3)

    # Without a graph, Keras keeps every activation of the network: 8 GB for a few films.
    signature = [tf.TensorSpec((None, *graph.input.shape[1:]), "float32")]
    return tf.function(by_gradient if dense is None else closed_form, input_signature=signature)


def _three_maps(seen, gradient):
    """Grad-CAM, HiResCAM and Grad-CAM++ (3, n, rows, columns) of activations and gradients (n, rows, columns, channels)."""
    import tensorflow as tf

    cells = tf.cast(tf.shape(seen)[1] * tf.shape(seen)[2], "float32")
    weights = tf.reduce_sum(gradient, axis=(1, 2))
    positive = tf.reduce_sum(_plus_plus(gradient, tf.reduce_sum(seen, axis=(1, 2), keepdims=True)), axis=(1, 2))
    own = cells * tf.einsum("nhwc,nhwc->nhw", gradient, seen)
    cam, plus_plus = (tf.einsum("nc,nhwc->nhw", w, seen) for w in (weights, positive))
    return tf.stack([cam, own, plus_plus])


def _plus_plus(gradient, total):
    """What each place adds to its channel's weight in Grad-CAM++: relu(g) / (2 + g S), 0 where nothing is below."""
    import tensorflow as tf

    return tf.math.divide_no_nan(tf.nn.relu(gradient), 2 + gradient * total)


def _activations(model, layer):
    """The graph of a model that can be explained, and the symbolic output (n, rows, columns, channels) of a layer."""
    graph = Graph(model)
    check_logits(graph)
    activations = graph.output_of(layer)
    if activations is graph.input or len(activations.shape) != 4:
        raise CourseError(
            f"The layer {layer!r} of {model.name} has no map (n, rows, columns, channels): choose a convolution."
        )
    return graph, activations


def _pool_and_dense(graph, activations):
    """The dense layer, where the head is global average pooling and a dense layer; else None."""
    import keras

    dense = made_by(graph.output)
    if not isinstance(dense, keras.layers.Dense):
        return None
    (pooled,) = inputs_of(graph.output)
    pool = made_by(pooled)
    is_pool = isinstance(pool, keras.layers.GlobalAveragePooling2D) and pool.data_format == "channels_last"
    return dense if is_pool and inputs_of(pooled)[0] is activations else None


def _checked(films, shape, batch_size):
    """Films as float32 (n, h, w, channels) of the model's input shape; refuses what would be read wrongly."""
    if type(batch_size) is not int or batch_size < 1:
        raise CourseError(f"batch_size is {batch_size!r}; it is how many films are read at a time, at least 1.")
    try:
        films = np.asarray(films)
    except ValueError:  # films of different shapes
        films = np.zeros(0)
    fits = films.ndim == 4 and all(map(lambda want, have: want in (None, have), shape, films.shape[1:]))
    if not fits or not len(films) or films.dtype.kind != "f":
        raise CourseError(
            f"grad_cam needs standardised films, float32 (n, {', '.join(map(str, shape))}), "
            f"here {films.dtype} {films.shape}: put each film through the preprocessing of the weights."
        )
    with np.errstate(over="ignore"):
        films = films.astype(np.float32, copy=False)
    damaged = np.flatnonzero(~np.isfinite(films).all(axis=(1, 2, 3)))
    if len(damaged):
        raise CourseError(
            f"Film {damaged[0]} (from 0) has pixels that are not numbers, or infinite: look at its file and its preprocessing."
        )
    return films
