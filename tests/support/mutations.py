"""Model files, changed at random by a seed: what the differential fuzz feeds to the scan and to a real loader."""

from __future__ import annotations

import io
import pickle
import random
import struct
import tarfile
import zipfile
from collections.abc import Iterator

from tests.support import model_files
from tests.support.harmful_files import npy
from tests.support.libraries import library

_INTERESTING = (
    b"\x93", b"R", b"b", b".", b"(", b"t", b"0", b"2", b"\x94", b"h\x00", b"i", b"o", b"\x81", b"\x92", b"\x85", b"\x86", b"Q",
    b"cos\nsystem\n", b"cposix\nsystem\n", b"\x8c\x02os", b"\x8c\x06system", b"I1\n", b"I01\n", b"V\n", b"S''\n", b"N", b"}", b"]",
    b"\x80\x02", b"\x95" + bytes(8), b"e", b"a", b"s", b"u", b"P1\n", b"\x82\x01", b"F1\n", b"L1L\n", b"g0\n", b"p0\n", b"\x00", b"\xff",
)  # fmt: skip


class _Named:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("named",)


def seeds() -> dict[str, tuple[str, bytes]]:
    """(loader, bytes) by name. Each names a global that a loader calls at its end."""
    joblib, numpy, torch = library("joblib"), library("numpy"), library("torch")
    content = {"a": [1, 2.5, "x", (b"y", None, True)], "n": _Named(), "b": {"k": -70000, "t": "e" * 300}}
    found = {f"pickle {n}": ("pickle", pickle.dumps(content, n)) for n in range(6)}
    found |= {f"pickle in Python {n}": ("pickle in Python", pickle.dumps(content, n)) for n in range(6)}
    for compress in (0, 3, ("bz2", 3), ("xz", 3), ("lzma", 3)):
        made = io.BytesIO()
        arrays = {"w": numpy.arange(40.0), "n": _Named(), "v": numpy.array([1, "x"], dtype=object)}
        joblib.dump(arrays, made, compress=compress)
        found[f"joblib {compress}"] = ("joblib", made.getvalue())
    objects = npy("'|O'", pickle.dumps([_Named()], 2))
    found["npy"] = ("numpy", objects)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", method) as opened:
            opened.writestr("b.npy", npy("'<f8'", bytes(8)))
            opened.writestr("a.npy", objects)
        found[f"npz {method}"] = ("npz", made.getvalue())
        found[f"zip {method}"] = ("zip of pickles", made.getvalue().replace(b"\x93NUMPY", b"NNNNNN"))
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name in ("a.pkl", "b.pkl"):
            entry = tarfile.TarInfo(name)
            data = pickle.dumps(content, 2)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    found["tar"] = ("tar of pickles", made.getvalue())
    for new in (True, False):
        made = io.BytesIO()
        torch.save({"w": torch.zeros(3), "n": _Named()}, made, _use_new_zipfile_serialization=new)
        found[f"torch {new}"] = ("torch", made.getvalue())
    header = b'{"w":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}'
    found["safetensors"] = ("pickle in Python", struct.pack("<Q", len(header)) + header + b"cos\nname\n.")
    found["skops"] = ("zip of pickles", model_files.skops_file())
    found["words"] = ("pickle in Python", b"country\nlocale\nage\ncat\ndog\nitem\nindex\n" * 3)
    return found


def mutated(data: bytes, some: random.Random) -> bytes:
    """A few changes: bytes, opcodes put in, stretches cut, doubled or moved, numbers of containers."""
    changed = bytearray(data)
    for _ in range(some.choice((1, 1, 2, 3, 6))):
        at = some.randrange(len(changed)) if changed else 0
        kind = some.randrange(8)
        if kind == 0 and changed:
            changed[at] = some.randrange(256)
        elif kind in (1, 2):
            changed[at:at] = some.choice(_INTERESTING)
        elif kind == 3:
            opcode = some.choice(_INTERESTING)
            changed[at : at + len(opcode)] = opcode
        elif kind == 4:
            del changed[at : at + some.choice((1, 2, 4, 20))]
        elif kind == 5:
            piece = changed[at : at + some.choice((1, 3, 10, 60))]
            to = some.randrange(len(changed) + 1)
            changed[to:to] = piece
        elif kind == 6:
            del changed[at if some.randrange(4) == 0 else len(changed) :]
        elif changed:
            changed[at] = (changed[at] + some.choice((-1, 1, 128))) % 256
    return bytes(changed)


def cases(seed: int, count: int) -> Iterator[tuple[str, str, bytes]]:
    """(name, loader, bytes)."""
    some = random.Random(seed)
    kinds = list(seeds().items())
    for number in range(count):
        name, (loader, data) = kinds[number % len(kinds)]
        yield f"{name} #{number} of seed {seed}", loader, mutated(data, some)
