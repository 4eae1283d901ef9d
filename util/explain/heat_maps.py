"""Heat maps of a network: which parts of a film push a finding's logit up (lesson 9).

Five methods with one call, ``method(model, films, layer) -> (logits, maps)``, for all findings of all films at once:

- `grad_cam`: Selvaraju et al., Grad-CAM, ICCV 2017 (arXiv 1610.02391); at the last ReLU it is
  Zhou et al., CAM, CVPR 2016 (arXiv 1512.04150);
- `hires_cam`: Draelos and Carin, HiResCAM, 2020 (arXiv 2011.08891);
- `grad_cam_pp`: Chattopadhay et al., Grad-CAM++, WACV 2018 (arXiv 1710.11063);
- `occlusion`: Zeiler and Fergus, ECCV 2014 (arXiv 1311.2901);
- `gradient_input`: Shrikumar et al., 2016 (arXiv 1605.01713), where gradient x input is compared.
"""

from functools import lru_cache, partial

import numpy as np

from util.errors import CourseError
from util.models.graph import Graph, check_logits, pool_and_dense
from util.progress import progress


def grad_cam(model, films, layer="relu", batch_size=8):
    """Grad-CAM of every finding for every film at once.

    The map of a finding is the sum over the channels of activation x weight, where the weight is the gradient of the
    finding's logit, summed over the channel. (The Grad-CAM paper takes the mean, which divides the map by the number of
    its cells.) So a map is in units of the logit, and where `layer` feeds global average pooling and one dense layer it
    is CAM itself: ``map.mean() + bias == logit``. There, all gradients are known in closed form, and the maps of all
    findings cost one forward pass; at any other layer, each finding costs a backward pass from the logits to the layer.

    Parameters
    ----------
    model : keras.Model, flat and functional, films -> logits (n, c); neither Sequential nor nested, and without a
        sigmoid after its last layer with weights, not even one hidden by further layers
    films : float32 (n, h, w, channels), standardized by the preprocessing that belongs to the model
    layer : str, name of a layer with output (n, rows, columns, channels); 'relu' is DenseNet's last one
    batch_size : int, films at a time; 8 films of 320 pixels take about 1 GB

    Returns
    -------
    (logits, maps) : float32 (n, c) and float32 (n, c, rows, columns). The maps are *not* rectified: a cell below 0
        speaks against the finding. ``np.maximum(maps, 0)`` is the picture usually shown; a map without any positive
        cell becomes zero, not NaN, since nothing is divided by a maximum.

    Raises
    ------
    CourseError : the model, the layer or the films are not as above.

    See Also
    --------
    hires_cam : keeps the gradient of each cell
    occlusion : needs no gradient
    upsample : enlarges a map to the film

    Examples
    --------
    Not run by the tests, since it needs Keras and a trained network.

    >>> logits, maps = grad_cam(pretrained.model, films)  # doctest: +SKIP
    >>> maps.shape  # doctest: +SKIP
    (1, 14, 10, 10)

    Taught in lesson 9.
    """
    return _explain("Grad-CAM", model, films, layer, batch_size)


def hires_cam(model, films, layer="relu", batch_size=8):
    """HiResCAM: as `grad_cam`, but each cell keeps its own gradient instead of the channel's mean.

    Parameters, errors and shapes are those of `grad_cam`. The maps are multiplied by the number of cells, so that they,
    too, are in units of the logit. At the last ReLU, the gradient of a channel is the same everywhere, and the maps
    *are* those of Grad-CAM.

    See Also
    --------
    grad_cam : averages the gradient over the cells

    Examples
    --------
    Not run by the tests, since it needs Keras and a trained network.

    >>> logits, maps = hires_cam(pretrained.model, films, "pool4_relu")  # doctest: +SKIP

    Taught in lesson 9.
    """
    return _explain("HiResCAM", model, films, layer, batch_size)


def grad_cam_pp(model, films, layer="relu", batch_size=8):
    """Grad-CAM++: only cells that raise the logit weight their channel, and small active areas count like large ones.

    The weight of channel k is the sum over its cells of ``relu(g) / (2 + g S)``, where g is the gradient of the logit
    and S the channel's summed activation. This is equation 19 of the paper with its third derivatives of exp(logit);
    the common factor exp(logit) is left out, since it would mix the score of a film into its map.

    Parameters, errors and shapes are those of `grad_cam`; the method is meant for layers after a ReLU. The unit is not
    that of the logit: compare these maps only with each other.

    See Also
    --------
    grad_cam : in units of the logit

    Examples
    --------
    Not run by the tests, since it needs Keras and a trained network.

    >>> logits, maps = grad_cam_pp(pretrained.model, films, "pool4_relu")  # doctest: +SKIP

    Taught in lesson 9.
    """
    return _explain("Grad-CAM++", model, films, layer, batch_size)


def occlusion(model, films, layer="relu", batch_size=8, watch=None):
    """Occlusion: how much each logit falls when one patch of the film is painted mid-gray, the mean of training films.

    It needs no gradient, but rows x columns forward passes for each film, with a progress bar.

    Parameters, errors and shapes are those of `grad_cam`. Of `layer`, only the number of cells is used: the film is
    divided into as many patches. The unit is the logit; above 0, the patch spoke for the finding. `watch`, a callable (done, of) or
    None, is told after each batch how many passes are done, in place of the progress bar; what it raises stops the work.

    See Also
    --------
    grad_cam : much faster
    util.explain.sanity.faithfulness : hides the cells that a map ranks first

    Examples
    --------
    Not run by the tests, since it needs Keras and a trained network.

    >>> logits, maps = occlusion(pretrained.model, films)  # doctest: +SKIP

    Taught in lesson 9.
    """
    import keras

    graph, activations = _activations(model, layer)
    films = _checked(films, graph.input.shape[1:], batch_size)
    rows, columns = _patches(model, layer, activations, films)
    shape = activations.shape[1:3]
    if model.input is not graph.input or model.output is not graph.output:  # lists or dictionaries of one tensor
        model = keras.Model(graph.input, graph.output, name=model.name)
    patches = [(film, *patch) for film in range(len(films)) for patch in np.ndindex(*shape)]
    logits = _logits(model, films, batch_size)
    drops = []
    starts = range(0, len(patches), batch_size)
    for start in starts if watch else progress(starts, "hiding patches"):
        chosen = patches[start : start + batch_size]
        whole = [film for film, _, _ in chosen]
        hidden = films[whole]  # a copy
        for film, (_, row, column) in zip(hidden, chosen, strict=True):
            film[np.ix_(rows == row, columns == column)] = 0
        drops.append(logits[whole] - _logits(model, hidden, batch_size))
        if watch is not None:
            watch(start + len(chosen), len(patches))
    maps = np.concatenate(drops).reshape(len(films), *shape, -1)
    return logits, np.ascontiguousarray(maps.transpose(0, 3, 1, 2))


def gradient_input(model, films, layer="relu", batch_size=8, watch=None):
    """Gradient x input: each pixel times the gradient of the logit with respect to it, added up within each patch.

    A second family: the gradient goes down to the pixels, through all layers. One backward pass a finding and film; a film
    at a time, since they keep the activations of the whole network.

    Parameters, errors and shapes as for `grad_cam`, `watch` as for `occlusion`; of `layer` only the number of cells is used.
    The unit is the logit times the number of cells, as for `grad_cam`: of a network without bias and ReLU the mean of a
    map is the logit. A pixel that is mid-gray, the mean of the training films, adds nothing, whatever its gradient.

    See Also
    --------
    grad_cam : stops at a layer of the network

    Examples
    --------
    Not run by the tests, since it needs Keras and a trained network.

    >>> logits, maps = gradient_input(pretrained.model, films)  # doctest: +SKIP

    Taught in lesson 9.
    """
    import tensorflow as tf

    graph, activations = _activations(model, layer)
    films = _checked(films, graph.input.shape[1:], batch_size)
    rows, columns = _patches(model, layer, activations, films)
    shape = activations.shape[1:3]
    down, across = (cells[:, None] == np.arange(n) for cells, n in zip((rows, columns), shape, strict=True))
    step, findings = _pixel_gradient(model), graph.output.shape[1]
    logits, maps = [], np.empty((len(films), findings, *shape), np.float32)
    steps = range(len(films) * findings)
    for done in steps if watch else progress(steps, "gradients of pixels"):
        film, finding = divmod(done, findings)
        one = films[film : film + 1]
        answer, gradient = step(tf.constant(one), tf.one_hot([finding], findings, dtype=graph.output.dtype))
        product = (one * gradient.numpy()).sum(axis=-1)[0]
        maps[film, finding] = down.T @ product @ across * (shape[0] * shape[1])
        logits += [np.asarray(answer, np.float32)[0]] if finding == 0 else []
        if watch is not None:
            watch(done + 1, len(films) * findings)
    return np.stack(logits), maps


def _patches(model, layer, activations, films):
    """The row of each row of pixels, and the column of each column, in a layer's map."""
    shape = activations.shape[1:3]
    if None in shape:
        raise CourseError(f"The layer {layer!r} of {model.name} has no fixed size: build the model for one film size.")
    return [np.arange(pixels) * cells // pixels for pixels, cells in zip(films.shape[1:3], shape, strict=True)]


@lru_cache(maxsize=2)
def _pixel_gradient(model):
    """Function (films, chosen findings one-hot) -> (logits, gradient of the chosen ones with respect to the pixels)."""
    import keras
    import tensorflow as tf

    graph = Graph(model)
    check_logits(graph)
    whole = keras.Model(graph.input, graph.output)

    def step(films, chosen):
        with tf.GradientTape() as tape:
            tape.watch(films)
            logits = whole(films, training=False)
            asked = tf.reduce_sum(logits * chosen)
        return logits, tape.gradient(asked, films)

    return tf.function(step)


def _grad_cam_of(seen, gradient):
    """Grad-CAM: each channel weighted with its summed gradient."""
    import tensorflow as tf

    return tf.einsum("nc,nhwc->nhw", tf.reduce_sum(gradient, axis=(1, 2)), seen)


def _hires_cam_of(seen, gradient):
    """HiResCAM: each place with its own gradient, times the number of cells."""
    import tensorflow as tf

    cells = tf.cast(tf.shape(seen)[1] * tf.shape(seen)[2], "float32")
    return cells * tf.einsum("nhwc,nhwc->nhw", gradient, seen)


def _grad_cam_pp_of(seen, gradient):
    """Grad-CAM++: relu(g) / (2 + g S) at each place, summed to the channel's weight; 0 where nothing is below."""
    import tensorflow as tf

    total = tf.reduce_sum(seen, axis=(1, 2), keepdims=True)
    parts = tf.math.divide_no_nan(tf.nn.relu(gradient), 2 + gradient * total)
    return tf.einsum("nc,nhwc->nhw", tf.reduce_sum(parts, axis=(1, 2)), seen)


# A method that needs activations and gradients is one function of both, float32 (n, rows, columns, channels) -> map
# (n, rows, columns). All of them come of the same gradients, so a further one costs next to nothing.
OF_GRADIENTS = {"Grad-CAM": _grad_cam_of, "HiResCAM": _hires_cam_of, "Grad-CAM++": _grad_cam_pp_of}


def _explain(method, model, films, layer="relu", batch_size=8):
    """Logits and maps of one method, batch by batch, so that memory grows with the batch alone."""
    graph, _ = _activations(model, layer)
    films = _checked(films, graph.input.shape[1:], batch_size)
    step = _explainer(model, layer)
    parts = [step(films[start : start + batch_size]) for start in range(0, len(films), batch_size)]
    place = list(OF_GRADIENTS).index(method)
    logits = np.concatenate([np.asarray(part[0], np.float32) for part in parts])
    return logits, np.concatenate([np.asarray(part[1][place], np.float32) for part in parts])


METHODS = {name: partial(_explain, name) for name in OF_GRADIENTS}
METHODS |= {"occlusion": occlusion, "gradient x input": gradient_input}


def _logits(model, films, batch_size):
    """Logits (n, c) of standardized films, batch by batch."""
    from util.models.predict import predict_films

    starts = range(0, len(films), batch_size)
    return np.concatenate([predict_films(model, films[s : s + batch_size], batch_size) for s in starts])


def upsample(maps, size):
    """Enlarge maps to the pixels of a film, bilinearly between the centers of the cells.

    Parameters
    ----------
    maps : float array (..., rows, columns)
    size : (height, width) in pixels

    Returns
    -------
    float32 array (..., height, width), within the range of the values of `maps`

    See Also
    --------
    util.explain.localisation.region : the outline of an enlarged map

    Examples
    --------
    >>> upsample([[0, 1]], (1, 4)).tolist()
    [[0.0, 0.25, 0.75, 1.0]]

    Taught in lesson 9.
    """
    maps, size = np.asarray(maps, np.float32), np.asarray(size)
    if maps.ndim < 2 or min(maps.shape[-2:]) < 1:
        raise CourseError(f"upsample needs maps (..., rows, columns), here an array of shape {maps.shape}.")
    if size.shape != (2,) or size.dtype.kind not in "iu" or size.min() < 1:
        raise CourseError(f"upsample needs a size (height, width) in pixels, here {size.tolist()}.")
    down, across = _interpolation(maps.shape[-2], size[0]), _interpolation(maps.shape[-1], size[1])
    return down @ maps @ across.T


def _interpolation(cells, pixels):
    """Matrix (pixels, cells) of bilinear weights between cell centers; beyond the outer centers the value stays."""
    position = np.clip((np.arange(pixels) + 0.5) * cells / pixels - 0.5, 0, cells - 1)
    return np.maximum(0, 1 - np.abs(position[:, None] - np.arange(cells))).astype(np.float32)


@lru_cache(maxsize=4)  # tracing a DenseNet takes seconds, running it a fraction of one
def _explainer(model, layer):
    """Function films -> (logits, maps of all of OF_GRADIENTS), compiled once for each model and layer.

    All methods come of the same gradients, so one function serves them; later changes of weights count.
    """
    import keras
    import tensorflow as tf

    graph, activations = _activations(model, layer)
    both = keras.Model(graph.input, [activations, graph.output])
    dense = pool_and_dense(graph, activations)

    def maps_of(seen, gradient):
        seen = tf.cast(seen, "float32")
        return tf.stack([method(seen, tf.cast(gradient, "float32")) for method in OF_GRADIENTS.values()])

    def closed_form(films):
        seen, logits = both(films, training=False)
        cells = tf.cast(tf.shape(seen)[1] * tf.shape(seen)[2], "float32")
        kernel = tf.transpose(tf.cast(dense.kernel, "float32")) / cells  # the gradient, the same at all places
        maps = tf.map_fn(lambda row: maps_of(seen, tf.broadcast_to(row, tf.shape(seen))), kernel)
        return logits, tf.transpose(maps, (1, 2, 0, 3, 4))

    def by_gradient(films):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(films)
            seen, logits = both(films, training=False)
            totals = tf.reduce_sum(logits, axis=0)  # films do not mix, so one gradient serves them all

        # One finding after the other: gradients of all at once would fill the memory at an early layer.
        chosen = tf.eye(graph.output.shape[1], dtype=totals.dtype)
        maps = tf.map_fn(
            lambda one: maps_of(seen, tape.gradient(totals, seen, one)), chosen, fn_output_signature="float32"
        )
        return logits, tf.transpose(maps, (1, 2, 0, 3, 4))

    # Without a graph, Keras keeps every activation of the network: 8 GB for a few films.
    signature = [tf.TensorSpec((None, *graph.input.shape[1:]), "float32")]
    return tf.function(by_gradient if dense is None else closed_form, input_signature=signature)


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


def _checked(films, shape, batch_size):
    """Films as float32 (n, h, w, channels) in the model's input shape; a CourseError if they do not fit."""
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
            f"Film {damaged[0]} (from 0) has pixels that are not numbers, or infinite: look at its file and its "
            "preprocessing."
        )
    return films
