"""Scan torch's oldest format, a tar of `storages`, `tensors` and `pickle`, in the way that torch reads it.

The first two hold raw numbers between their pickles; torch unpickles again after each stretch of numbers.
Source: torch/serialization.py, legacy_load.
"""

from __future__ import annotations

from modelyard.domain.formats.opcodes import Global
from modelyard.domain.formats.ranged import Cursor, Malformed, OverBudget, Source
from modelyard.domain.scanning.context import Scan
from modelyard.domain.scanning.pickles import Inspector
from modelyard.domain.scanning.verdicts import Verdict

_ELEMENT_BYTES = {
    "DoubleStorage": 8, "FloatStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2, "LongStorage": 8,
    "IntStorage": 4, "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1,
}  # fmt: skip
_MAX_PARTS = 100_000


def check_legacy_torch(scan: Scan, source: Source, inside: str, depth: int, name: str) -> bool:
    """Return whether a tar's member looks like one of torch's and was walked. The caller scans any other as a file."""
    if name.removeprefix("./") not in ("storages", "tensors"):
        return False
    walk = _Walk(scan, source, inside)
    try:
        count = walk.next()
        if type(count) is not int or not 0 <= count <= _MAX_PARTS:
            raise Malformed("it does not begin with a count")
        for _ in range(count):
            walk.skip_numbers(walk.next(), is_storage="storages" in name)
        if "storages" in name:
            walk.next()
        if walk.cursor.position != source.size_bytes:
            raise Malformed("bytes follow its last part")
    except OverBudget:
        raise
    except Malformed as error:
        scan.note(Verdict.NOT_SCANNED, f"it is not a file of torch's tar format: {error}", inside)
        scan.look(source, inside, depth)
    return True


class _Walk:
    def __init__(self, scan: Scan, source: Source, inside: str) -> None:
        self.scan = scan
        self.inside = inside
        self.cursor = Cursor(source, scan.budget)

    def next(self) -> object:
        """Return the value of the next pickle."""
        inspector = Inspector(self.cursor, self.scan.found, self.inside)
        inspector.keeps_items = True
        inspector.run()
        self.scan.found.note_kind("pickle")
        if inspector.embedded:
            raise Malformed("files are kept within it")
        return inspector.stack[-1]

    def skip_numbers(self, args: object, *, is_storage: bool) -> None:
        if not isinstance(args, tuple) or len(args) != 3:
            raise Malformed("a part is not described by three values")
        if not is_storage:
            dimensions = int.from_bytes(self.cursor.read(4), "little", signed=True)
            if not 0 <= dimensions <= 64:
                raise Malformed("a tensor has no valid number of dimensions")
            self.cursor.skip(4 + 16 * dimensions + 8)
            return
        kind = args[2]
        width = _ELEMENT_BYTES.get(kind.name) if isinstance(kind, Global) and kind.root == "torch" else None
        if width is None:
            raise Malformed("a storage is of a type that is not known")
        self.cursor.skip(int.from_bytes(self.cursor.read(8), "little") * width)
