"""What a pickle of arrays holds, found out without unpickling it.

A pickle is a list of instructions, some of which call whatever they name. Those that put together numbers, text,
bytes, lists, tuples, dictionaries and numpy arrays are followed here; at any other, reading ends. No function that the
file names is looked up, let alone called. What each instruction does: the module `pickletools` of Python, PEP 3154.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PLAIN = (
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
IGNORED = frozenset(("PROTO", "FRAME", "STOP"))
MODULES = {
    "_reconstruct": ("numpy.core.multiarray", "numpy._core.multiarray"),
    "scalar": ("numpy.core.multiarray", "numpy._core.multiarray"),
    "_frombuffer": ("numpy.core.numeric", "numpy._core.numeric"),
    "ndarray": ("numpy",),
    "dtype": ("numpy",),
    "encode": ("_codecs",),
    "bytes": ("builtins", "__builtin__"),
}
"""What a pickle of arrays names, and where numpy has kept it."""
DTYPE = re.compile(r"[biufcSUO]\d+")
MARK = object()


class Refused(Exception):
    """The pickle asks for something that is no data."""


@dataclass(eq=False)
class Name:
    """One of `MODULES` on the stack."""

    name: str


@dataclass(eq=False)
class Unfinished:
    """An array or its type, before the instruction that says what is in it; `place` is its number in the memo."""

    kind: str
    code: Any = ""
    place: int | None = None


class PickleReader:
    """Follows the instructions of one pickle, as `pickletools.genops` gives them."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self, instructions: Iterable[tuple[pickletools.OpcodeInfo, Any, int | None]]) -> Any:
        """Follow all of them; returns what is left at the end.

        Raises
        ------
        Refused
            At an instruction that does more than put data together.
        ValueError, LookupError, TypeError, AttributeError
            When they make no sense.
        """
        for instruction, argument, _ in instructions:
            self.follow(instruction.name, argument)
        return self._stack.pop()

    def follow(self, name: str, argument: Any) -> None:
        """Follow one instruction."""
        if name in PLAIN:
            self._stack.append(argument)
        elif name in CONSTANTS:
            self._stack.append(CONSTANTS[name])
        elif name in TUPLES:
            self._stack.append(tuple(self.take(TUPLES[name])))
        elif name not in IGNORED:
            step = getattr(self, f"on_{name.lower()}", None)
            if step is None:
                raise Refused(f"the instruction {name}")
            step(argument)

    def take(self, n: int) -> list[Any]:
        """Take the last `n` items off the stack."""
        if len(self._stack) < n:
            raise ValueError("an item is missing")
        items = self._stack[-n:]
        del self._stack[-n:]
        return items

    def since_mark(self) -> list[Any]:
        """Take the items since the last mark off the stack, and the mark."""
        n = next((n for n, item in enumerate(reversed(self._stack), 1) if item is MARK), None)
        if n is None:
            raise ValueError("a mark is missing")
        return self.take(n)[1:]

    def on_mark(self, _: None) -> None:
        """Begin a run of items."""
        self._stack.append(MARK)

    def on_tuple(self, _: None) -> None:
        """Make a tuple of the items since the mark."""
        self._stack.append(tuple(self.since_mark()))

    def on_empty_list(self, _: None) -> None:
        """Begin a list."""
        self._stack.append([])

    def on_append(self, _: None) -> None:
        """Put one item into the list below it."""
        self.fill(list, self.take(1))

    def on_appends(self, _: None) -> None:
        """Put the items since the mark into the list below it."""
        self.fill(list, self.since_mark())

    def on_empty_dict(self, _: None) -> None:
        """Begin a dictionary."""
        self._stack.append({})

    def on_setitem(self, _: None) -> None:
        """Put one pair into the dictionary below it."""
        self.fill(dict, self.take(2))

    def on_setitems(self, _: None) -> None:
        """Put the pairs since the mark into the dictionary below it."""
        self.fill(dict, self.since_mark())

    def fill(self, kind: type, items: list[Any]) -> None:
        """Put items into the list or dictionary on top."""
        target = self._stack[-1]
        if type(target) is not kind:
            raise ValueError(f"items for a {kind.__name__} that is none")
        if kind is list:
            target.extend(items)
        else:
            target.update(zip(items[::2], items[1::2], strict=True))

    def on_memoize(self, _: None) -> None:
        """Remember the item on top under the next number."""
        self.on_binput(len(self._memo))

    def on_binput(self, place: int) -> None:
        """Remember the item on top."""
        top = self._memo[place] = self._stack[-1]
        if isinstance(top, Unfinished):
            top.place = place

    def on_binget(self, place: int) -> None:
        """Recall an item."""
        self._stack.append(self._memo[place])

    on_long_binput = on_binput
    on_long_binget = on_binget

    def on_global(self, name: str) -> None:
        """Put a name on the stack: one of `MODULES`."""
        module, _, function = name.partition(" ")
        if module not in MODULES.get(function, ()):
            raise Refused(f"the name {f'{module}.{function}'[:80]!r}")
        self._stack.append(Name(function))

    def on_stack_global(self, _: None) -> None:
        """Put a name on the stack that lies there as two texts."""
        module, function = self.take(2)
        self.on_global(f"{module} {function}")

    def on_reduce(self, _: None) -> None:
        """Make what a name and its arguments stand for; nothing is called."""
        name, arguments = self.take(2)
        if not isinstance(name, Name):
            raise Refused("a call of something that has no name")
        self._stack.append(made(name.name, arguments))

    def on_build(self, _: None) -> None:
        """Say what is in the array or type on top."""
        target, state = self.take(2)
        if not isinstance(target, Unfinished):
            raise Refused("a state for something that is no array")
        whole = array_of(state) if target.kind == "array" else dtype_of(target.code, state)
        self._stack.append(whole)
        if target.place is not None:
            self._memo[target.place] = whole


def made(name: str, arguments: tuple[Any, ...]) -> Any:
    """What a name of `MODULES` makes of its arguments."""
    if name == "_reconstruct":
        return Unfinished("array")
    if name == "dtype":
        return Unfinished("dtype", arguments[0])
    if name == "scalar":
        return numbers(arguments[1], arguments[0], (1,), "C")[0].item()
    if name == "_frombuffer":
        return numbers(*arguments)
    if name == "encode" and arguments[1] == "latin1":
        return str(arguments[0]).encode("latin1")
    if name == "bytes" and arguments == ():
        return b""
    raise Refused(f"a call of {name}")


def dtype_of(code: Any, state: tuple[Any, ...]) -> np.dtype[Any]:
    """Type of an array: numbers, text or objects, of either byte order."""
    if not DTYPE.fullmatch(code) or any(part is not None for part in state[2:5]):
        raise Refused(f"an array of type {str(code)[:80]!r}")
    dtype = np.dtype(code)
    return dtype.newbyteorder(state[1]) if state[1] in ("<", ">") else dtype


def array_of(state: tuple[Any, ...]) -> NDArray[Any]:
    """An array from its state: version, shape, type, whether columns come first, content."""
    _, shape, dtype, columns_first, content = state
    if not dtype.hasobject:
        return numbers(content, dtype, shape, "F" if columns_first else "C")
    items = np.empty(len(content), object)
    for at, item in enumerate(content):
        items[at] = item
    return items.reshape(shape, order="F" if columns_first else "C")


def numbers(content: Any, dtype: np.dtype[Any], shape: tuple[int, ...], order: str) -> NDArray[Any]:
    """A view of `content` as an array."""
    if dtype.hasobject:
        raise Refused("objects in the place of numbers")
    if 0 in shape or not dtype.itemsize:
        return np.zeros(shape, dtype)
    return np.frombuffer(content, dtype).reshape(shape, order="F" if order == "F" else "C")
