"""Walk one pickle and note the code that it names, with the inert machine of the format readers."""

from __future__ import annotations

import re
from typing import Any

from modelyard.domain.formats.opcodes import ARRAY_WRAPPER, OPAQUE, Call, Global, Machine, Persistent, Walk
from modelyard.domain.formats.ranged import Cursor, Malformed
from modelyard.domain.scanning.calls import (
    Fault,
    States,
    attribute_of,
    class_of,
    class_of_persistent,
    fault_of_call,
    fault_of_items,
    fault_of_state,
    is_getattr,
)
from modelyard.domain.scanning.globals import judge_global
from modelyard.domain.scanning.imports import can_be_imported, is_word
from modelyard.domain.scanning.verdicts import FileScan, Finding, Verdict

MAX_GLOBALS_OF_A_FILE = 5000
_COPIES = frozenset({"GET", "BINGET", "LONG_BINGET", "DUP"})
_FORKED_STEPS = 20_000
_EMBEDDED = Global("torch.storage", "_load_from_bytes")
_MEMO = rb"(\x94|q.|r....|p\d+\n)?"
# The opcodes that joblib writes after its wrapper's class, and after the empty wrapper itself.
_AFTER_WRAPPER_CLASS = re.compile(_MEMO + rb"\)\x81", re.DOTALL)
_AFTER_WRAPPER = re.compile(_MEMO + rb"\}", re.DOTALL)
_WRAPPER_NAMES = ("NumpyArrayWrapper", "NDArrayWrapper", "ZNDArrayWrapper")
_WRAPPER_KEYS = {"subclass", "shape", "order", "dtype", "allow_mmap"}
_WRAPPER_KEYS_NOW = _WRAPPER_KEYS | {"numpy_array_alignment_bytes"}
_ARRAY_CLASSES = {
    Global("numpy", "ndarray"),
    Global("numpy", "memmap"),
    Global("numpy", "matrix"),
    Global("numpy.matrixlib.defmatrix", "matrix"),
}


class Inspector(Machine):
    """Notes in `found` every global that is not allowed, and every call of anything that is not a global.

    It keeps no items of lists and only the first few of dictionaries, so that memory stays small.
    """

    keeps_items = False

    def __init__(self, cursor: Cursor, found: FileScan, inside: str = "", nesting: int = 0) -> None:
        super().__init__(cursor, Walk(), nesting)
        self.found = found
        self.inside = inside
        self.seen: dict[Global, Verdict] = {}
        self.states = States()
        self.loose_getattr = 0
        """Number of times that getattr was pushed, minus the number of its calls."""
        self.embedded: list[tuple[int, int]] = []
        """(offset, length) of bytes that a loader would read as a file of its own."""
        self.acts = 0
        """Number of times that code would run: calls, and states and items given to objects other than plain containers."""
        self.extensions = 0

    def run(self) -> None:
        """Walk up to STOP and leave the cursor after it. Raises Malformed."""
        while not self.stopped:
            self.step()
        self._check_getattr()

    def _step_counting_getattr(self) -> None:
        super().step()
        if (
            self.opcode in _COPIES
            and self.stack
            and isinstance(self.stack[-1], Global)
            and is_getattr(self.stack[-1])
        ):
            self.loose_getattr += 1

    def _check_getattr(self) -> None:
        if self.loose_getattr:
            self.note(Verdict.DANGEROUS, "it holds a function that reaches any attribute", "builtins.getattr")

    def note(self, verdict: Verdict, why: str, name: str | None = None) -> None:
        self.found.note(Finding(verdict, why, self.inside, self.opcode_at, self.opcode, name))

    # --- events of the machine ---------------------------------------------------------------------

    def note_global(self, module: Any, name: Any) -> Any:
        if isinstance(module, str) and name is OPAQUE:
            # The line is too long for a name, but the module is imported all the same.
            name = "?"
        if not isinstance(module, str) or not isinstance(name, str):
            self.note(Verdict.DANGEROUS, "it names a global by something other than plain text")
            self.seen[Global("?", "?")] = Verdict.DANGEROUS
            return Global("?", "?")
        found = Global(module, name)
        if is_getattr(found):
            self.loose_getattr += 1
            self.step = self._step_counting_getattr  # type: ignore[method-assign]
        if found not in self.seen:
            if len(self.seen) >= MAX_GLOBALS_OF_A_FILE:
                raise Malformed(f"it names more than {MAX_GLOBALS_OF_A_FILE} globals")
            if self.walk.protocol < 2 and not self.acts and not can_be_imported(module):
                raise Malformed("it names a module that cannot exist, where every unpickler stops")
            verdict, why = judge_global(module, name)
            if found == _EMBEDDED:
                # It is judged by its arguments.
                verdict = Verdict.ALLOWLISTED
            if is_getattr(found):
                # It is judged by its arguments, unless the pickle also holds it.
                verdict = Verdict.ALLOWLISTED
            self.seen[found] = verdict
            if verdict is not Verdict.ALLOWLISTED:
                self.note(verdict, why, found.path)
            else:
                self.found.allowed += 1
        if found.name.rpartition(".")[2] in _WRAPPER_NAMES:
            self._check_wrapper_class(found)
        return found

    def call(self, target: Any, arguments: Any) -> None:
        if not self._is_word(target, arguments):
            self.acts += 1
        if isinstance(target, Persistent):
            # Its global was judged when the pickle named it.
            target = class_of_persistent(target) or target
        if not isinstance(target, Global):
            self.note(Verdict.DANGEROUS, "it calls an object that it made itself")
        elif is_getattr(target):
            self._take_attribute(arguments)
            return
        elif target == _EMBEDDED:
            self._note_embedded(target, arguments)
        else:
            if target == ARRAY_WRAPPER:
                self._check_follows(_AFTER_WRAPPER)
            self._note_fault(fault_of_call(self.opcode, target, arguments, self.states), target.path)
        self.stack.append(Call(target, arguments))

    def _take_attribute(self, arguments: Any) -> None:
        self.loose_getattr -= 1
        found = attribute_of(arguments)
        if found is None:
            self.note(
                Verdict.DANGEROUS, "it reaches an attribute that no library's pickle does", "builtins.getattr"
            )
            found = OPAQUE
        self.stack.append(found)

    def _note_fault(self, fault: Fault | None, name: str | None) -> None:
        """Note a fault, if any. name: the subject of the finding, so that none is unknown without a name."""
        if fault is not None:
            self.note(*fault, name)

    # --- joblib's arrays ---------------------------------------------------------------------------

    def _check_wrapper_class(self, found: Global) -> None:
        """Note any use of the wrapper other than joblib's own, since a loader would then place the array elsewhere."""
        if found != ARRAY_WRAPPER:
            self.note(Verdict.DANGEROUS, "it names joblib's array wrapper by another name", found.path)
        elif not self._follows(_AFTER_WRAPPER_CLASS):
            self._note_wrapper()

    def _note_wrapper(self) -> None:
        why = "it uses joblib's array wrapper as joblib never does"
        self.note(Verdict.DANGEROUS, why, ARRAY_WRAPPER.path)

    def _check_follows(self, pattern: re.Pattern[bytes]) -> None:
        if self.opcode != "NEWOBJ" or not self._follows(pattern):
            self._note_wrapper()

    def _follows(self, pattern: re.Pattern[bytes]) -> bool:
        return pattern.match(self.cursor.peek(24)) is not None

    def note_again(self, value: Any) -> None:
        if self.opcode == "DUP":
            self.is_canonical = False
        if value == ARRAY_WRAPPER:
            self._check_wrapper_class(value)
        elif isinstance(value, Call) and value.target == ARRAY_WRAPPER:
            self._note_wrapper()

    def note_change(self, target: Any, values: list[Any]) -> None:
        is_plain = not any(isinstance(value, Call | Persistent) for value in values)
        if not is_plain or not self._is_word(target, *(v for v in values if isinstance(v, Global))):
            self.acts += 1
        if self.opcode != "BUILD" and isinstance(target, Call) and target.target == ARRAY_WRAPPER:
            self._note_wrapper()

    def _is_word(self, *parts: Any) -> bool:
        """Return whether the parts are words: lines of a word list may look like two globals and an opcode."""
        return self.walk.protocol < 2 and all(isinstance(g, Global) and is_word(g.module) for g in parts)

    # --- the rest ------------------------------------------------------------------------------------

    def _note_embedded(self, target: Global, arguments: Any) -> None:
        given = arguments[0] if isinstance(arguments, tuple) and len(arguments) == 1 else None
        span = getattr(given, "span", None)
        if span is None:
            self.note(Verdict.DANGEROUS, "it loads a file from bytes that cannot be followed", target.path)
        else:
            self.embedded.append(span)

    def note_build(self, made: Any, state: Any) -> None:
        self._note_fault(fault_of_state(made, state, self.states), _path_of(made))

    def note_items(self, target: Any, items: list[Any]) -> None:
        if isinstance(target, Call):
            self._note_fault(fault_of_items(target), _path_of(target))
        elif isinstance(target, dict):
            self.states.note_items(target, items)

    def note_extension(self) -> None:
        self.extensions += 1
        self.note(Verdict.DANGEROUS, "it names a global by a number of the extension registry")

    def enter(self, cursor: Cursor) -> None:
        """Walk a pickle within the stream, as joblib writes it for an array of objects."""
        inner = Inspector(cursor, self.found, self.inside, self.nesting + 1)
        inner.seen, inner.embedded, inner.states = self.seen, self.embedded, self.states
        try:
            inner.run()
        finally:
            self.acts += inner.acts
            self.is_canonical &= inner.is_canonical

    def check_array(self, state: dict[str, Any]) -> None:
        """Check that an array's bytes do not continue the pickle: loaders other than joblib's read them as opcodes."""
        if set(state) not in (_WRAPPER_KEYS, _WRAPPER_KEYS_NOW) or state["subclass"] not in _ARRAY_CLASSES:
            raise Malformed("a joblib array is described as joblib never does")
        if state.get("numpy_array_alignment_bytes") is not None:
            padding = self.cursor.peek(1)
            if not padding or padding[0] > 0x10:
                raise Malformed("a joblib array is padded as joblib never does")
            return
        fork = Inspector(self.cursor.fork(), FileScan(), self.inside, self.nesting)
        fork.stack, fork.memo, fork.states = list(self.stack), dict(self.memo), self.states
        try:
            for _ in range(_FORKED_STEPS):
                fork.step()
                if fork.stopped:
                    break
        except Malformed:
            if not fork.seen and not fork.extensions:
                return
        raise Malformed("the bytes of a joblib array can be read as a continuation of the pickle")


def _path_of(made: Any) -> str | None:
    found = made if isinstance(made, Global) else class_of(made)
    return None if found is None else found.path
