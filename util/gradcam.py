"""Grad-CAM: which places of a film push a finding's logit up, and the pointing game that checks it (notebook 5).

Selvaraju et al., Grad-CAM, ICCV 2017 (arXiv 1610.02391); Zhou et al., CAM, CVPR 2016 (arXiv 1512.04150);
Zhang et al., the pointing game, ECCV 2016 (arXiv 1608.00507).
"""

from functools import lru_cache

import numpy as np

from util.errors import CourseError


def grad_cam(model, films, layer="relu", batch_size=8):
    """Grad-CAM of every finding for every film at once.

    The map of a finding is the sum over the channels of activation x weight, the weight being the gradient of the
    finding's logit, summed over the channel. (Grad-CAM's paper takes the mean: the same map divided by the number of
    its cells.) So a map is in units of the logit, and where `layer` feeds global average pooling and one dense layer
    it is CAM itself: ``map.mean() + bias == logit``.

    Parameters
    ----------
    model : keras.Model, flat and functional, films -> logits (n, c); neither Sequential, nor nested, nor ending in
        a sigmoid
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
    step = _explainer(model, layer)
    films = _checked(films, model)
    parts = [step(films[start : start + batch_size]) for start in range(0, len(films), batch_size)]
    logits, maps = (np.concatenate([np.asarray(part[i], np.float32) for part in parts]) for i in (0, 1))
    return logits, maps


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
    maps = np.asarray(maps, np.float32)
    if maps.ndim < 2 or min(maps.shape[-2:]) < 1:
        raise CourseError(f"upsample needs maps (..., rows, columns), here an array of shape {maps.shape}.")
    down, across = _interpolation(maps.shape[-2], size[0]), _interpolation(maps.shape[-1], size[1])
    return down @ maps @ across.T


def peak(cam, size):
    """Where a map points: the centre of its highest cell.

    The cell's centre is exact where the highest pixel of an enlarged map is not: along the border those are flat.

    Parameters
    ----------
    cam : float array (rows, columns), one map
    size : (height, width) of the film in pixels

    Returns
    -------
    (x, y) in pixels of the film, or None where nothing in the map is positive: it points nowhere
    """
    cam = np.asarray(cam)
    if cam.ndim != 2 or not np.isfinite(cam).all():
        raise CourseError(f"One map (rows, columns) of finite numbers is needed, here an array of shape {cam.shape}.")
    if cam.max() <= 0:
        return None
    row, column = np.unravel_index(cam.argmax(), cam.shape)
    return (column + 0.5) * size[1] / cam.shape[1], (row + 0.5) * size[0] / cam.shape[0]


def hit(cam, boxes, size):
    """The pointing game: does the map's peak lie in one of the boxes?

    Without the tolerance of 15 pixels that the original allows. A map that points nowhere is a miss.

    Parameters
    ----------
    cam : float array (rows, columns), one map
    boxes : (m, 4) numbers or DataFrame with x, y, w, h in pixels of the film: one finding's boxes on one film
    size : (height, width) of the film in pixels

    Returns
    -------
    bool
    """
    point = peak(cam, size)
    return point is not None and inside(point, boxes)


def inside(point, boxes):
    """Does a point (x, y) lie in one of the boxes (x, y, w, h)? Borders count; no boxes at all is an error."""
    left, top, width, height = _corners(boxes)
    x, y = point
    return bool(np.any((left <= x) & (x <= left + width) & (top <= y) & (y <= top + height)))


def coverage(boxes, size):
    """Share of a film, 0 to 1, that its boxes cover: how often a random point hits. Overlaps count once.

    boxes : (m, 4) numbers or DataFrame with x, y, w, h in pixels; size : (height, width) of the film in pixels
    """
    covered = np.zeros(size, bool)
    rows, columns = (np.arange(pixels) + 0.5 for pixels in size)  # a pixel counts where its centre lies in a box
    for left, top, width, height in zip(*_corners(boxes), strict=True):
        across, down = (left <= columns) & (columns <= left + width), (top <= rows) & (rows <= top + height)
        covered |= down[:, None] & across
    return float(covered.mean())


def constant_point(boxes, steps=40):
    """The point that lies in the most boxes: the best that a player can do who never looks at a film.

    Parameters
    ----------
    boxes : (m, 4) numbers or DataFrame with x, y, w, h as shares of their film, 0 to 1: one finding's training boxes
    steps : int, the point is looked for on a grid of (steps + 1) x (steps + 1) points

    Returns
    -------
    (x, y) as shares of a film; of several equally good points the one nearest to their middle
    """
    left, top, width, height = (side[:, None] for side in _corners(boxes))
    grid = np.linspace(0, 1, steps + 1)
    across, down = (left <= grid) & (grid <= left + width), (top <= grid) & (grid <= top + height)
    votes = down.T.astype(int) @ across
    best = np.argwhere(votes == votes.max())
    row, column = best[np.square(best - best.mean(axis=0)).sum(axis=1).argmin()]
    return float(grid[column]), float(grid[row])


def _corners(boxes):
    """Four arrays (m,): left, top, width and height of at least one box."""
    columns = ["x", "y", "w", "h"]
    boxes = np.asarray(boxes[columns] if hasattr(boxes, "columns") else boxes, float).reshape(-1, 4)
    if not len(boxes):
        raise CourseError("No box, so nothing to hit: play the pointing game on films with a box of the finding.")
    return boxes.T


def _interpolation(cells, pixels):
    """Matrix (pixels, cells) of bilinear weights between cell centres; beyond the outer centres the value stays."""
    position = np.clip((np.arange(pixels) + 0.5) * cells / pixels - 0.5, 0, cells - 1)
    return np.maximum(0, 1 - np.abs(position[:, None] - np.arange(cells))).astype(np.float32)


@lru_cache(maxsize=4)  # tracing a DenseNet takes seconds, running it a fraction of one
def _explainer(model, layer):
    """Function films -> (logits, maps), compiled once for each model and layer; later changes of weights count."""
    import keras
    import tensorflow as tf

    activations = _activations(model, layer)
    both = keras.Model(model.input, [activations, model.output])
    dense = _pool_and_dense(model, activations)

    def closed_form(films):
        seen, logits = both(films, training=False)
        return logits, tf.einsum("nhwk,kc->nchw", tf.cast(seen, "float32"), tf.cast(dense.kernel, "float32"))

    def by_gradient(films):
        with tf.GradientTape() as tape:
            tape.watch(films)
            seen, logits = both(films, training=False)
            totals = tf.reduce_sum(logits, axis=0)  # films do not mix, so one gradient serves them all
        gradient = tape.jacobian(totals, seen, experimental_use_pfor=False)  # (c, n, rows, columns, channels)
        weights = tf.reduce_sum(tf.cast(gradient, "float32"), axis=(2, 3))
        return logits, tf.einsum("cnk,nhwk->nchw", weights, tf.cast(seen, "float32"))

    # Without a graph, Keras keeps every activation of the network: 8 GB for a few films.
    signature = [tf.TensorSpec((None, *model.input.shape[1:]), "float32")]
    return tf.function(by_gradient if dense is None else closed_form, input_signature=signature)


def _activations(model, layer):
    """Symbolic output (n, rows, columns, channels) of a layer of a model that can be explained."""
    import keras

    _check_model(model)
    if layer not in [item.name for item in model.layers]:
        raise CourseError(f"The model {model.name} has no layer {layer!r}: choose a name of model.layers.")
    activations = model.get_layer(layer).output
    is_map = not isinstance(activations, list) and len(activations.shape) == 4
    if not is_map or isinstance(model.get_layer(layer), keras.layers.InputLayer):
        raise CourseError(
            f"The layer {layer!r} of {model.name} has no map (n, rows, columns, channels): choose a convolution."
        )
    return activations


def _check_model(model):
    """Refuse a model whose inner layers cannot be reached, or whose output is no table of logits."""
    import keras

    if not isinstance(model, keras.Model):
        raise CourseError(f"grad_cam needs a keras.Model, here a {type(model).__name__}: of pretrained pass .model.")
    if isinstance(model, keras.Sequential) or not getattr(model, "inputs", None):
        raise CourseError(
            f"grad_cam needs a functional model, {model.name} is {type(model).__name__}: "
            "build it as keras.Model(input, output)."
        )
    nested = [item.name for item in model.layers if isinstance(item, keras.Model)]
    if nested:
        raise CourseError(
            f"The model {model.name} holds a whole model as its layer {nested[0]}, whose inner layers cannot be "
            "reached from outside: build it flat, as util.model.build_densenet does."
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.output.shape) != 2:
        raise CourseError(f"grad_cam needs one input and one output (n, findings): {model.name} has others.")
    last = _output_layer(model)
    plain = getattr(last, "activation", None) in (None, keras.activations.linear)
    if isinstance(last, keras.layers.Softmax) or not plain:
        raise CourseError(
            f"The model {model.name} ends in an activation ({last.name}): Grad-CAM is taken on logits, "
            "since the gradient of a sigmoid vanishes where it is sure."
        )


def _output_layer(model):
    return next(item for item in model.layers if item.output is model.output)


def _pool_and_dense(model, activations):
    """The dense layer, where the head is global average pooling and a dense layer; else None."""
    import keras

    pools = [item for item in model.layers if isinstance(item, keras.layers.GlobalAveragePooling2D)]
    pooled = [item.output for item in pools if item.input is activations]
    dense = _output_layer(model)
    is_dense = isinstance(dense, keras.layers.Dense) and any(dense.input is output for output in pooled)
    return dense if is_dense else None


def _checked(films, model):
    films = np.asarray(films)
    expected = model.input.shape[1:]
    fits = films.ndim == 4 and all(map(lambda want, have: want in (None, have), expected, films.shape[1:]))
    if not fits or not len(films) or films.dtype.kind != "f":
        raise CourseError(
            f"grad_cam needs standardised films, float32 (n, {', '.join(map(str, expected))}), "
            f"here {films.dtype} {films.shape}: put each film through the preprocessing of the weights."
        )
    return films.astype(np.float32, copy=False)
