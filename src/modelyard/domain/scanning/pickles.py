"""One pickle, walked for the code that it names. Builds on the inert machine of the format readers."""

from __future__ import annotations

import re
from typing import Any

from modelyard.domain.formats.opcodes import OPAQUE, Call, Global, Machine, Persistent, Walk
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
from modelyard.domain.scanning.verdicts import FileScan, Finding, Verdict

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,200}\Z")
MAX_GLOBALS_OF_A_FILE = 5000
_COPIES = frozenset({"GET", "BINGET", "LONG_BINGET", "DUP"})
_FORKED_STEPS = 20_000
_EMBEDDED = Global("torch.storage", "_load_from_bytes")


def looks_like_name(found: Global) -> bool:
    """Of bytes that may be anything: whether this would be a name that somebody wrote."""
    return _PLAIN_NAME.match(found.module) is not None and _PLAIN_NAME.match(found.name) is not None


class Inspector(Machine):
    """Notes in `found` every global that is not allowed, and every call of what is no global.

    Keeps no contents of lists, and of dictionaries the first few, so that memory stays small.
    """

    keeps_items = False

    def __init__(self, cursor: Cursor, found: FileScan, inside: str = "", nesting: int = 0) -> None:
        super().__init__(cursor, Walk(), nesting)
        self.found = found
        self.inside = inside
        self.seen: dict[Global, Verdict] = {}
        self.states = States()
        self.loose_getattr = 0
        """How often getattr was put on the stack, less how often it was called."""
        self.embedded: list[tuple[int, int]] = []
        """(offset, length) of bytes that a loader would read as a file of its own."""
        self.calls = 0

    def run(self) -> None:
        """Up to STOP; the cursor stands after it. Raises Malformed."""
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

    # --- what the machine tells --------------------------------------------------------------------

    def note_global(self, module: Any, name: Any) -> Any:
        if not isinstance(module, str) or not isinstance(name, str):
            self.note(Verdict.DANGEROUS, "it names a global by something that is no plain text")
            return Global("?", "?")
        found = Global(module, name)
        if is_getattr(found):
            self.loose_getattr += 1
            self.step = self._step_counting_getattr  # type: ignore[method-assign]
        if found not in self.seen:
            if len(self.seen) >= MAX_GLOBALS_OF_A_FILE:
                raise Malformed(f"it names more than {MAX_GLOBALS_OF_A_FILE} globals")
            verdict, why = judge_global(module, name)
            if found == _EMBEDDED:
                # Judged by what it is given.
                verdict = Verdict.ALLOWLISTED
            if is_getattr(found):
                # Judged by what it is given, as long as nothing holds it.
                verdict = Verdict.ALLOWLISTED
            self.seen[found] = verdict
            if verdict is not Verdict.ALLOWLISTED:
                self.note(verdict, why, found.path)
            else:
                self.found.allowed += 1
        return found

    def call(self, target: Any, arguments: Any) -> None:
        self.calls += 1
        if isinstance(target, Persistent):
            # Its global was judged when it was named.
            target = class_of_persistent(target) or target
        if not isinstance(target, Global):
            self.note(Verdict.DANGEROUS, "it calls what it made itself")
        elif is_getattr(target):
            self._take_attribute(arguments)
            return
        elif target == _EMBEDDED:
            self._note_embedded(target, arguments)
        else:
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
        """name: what a finding is about, so that none is unknown without one."""
        if fault is not None:
            self.note(*fault, name)

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
        self.note(Verdict.DANGEROUS, "it names a global by a number of the extension registry")

    def enter(self, cursor: Cursor) -> None:
        """A pickle within the stream, as joblib writes for an array of objects."""
        inner = Inspector(cursor, self.found, self.inside, self.nesting + 1)
        inner.seen, inner.embedded, inner.states = self.seen, self.embedded, self.states
        inner.run()
        self.calls += inner.calls

    def check_array(self, state: dict[str, Any]) -> None:
        """A loader that is not joblib's reads an array's bytes as opcodes: they must not go on as such."""
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
            if not any(looks_like_name(found) for found in fork.seen):
                return
        raise Malformed("the bytes of a joblib array can be read as a pickle that goes on")


def _path_of(made: Any) -> str | None:
    found = made if isinstance(made, Global) else class_of(made)
    return None if found is None else found.path
