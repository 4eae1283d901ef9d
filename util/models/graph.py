"""What a heat map needs to know about a network: the tensors of its graph, and whether its outputs are logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from util.errors import CourseError

if TYPE_CHECKING:
    import keras

STEPS = 10.0, 1000.0  # sizes of the inputs that show whether the output grows with them


class Graph:
    """A flat functional model: its one input and output, and each layer's output in this graph.

    Layers may be part of several models, and Keras' own `layer.output` then belongs to the first. So the graph is
    walked back from the output. A model that does not allow this raises a CourseError.
    """

    def __init__(self, model: keras.Model) -> None:
        import keras

        if not isinstance(model, keras.Model):
            raise CourseError(
                f"grad_cam needs a keras.Model, here a {type(model).__name__}: of pretrained pass .model."
            )
        if isinstance(model, keras.Sequential) or not getattr(model, "inputs", None):
            raise CourseError(
                f"grad_cam needs a functional model, {model.name} is {type(model).__name__}: "
                "build it as keras.Model(input, output)."
            )
        nested = [item.name for item in model.layers if isinstance(item, keras.Model)]
        if nested:
            raise CourseError(
                f"The model {model.name} holds a whole model as its layer {nested[0]}, whose inner layers cannot be "
                "reached from outside: build it flat, as util.models.densenet.build_densenet does."
            )
        if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
            raise CourseError(f"grad_cam needs one input and one output (n, findings): {model.name} has others.")
        self.name, self.input, self.output = model.name, model.inputs[0], model.outputs[0]
        self.outputs = {}  # operation -> its outputs in this graph
        waiting, met = [self.output], set()
        while waiting:
            tensor = waiting.pop()
            if id(tensor) not in met:
                met.add(id(tensor))
                self.outputs.setdefault(made_by(tensor), []).append(tensor)
                waiting += inputs_of(tensor)

    def output_of(self, layer: str) -> keras.KerasTensor:
        """The one output of the layer of that name."""
        found = [outputs for operation, outputs in self.outputs.items() if operation.name == layer]
        if not found:
            raise CourseError(f"The model {self.name} has no layer {layer!r}: choose a name of model.layers.")
        if len(found) > 1 or len(found[0]) > 1:
            raise CourseError(f"The layer {layer!r} of {self.name} is used more than once: choose one with one output.")
        return found[0][0]


def made_by(tensor: keras.KerasTensor) -> keras.Operation:
    """The layer or operation that a symbolic tensor comes from."""
    return tensor._keras_history.operation


def inputs_of(tensor: keras.KerasTensor) -> list[keras.KerasTensor]:
    """The symbolic tensors that a symbolic tensor is computed from."""
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index].input_tensors


def check_logits(graph: Graph) -> None:
    """Refuse a model whose outputs are not logits but bounded on one or both sides, by a sigmoid or the like.

    The position of the activation does not matter: the graph is walked back from the output to the last layers with
    weights (dense layers and convolutions), whose own activation must be linear. What is between them and the output (a
    concatenation, a rescaling, an activation or a custom layer) is tested: with inputs of both signs that are 100 times
    as large, each output must grow in both directions.
    """
    import keras

    last, waiting, met = [], [graph.output], set()
    while waiting:
        tensor = waiting.pop()
        if id(tensor) in met:
            continue
        met.add(id(tensor))
        if _mixes(made_by(tensor)) or not inputs_of(tensor):
            last.append(tensor)
        elif _is_own(made_by(tensor)) or not getattr(made_by(tensor), "weights", ()):
            waiting += inputs_of(tensor)
        else:  # a custom layer with weights: take its inputs
            last += inputs_of(tensor)
    for tensor in last:
        if getattr(made_by(tensor), "activation", None) not in (None, keras.activations.linear):
            _refuse(graph, made_by(tensor))
    if last[0] is not graph.output and not _grows(last, graph.output):
        _refuse(graph, made_by(graph.output))


def _is_own(operation):
    """Whether an operation is one of Keras' own."""
    return type(operation).__module__.startswith("keras.")


def _mixes(operation):
    """Whether an operation is Keras' own and mixes its inputs by weights, as dense layers and convolutions do."""
    import keras

    weighted = bool(getattr(operation, "weights", ())) and not isinstance(operation, keras.layers.BatchNormalization)
    return weighted and _is_own(operation)


def _grows(tensors, output):
    """Whether the outputs move in both directions with the values of these tensors, and without a bound."""
    import keras

    tail, rng = keras.Model(tensors, output), np.random.default_rng(0)
    drawn = [rng.normal(size=(16, *(n or 4 for n in tensor.shape[1:]))) for tensor in tensors]
    drawn = [np.concatenate([values, -values]) for values in drawn]

    def moved(step):
        films = [step * values for values in drawn]
        return np.asarray(keras.ops.convert_to_numpy(tail.predict_on_batch(films)), float)

    with np.errstate(all="ignore"):
        still = moved(0.0)
        small, large = (moved(step) - still for step in STEPS)
    further = STEPS[1] / STEPS[0] / 4
    up = (small.max(axis=0) > 0) & (large.max(axis=0) > further * small.max(axis=0))
    down = (small.min(axis=0) < 0) & (large.min(axis=0) < further * small.min(axis=0))
    return bool(np.isfinite(large).all() and (up & down).all())


def _refuse(graph, operation):
    raise CourseError(
        f"The model {graph.name} ends in an activation ({operation.name}): Grad-CAM is taken on logits, since the "
        "gradient of a sigmoid vanishes where it is sure. Build it without: keras.Model(inputs, logits), with the last "
        "Dense layer linear, and the sigmoid applied to what it predicts."
    )


def pool_and_dense(graph: Graph, activations: keras.KerasTensor) -> keras.layers.Dense | None:
    """The dense layer if the head is global average pooling and a dense layer, else None."""
    import keras

    dense = made_by(graph.output)
    if not isinstance(dense, keras.layers.Dense):
        return None
    (pooled,) = inputs_of(graph.output)
    pool = made_by(pooled)
    is_pool = isinstance(pool, keras.layers.GlobalAveragePooling2D) and pool.data_format == "channels_last"
    return dense if is_pool and inputs_of(pooled)[0] is activations else None
