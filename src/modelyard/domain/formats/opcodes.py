"""Walk a pickle's opcodes with an inert stack machine: nothing is imported, called or built.

Globals become `Global`, calls become `Call`, persistent ids become `Persistent`; long strings and
bytes are skipped and become OPAQUE. The opcode table is the standard library's own (`pickletools`),
and an opcode that does not matter here just pops and pushes what that table says.

The machine faults only where every unpickler faults (Python's own in C and in Python, joblib's, torch's) and goes
on where any of them does, so none of them runs code that it does not reach.
"""

from __future__ import annotations

import codecs
import pickletools
import re
import struct
from dataclasses import dataclass, field
from typing import Any

from modelyard.domain.formats.ranged import Cursor, Malformed

MAX_GLOBALS = 500
_MAX_TEXT_BYTES = 4096
_MAX_LINE_BYTES = 4096
_MAX_INTEGER_BYTES = 16
_MAX_NESTING = 4
_MAX_ARRAY_BYTES = 2**48
_FEW_ITEMS = 100

_OPCODES: dict[str, Any] = {op.code: op for op in pickletools.opcodes}
_HIGHEST_PROTOCOL = max(op.proto for op in pickletools.opcodes)
_SIZES = {
    pickletools.TAKEN_FROM_ARGUMENT1: struct.Struct("<B"),
    pickletools.TAKEN_FROM_ARGUMENT4: struct.Struct("<i"),
    pickletools.TAKEN_FROM_ARGUMENT4U: struct.Struct("<I"),
    pickletools.TAKEN_FROM_ARGUMENT8U: struct.Struct("<Q"),
}
_TEXTS = {"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"}
_BINARIES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_INTEGERS = {"INT", "LONG", "BININT", "BININT1", "BININT2", "LONG1", "LONG4"}
# The C unpickler parses with strtol first, which accepts more than int(text, 0).
_C_NUMBER = re.compile(rb"\s*[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)?")


class _Opaque:
    """A value that does not matter, or is too large to be kept."""

    def __repr__(self) -> str:
        return "OPAQUE"


OPAQUE = _Opaque()
_MARK = object()
OTHER_KEYS = _Opaque()
"""In a dictionary, in place of all keys that are neither texts nor numbers."""
_NOT_TEXT = (int, list, dict, tuple, type(None))


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes that were skipped. span: their (offset, length) in the source."""

    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Global:
    module: str
    name: str

    @property
    def path(self) -> str:
        return f"{self.module}.{self.name}"

    @property
    def root(self) -> str:
        return self.module.partition(".")[0]


ARRAY_WRAPPER = Global("joblib.numpy_pickle", "NumpyArrayWrapper")
"""joblib's placeholder for an array, whose raw bytes follow it."""


@dataclass(eq=False, slots=True)
class Call:
    """The object that REDUCE, NEWOBJ, OBJ or INST would have built.

    state: the argument of its last BUILD; items: what was set in it by key, as in an OrderedDict.
    """

    target: Any
    arguments: Any
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, slots=True)
class Persistent:
    identity: Any


@dataclass
class Walk:
    """The facts from one pickle. `top` is the object it would return, or the best guess if it was cut."""

    protocol: int = 0
    complete: bool = False
    top: Any = OPAQUE
    globals: dict[Global, None] = field(default_factory=dict)
    """In order of appearance, each once."""
    globals_truncated: bool = False
    tensors: list[Call] = field(default_factory=list)
    """Calls of torch's tensor rebuilders, in order."""


def walk_pickle(cursor: Cursor, walk: Walk, nesting: int = 0) -> None:
    """Fill `walk` up to STOP and leave the cursor after it. Raises Malformed; `walk` then keeps its facts so far."""
    machine = Machine(cursor, walk, nesting)
    try:
        while not machine.stopped:
            machine.step()
        walk.complete = True
    finally:
        if machine.stack:
            walk.top = next((x for x in machine.stack if x is not _MARK), OPAQUE)


class Machine:
    """The stack machine. It reports events to the methods below `step`, which subclasses may override."""

    keeps_items = True
    """Whether lists and large dictionaries keep their items."""

    def __init__(self, cursor: Cursor, walk: Walk, nesting: int) -> None:
        self.cursor = cursor
        self.walk = walk
        self.nesting = nesting
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.stopped = False
        self.opcode_at = cursor.position
        self.opcode = ""
        self.frame_end = 0
        self.is_canonical = True
        """Whether all arguments are written as Python's own pickler writes them."""

    def step(self) -> None:
        cursor = self.cursor
        cursor.budget.step()
        self.opcode_at = cursor.position
        found = _TABLE[cursor.read_byte()]
        if found is None:
            raise Malformed(f"byte {self.opcode_at} is not a pickle opcode")
        op, self.opcode, handler, fixed_bytes = found
        if fixed_bytes == 0:
            argument = None
        elif fixed_bytes == 1:
            argument = cursor.read_byte()
        else:
            argument = self._argument(op)
        if handler is not None:
            handler(self, argument)
        elif self.opcode in _PUSHED:
            self.stack.append(argument)
        else:
            self._by_table(op)

    def _argument(self, op: Any) -> Any:
        if op.arg is None:
            return None
        if op.arg.n == pickletools.UP_TO_NEWLINE:
            return self._line_argument(op.name)
        if op.arg.n >= 0:
            data = self.cursor.read(op.arg.n)
            return int.from_bytes(data, "little", signed=op.name == "BININT")
        length = self.cursor.unpack(_SIZES[op.arg.n])
        if op.name == "FRAME":
            self.frame_end = self.cursor.position + length
            return None
        if op.name in _INTEGERS:
            number = self.cursor.read_capped(length, _MAX_INTEGER_BYTES)
            return OPAQUE if number is None else int.from_bytes(number, "little", signed=True)
        if op.name in _TEXTS:
            text = self.cursor.read_capped(length, _MAX_TEXT_BYTES)
            if text is not None and "UNICODE" in op.name:
                self._decoded(text, "utf-8", "surrogatepass")
            return OPAQUE if text is None else text.decode("utf-8", "replace")
        span = (self.cursor.position, length)
        self.cursor.skip(length)
        return Bytes(span)

    def _decoded(self, data: bytes, encoding: str, errors: str = "strict") -> str:
        try:
            return data.decode(encoding, errors)
        except UnicodeDecodeError:
            raise Malformed(f"byte {self.cursor.position} ends a text that is not {encoding}") from None

    def _line_argument(self, name: str) -> Any:
        cursor = self.cursor
        line = cursor.read_line(_MAX_LINE_BYTES)
        if name in ("GLOBAL", "INST"):
            return self._global_argument(line, "ascii" if name == "INST" else "utf-8")
        if line is None:
            return OPAQUE
        if name in ("INT", "LONG", "GET", "PUT"):
            return self._number(line, name)
        if name == "FLOAT":
            return self._float(line)
        if name == "STRING":
            return self._unescaped(line)
        if name == "UNICODE":
            return self._decoded(line, "raw-unicode-escape")
        return self._decoded(line, "ascii")

    def _global_argument(self, module: bytes | None, encoding: str) -> tuple[str, Any]:
        if not module:
            raise Malformed(f"byte {self.cursor.position} ends a module's name that is empty or too long")
        # A missing name is read as an empty one, after the import of its module.
        at_end = self.cursor.position >= self.cursor.end
        name = b"" if at_end else self.cursor.read_line(_MAX_LINE_BYTES)
        text = self._decoded(module, encoding)
        return text, OPAQUE if name is None else self._decoded(name, encoding)

    def _number(self, line: bytes, name: str) -> int | bool:
        if name == "INT" and line in (b"00", b"01"):
            return line == b"01"
        text = line.removesuffix(b"L") if name == "LONG" else line
        number = _number_of(text, 10 if name in ("GET", "PUT") else 0)
        if number is None or (name in ("GET", "PUT") and number < 0):
            raise Malformed(f"byte {self.cursor.position} ends a number that is not valid")
        if text != b"%d" % number or (name == "LONG") != (line != text):
            self.is_canonical = False
        return number

    def _float(self, line: bytes) -> Any:
        for text in (line, line.partition(b"\0")[0]):
            try:
                float(text)
            except ValueError:
                continue
            return OPAQUE
        raise Malformed(f"byte {self.cursor.position} ends a number that is not valid")

    def _unescaped(self, line: bytes) -> Any:
        """Return the text of a STRING, which is quoted and has the escapes of Python's literals."""
        if len(line) < 2 or line[:1] not in (b"'", b'"') or line[:1] != line[-1:]:
            raise Malformed(f"byte {self.cursor.position} ends a text without quotes")
        try:
            return codecs.escape_decode(line[1:-1])[0].decode("utf-8", "replace")
        except ValueError:
            raise Malformed(f"byte {self.cursor.position} ends a text with a broken escape") from None

    def _by_table(self, op: Any) -> None:
        if op.name.startswith("EXT"):
            self.note_extension()
        before = [item.name for item in op.stack_before]
        if "mark" in before:
            self.pop_to_mark()
            for _ in range(before.index("mark")):
                self.pop()
        else:
            for _ in before:
                self.pop()
        self.stack.extend(_MARK if item.name == "mark" else OPAQUE for item in op.stack_after)

    def pop(self) -> Any:
        if not self.stack:
            raise Malformed(f"the pickle takes from an empty stack at byte {self.cursor.position}")
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        items: list[Any] = []
        while (item := self.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def top(self) -> Any:
        if not self.stack:
            raise Malformed(f"the pickle takes from an empty stack at byte {self.cursor.position}")
        return self.stack[-1]

    # --- events for subclasses -----------------------------------------------------------------------

    def note_extension(self) -> None:
        """Report a global that is named by its number in the unpickler's extension registry."""

    def note_build(self, made: Any, state: Any) -> None:
        """Report that `made`, of any kind, receives a state."""

    def note_change(self, target: Any, values: list[Any]) -> None:
        """Report that `target` receives a state or items through its own `__setstate__`, `append`, `__setitem__` …"""

    def note_again(self, value: Any) -> None:
        """Report that a global or a built object is pushed again, from the memo or by DUP."""

    def note_items(self, target: Any, items: list[Any]) -> None:
        """Report items put into `target`: keys and values in turn, or the new elements of a list or set."""

    def check_array(self, state: dict[str, Any]) -> None:
        """Report that the raw bytes of a joblib array with this description follow. Raises Malformed to end the walk."""

    def enter(self, cursor: Cursor) -> None:
        """Walk a separate pickle that follows within the stream."""
        inner = Walk(globals=self.walk.globals, tensors=self.walk.tensors)
        walk_pickle(cursor, inner, self.nesting + 1)
        self.walk.globals_truncated |= inner.globals_truncated

    def note_global(self, module: Any, name: Any) -> Any:
        if not isinstance(module, str) or not isinstance(name, str):
            return OPAQUE
        found = Global(module, name)
        if len(self.walk.globals) < MAX_GLOBALS:
            self.walk.globals[found] = None
        elif found not in self.walk.globals:
            self.walk.globals_truncated = True
        return found

    def call(self, target: Any, arguments: Any) -> None:
        made = Call(target, arguments)
        if isinstance(target, Global) and target.root == "torch" and target.name.startswith("_rebuild_tensor"):
            self.walk.tensors.append(made)
        self.stack.append(made)


def _number_of(text: bytes, base: int) -> int | None:
    """Parse a number like any unpickler; those in C stop at a zero byte."""
    start = text.partition(b"\0")[0]
    for candidate in (text, start):
        try:
            return int(candidate, base)
        except ValueError:
            continue
    if base == 0 and text and (match := _C_NUMBER.fullmatch(start)):
        digits = match[1] or b"0"
        return int(digits, 16 if digits[:2] in (b"0x", b"0X") else 10)
    return None


def _reduce(m: Machine, _: Any) -> None:
    arguments = m.pop()
    m.call(m.pop(), arguments)


def _newobj_ex(m: Machine, _: Any) -> None:
    m.pop()
    _reduce(m, None)


def _build(m: Machine, _: Any) -> None:
    state = m.pop()
    made = m.top()
    m.note_build(made, state)
    m.note_change(made, [state])
    if isinstance(made, Call):
        made.state = state
        if made.target == ARRAY_WRAPPER:
            _skip_joblib_array(m, state)


def _skip_joblib_array(m: Machine, state: Any) -> None:
    """Skip the raw bytes that joblib writes into the stream, just after the wrapper of an array.

    An array of Python objects follows as a pickle of its own.
    Source: joblib/numpy_pickle.py, NumpyArrayWrapper.read_array.
    """
    if not isinstance(state, dict):
        raise Malformed("a joblib array has no description")
    if m.cursor.position < m.frame_end:
        raise Malformed("a joblib array begins within a frame")
    item_bytes = dtype_bytes(state.get("dtype"))
    shape = state.get("shape")
    if not isinstance(shape, tuple) or not all(type(x) is int and 0 <= x <= _MAX_ARRAY_BYTES for x in shape):
        raise Malformed("a joblib array has no valid shape")
    if item_bytes is None:
        raise Malformed("a joblib array has a dtype that is not understood")
    if item_bytes == 0:
        if m.nesting >= _MAX_NESTING:
            raise Malformed("joblib arrays are nested too deeply")
        m.enter(m.cursor)
        return
    m.check_array(state)
    if state.get("numpy_array_alignment_bytes") is not None:
        m.cursor.skip(m.cursor.read(1)[0])
    total = item_bytes
    for size in shape:
        total *= size
        if total > _MAX_ARRAY_BYTES:
            raise Malformed("a joblib array is larger than any file")
    m.cursor.skip(total)


def dtype_bytes(dtype: Any) -> int | None:
    """Return the bytes of one element of a pickled numpy.dtype; 0 for Python objects, None if it is unknown."""
    if not isinstance(dtype, Call) or not isinstance(dtype.arguments, tuple) or not dtype.arguments:
        return None
    if dtype.target != Global("numpy", "dtype"):
        return None
    text = dtype.arguments[0]
    if not isinstance(text, str) or len(text) < 2:
        return None
    kind, size = text.lstrip("<>|=")[:1], text.lstrip("<>|=")[1:]
    if kind == "O":
        return 0
    if not size.isdecimal() or len(size) > 9 or kind not in "biufcmMSUV" or not kind or int(size) == 0:
        return None
    item_bytes = int(size) * (4 if kind == "U" else 1)
    state = dtype.state
    if state is None:
        return item_bytes
    # (version, byte order, subarray, names, fields, item bytes, alignment, flags, …)
    if not isinstance(state, tuple) or len(state) < 8 or state[5] not in (-1, item_bytes):
        return None
    holds_objects = type(state[7]) is not int or state[7] & 1
    if kind == "V":
        return 0 if holds_objects else _structure_bytes(state, item_bytes)
    return item_bytes if state[2:5] == (None, None, None) and not holds_objects else None


def _structure_bytes(state: tuple[Any, ...], item_bytes: int) -> int | None:
    """Return None if a part holds objects although the whole claims to have none."""
    subarray, fields = state[2], state[4]
    parts = [subarray] if subarray is not None else []
    if fields is not None:
        if not isinstance(fields, dict):
            return None
        parts += fields.values()
    plain = all(isinstance(part, tuple) and part and dtype_bytes(part[0]) for part in parts)
    return item_bytes if plain else None


def _set_item(m: Machine, _: Any) -> None:
    value = m.pop()
    key = m.pop()
    _put(m, m.top(), [key, value])


def _put(m: Machine, target: Any, items: list[Any]) -> None:
    """Keep text and number keys only: hashing a hostile nest of tuples can take for ever."""
    if isinstance(target, Call | Global | Persistent):
        m.note_change(target, items)
    m.note_items(target, items)
    if isinstance(target, Call):
        target = target.items
    if isinstance(target, dict) and (m.keeps_items or len(target) < _FEW_ITEMS):
        for key, value in zip(items[::2], items[1::2], strict=False):
            if type(key) in (str, int):
                target[key] = value
            else:
                target[OTHER_KEYS] = OPAQUE


def _set_items(m: Machine, _: Any) -> None:
    items = m.pop_to_mark()
    _put(m, m.top(), items)


def _dict(m: Machine, _: Any) -> None:
    made: dict[Any, Any] = {}
    _put(m, made, m.pop_to_mark())
    m.stack.append(made)


def _append(m: Machine, _: Any) -> None:
    item = m.pop()
    _extend(m, [item])


def _extend(m: Machine, items: list[Any]) -> None:
    target = m.top()
    if isinstance(target, list):
        if m.keeps_items:
            target.extend(items)
    elif isinstance(target, Call | Global | Persistent):
        m.note_change(target, items)
        m.note_items(target, items)


def _appends(m: Machine, _: Any) -> None:
    items = m.pop_to_mark()
    _extend(m, items)


def _tuple_of(count: int) -> Any:
    def build(m: Machine, _: Any) -> None:
        m.stack.append(tuple([m.pop() for _ in range(count)][::-1]))

    return build


def _stack_global(m: Machine, _: Any) -> None:
    name = m.pop()
    module = m.pop()
    if isinstance(name, _NOT_TEXT) or isinstance(module, _NOT_TEXT):
        raise Malformed(f"byte {m.opcode_at} names a global by something that is not a text")
    m.stack.append(m.note_global(module, name))


def _inst(m: Machine, argument: Any) -> None:
    # The Python unpickler imports before it looks for the mark.
    target = m.note_global(*argument)
    m.call(target, tuple(m.pop_to_mark()))


def _obj(m: Machine, _: Any) -> None:
    items = m.pop_to_mark()
    if not items:
        raise Malformed("the pickle builds an object without a class")
    m.call(items[0], tuple(items[1:]))


def _memoize(m: Machine, _: Any) -> None:
    m.memo[len(m.memo)] = m.top()


def _memo_put(m: Machine, argument: Any) -> None:
    m.memo[argument] = m.top()


def _memo_get(m: Machine, argument: Any) -> None:
    if argument not in m.memo:
        raise Malformed(f"the pickle uses the memo entry {argument} before it is set")
    value = m.memo[argument]
    if isinstance(value, Call | Global):
        m.note_again(value)
    m.stack.append(value)


def _dup(m: Machine, _: Any) -> None:
    value = m.top()
    m.note_again(value)
    m.stack.append(value)


def _protocol(m: Machine, argument: Any) -> None:
    if argument > _HIGHEST_PROTOCOL:
        raise Malformed(f"pickle protocol {argument} is not known")
    m.walk.protocol = argument


def _stop(m: Machine, _: Any) -> None:
    m.top()
    m.stopped = True


_HANDLERS: dict[str, Any] = {
    "PROTO": _protocol,
    "STOP": _stop,
    "REDUCE": _reduce,
    "NEWOBJ": _reduce,
    "NEWOBJ_EX": _newobj_ex,
    "BUILD": _build,
    "INST": _inst,
    "OBJ": _obj,
    "GLOBAL": lambda m, argument: m.stack.append(m.note_global(*argument)),
    "STACK_GLOBAL": _stack_global,
    "PERSID": lambda m, argument: m.stack.append(Persistent(argument)),
    "BINPERSID": lambda m, _: m.stack.append(Persistent(m.pop())),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "EMPTY_TUPLE": lambda m, _: m.stack.append(()),
    "NONE": lambda m, _: m.stack.append(None),
    "NEWTRUE": lambda m, _: m.stack.append(True),
    "NEWFALSE": lambda m, _: m.stack.append(False),
    "MARK": lambda m, _: m.stack.append(_MARK),
    "DUP": _dup,
    "POP": lambda m, _: m.pop(),
    "POP_MARK": lambda m, _: m.pop_to_mark(),
    "LIST": lambda m, _: m.stack.append(m.pop_to_mark()),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.pop_to_mark())),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "DICT": _dict,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "APPEND": _append,
    "APPENDS": _appends,
    "ADDITEMS": _appends,
    "MEMOIZE": _memoize,
    "PUT": _memo_put,
    "BINPUT": _memo_put,
    "LONG_BINPUT": _memo_put,
    "GET": _memo_get,
    "BINGET": _memo_get,
    "LONG_BINGET": _memo_get,
    "READONLY_BUFFER": lambda m, _: m.top(),
}

_PUSHED = frozenset(_TEXTS | _INTEGERS | _BINARIES)


def _row(op: Any) -> tuple[Any, str, Any, int]:
    """Return (pickletools description, name, handler, bytes of the argument: 0, 1, or -1 for any other)."""
    if op.arg is None:
        width = 0
    else:
        width = 1 if op.arg.n == 1 else -1
    return op, op.name, _HANDLERS.get(op.name), width


# Indexed by the opcode's byte, since a walk takes millions of steps.
_TABLE: list[tuple[Any, str, Any, int] | None] = [
    _row(_OPCODES[chr(code)]) if chr(code) in _OPCODES else None for code in range(256)
]
