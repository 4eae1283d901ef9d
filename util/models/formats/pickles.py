"""A pickle, read as data. Nothing in it is ever run.

A pickle is a program for a small machine with a stack, and `pickle.load` calls whatever the program names. The machine
here knows the same commands and calls nothing: a name stays a name, an object becomes a `Thing` that keeps its state,
and the handful of calls that make up a file of PyTorch (see `MEANING`) become the `Tensor` or the dictionary that they
stand for. It imports no module and looks up no attribute, so there is nothing that a file could reach.

The commands: Python's own `pickletools`, which also reads their arguments.
"""

import io
import pickletools
from dataclasses import dataclass

from util.models.formats.limits import Budget, Unreadable

STEPS = 1_000_000  # commands of one file; a module of DenseNet-121 takes 60,000, an optimiser's state as many
LENGTH = 16_000_000  # bytes of one pickle, without the numbers, which lie elsewhere in the file
AXES = 8  # of a tensor
MARK = object()


@dataclass(frozen=True)
class Name:
    """Something the file would have imported."""

    module: str
    name: str


class Thing:
    """Any object of the file: what it keeps, by name, and what it holds as a dictionary does."""

    def __init__(self):
        self.state, self.items = {}, {}


@dataclass(frozen=True)
class Storage:
    """A stretch of numbers, named in the pickle, whose bytes lie elsewhere in the file."""

    kind: str
    key: str
    count: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage: offset, shape and steps in elements."""

    storage: Storage
    offset: int
    shape: tuple
    steps: tuple

    def __post_init__(self):
        for numbers in (self.shape, self.steps):
            if not isinstance(numbers, tuple) or len(numbers) > AXES:
                raise Unreadable("a tensor with an impossible shape")
        numbers = (self.offset, *self.shape, *self.steps)
        if not isinstance(self.storage, Storage) or not all(_count(n) for n in numbers):
            raise Unreadable("a tensor with an impossible shape")
        if len(self.shape) != len(self.steps):
            raise Unreadable("a tensor with an impossible shape")

    @property
    def size(self):
        """How many numbers it has."""
        size = 1
        for n in self.shape:
            size *= n
        return size


def _count(number):
    return type(number) is int and 0 <= number < 2**40


def _dictionary(machine, pairs=(), *_):
    """An OrderedDict, empty or, as Python 2 wrote it, of a list of pairs."""
    found = {}
    for pair in _sequence(machine, pairs):
        if not (isinstance(pair, (list, tuple)) and len(pair) == 2):
            raise Unreadable("a dictionary that is none")
        _set(found, *pair)
    return found


def _tensor(machine, storage=None, offset=0, shape=(), steps=(), *_):
    return Tensor(storage, offset, shape, steps)


def _parameter(machine, tensor=None, *_):
    return tensor


def _typed(machine, function=None, kind=None, arguments=(), *_):
    """A tensor with attributes of its own: the call that makes the tensor, its type, the arguments of the call."""
    if not isinstance(function, Name) or MEANING.get((function.module, function.name)) is not _tensor:
        return Thing()
    return _tensor(machine, *_sequence(machine, arguments))


def _sequence(machine, things):
    if not isinstance(things, (list, tuple)):
        raise Unreadable("a list that is none")
    machine.budget.take(len(things))
    return things


MEANING = {  # what a call of these names stands for; every other call makes a Thing
    ("collections", "OrderedDict"): _dictionary,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _typed,
}


def read_pickle(data, start=0, budget=None):
    """The object in a pickle, as data.

    Parameters
    ----------
    data : bytes
    start : int, where the pickle begins
    budget : util.models.formats.limits.Budget of steps, shared by the pickles of one file

    Returns
    -------
    (object, dict of its storages by key, where the pickle ends). Dictionaries keep the entries whose keys are texts.

    Raises
    ------
    Unreadable : it is damaged, too long, or has commands that no PyTorch file needs.
    """
    machine = Machine(budget or Budget(STEPS, "commands"))
    file = io.BytesIO(data[start : start + LENGTH])
    try:
        for opcode, argument, _ in pickletools.genops(file):
            machine.budget.take()
            machine.step(opcode.name, argument)
        top = machine.pop()
        if machine.stack:
            raise Unreadable("a damaged pickle")
    except Unreadable:
        raise
    except (IndexError, KeyError, ValueError, OverflowError) as error:  # too few things on the stack, or a bad argument
        raise Unreadable(f"a damaged pickle: {error}") from None
    return top, machine.storages, start + file.tell()


class Machine:
    """The stack machine of one pickle."""

    def __init__(self, budget):
        self.budget, self.stack, self.memo, self.storages = budget, [], {}, {}

    def step(self, name, argument):
        """Carry out one command."""
        if name in LITERALS:
            self.stack.append(argument)
        elif name in NEW:
            self.stack.append(NEW[name]())
        elif name in COMMANDS:
            COMMANDS[name](self, argument)
        elif name not in NOTHING:
            raise Unreadable(f"the command {name}, which no PyTorch file needs")

    def since_mark(self):
        """Take everything above the last mark, and the mark."""
        things = []
        while (thing := self.stack.pop()) is not MARK:
            things.append(thing)
        return things[::-1]

    def remember(self, place):
        if not 0 <= place < 2**32:
            raise Unreadable("a memo of impossible size")
        self.memo[place] = self.top()

    def top(self):
        if self.stack[-1] is MARK:
            raise Unreadable("a damaged pickle")
        return self.stack[-1]

    def pop(self):
        self.top()
        return self.stack.pop()


def _tuple(count):
    def make(machine, _):
        things = machine.since_mark() if count is None else [machine.pop() for _ in range(count)][::-1]
        machine.stack.append(tuple(things))

    return make


def _append(machine, things):
    if isinstance(machine.top(), list):
        machine.top().extend(things)
    elif not isinstance(machine.top(), Thing):
        raise Unreadable("a list that is none")


def _dict(machine, _):
    things = machine.since_mark()
    machine.stack.append({})
    _set_items(machine, things)


def _set_items(machine, things):
    target = machine.top()
    for key, value in zip(things[::2], things[1::2], strict=True):
        _set(target.items if isinstance(target, Thing) else target, key, value)


def _set(target, key, value):
    """Keep one entry of a dictionary, if its key is a text: other keys, whose hashes may never end, are not needed."""
    if not isinstance(target, dict):
        raise Unreadable("a dictionary that is none")
    if isinstance(key, str):
        target[key] = value


def _call(machine, _):
    arguments, function = _sequence(machine, machine.pop()), machine.pop()
    meaning = MEANING.get((function.module, function.name)) if isinstance(function, Name) else None
    machine.stack.append(meaning(machine, *arguments) if meaning else Thing())


def _object(parts):
    """An object made of so many things on the stack, or of those since the mark."""

    def make(machine, _):
        things = machine.since_mark() if parts is None else [machine.pop() for _ in range(parts)]
        del things
        machine.stack.append(Thing())

    return make


def _build(machine, _):
    """Give an object its state: a dictionary, or two, the second of its slots."""
    state, target = machine.pop(), machine.top()
    if isinstance(target, Thing):
        for part in state if isinstance(state, tuple) and len(state) == 2 else (state,):
            if isinstance(part, dict):
                machine.budget.take(len(part))
                target.state.update(part)
    elif not isinstance(target, (dict, Tensor)):  # attributes of these two are not needed
        raise Unreadable("a state of something that has none")


def _name(machine, module, name):
    if not (isinstance(module, str) and isinstance(name, str)):
        raise Unreadable("a name that is none")
    machine.stack.append(Name(module, name))


def _stack_name(machine, _):
    name, module = machine.pop(), machine.pop()
    _name(machine, module, name)


def _persistent(machine, _):
    """What lies elsewhere in the file: a storage, or a class with its source, which nobody runs."""
    match machine.pop():
        case ("module", Name() as name, *_):
            machine.stack.append(name)
        case ("storage", Name(_, kind), str(key), _, count, *view) if _count(count) and view in ([], [None]):
            storage = Storage(kind, key, count)
            if machine.storages.setdefault(key, storage) != storage:
                raise Unreadable("a storage that is named in two ways")
            machine.stack.append(storage)
        case _:
            raise Unreadable("an unknown reference")


NOTHING = {"PROTO", "FRAME", "STOP"}
NEW = {"NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "MARK": lambda: MARK}
NEW |= {"EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict, "EMPTY_SET": Thing}
LITERALS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
COMMANDS = {
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.since_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.top()),
    "MEMOIZE": lambda machine, _: machine.remember(len(machine.memo)),
    "TUPLE": _tuple(None),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "LIST": lambda machine, _: machine.stack.append(machine.since_mark()),
    "DICT": _dict,
    "FROZENSET": _object(None),
    "APPEND": lambda machine, _: _append(machine, [machine.pop()]),
    "APPENDS": lambda machine, _: _append(machine, machine.since_mark()),
    "ADDITEMS": lambda machine, _: _append(machine, machine.since_mark()),
    "SETITEM": lambda machine, _: _set_items(machine, [machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine, _: _set_items(machine, machine.since_mark()),
    "GLOBAL": lambda machine, argument: _name(machine, *argument.split(" ", 1)),
    "STACK_GLOBAL": _stack_name,
    "REDUCE": _call,
    "NEWOBJ": _object(2),
    "NEWOBJ_EX": _object(3),
    "INST": _object(None),
    "OBJ": _object(None),
    "BUILD": _build,
    "BINPERSID": _persistent,
} | dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), Machine.remember)
COMMANDS |= dict.fromkeys(
    ("GET", "BINGET", "LONG_BINGET"), lambda machine, place: machine.stack.append(machine.memo[place])
)
