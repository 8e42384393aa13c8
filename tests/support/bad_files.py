"""Files that run code when they are loaded, by the tricks that are known, and files that only look like it.

Nothing here is ever loaded by a test.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import os
import pickle
import tarfile
import timeit
import zipfile
import zlib
from functools import cache

from tests.support.harmful_files import Runs
from tests.support.libraries import library


def trap(protocol: int = 4) -> bytes:
    return pickle.dumps(Runs(os.system, "echo trapped"), protocol=protocol)


def zipped(data: bytes, name: str = "notes.txt", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as opened:
        opened.writestr(name, data)
    return made.getvalue()


def tarred(data: bytes, mode: str = "w") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as opened:
        entry = tarfile.TarInfo("notes.txt")
        entry.size = len(data)
        opened.addfile(entry, io.BytesIO(data))
    return made.getvalue()


def _patched(data: bytes, *, checksum: bool = False, encrypted: bool = False) -> bytes:
    changed = bytearray(data)
    at = changed.index(b"PK\1\2")
    if checksum:
        changed[14:18] = b"\0\0\0\0"
        changed[at + 16 : at + 20] = b"\0\0\0\0"
    if encrypted:
        changed[6] |= 1
        changed[at + 8] |= 1
    return bytes(changed)


@cache
def traps() -> dict[str, bytes]:
    """The plain ones, and those hidden by what the standard library offers."""
    evil = trap()
    stored = zipped(evil, method=zipfile.ZIP_STORED)
    return {
        **{f"protocol {n}": trap(n) for n in range(6)},
        "eval": pickle.dumps(Runs(eval, "1 + 1")),
        "exec": pickle.dumps(Runs(exec, "pass")),
        "getattr": pickle.dumps(Runs(getattr, "text", "upper")),
        "import": pickle.dumps(Runs(importlib.import_module, "os")),
        "timeit": pickle.dumps(Runs(timeit.timeit, "1")),
        "open": pickle.dumps(Runs(open, "/dev/null")),
        "after another pickle": pickle.dumps([1, 2]) + evil,
        "after another pickle, without magic": pickle.dumps([1, 2]) + trap(0),
        "broken tail": evil[:-1],
        "broken tail, protocol 0": trap(0)[:-1],
        "garbage behind": evil + b"\xff" * 10,
        "gzip": gzip.compress(evil),
        "gzip twice": gzip.compress(gzip.compress(evil)),
        "gzip in two members": gzip.compress(evil[:10]) + gzip.compress(evil[10:]),
        "gzip, cut": gzip.compress(evil + os.urandom(2000))[:-500],
        "bz2": bz2.compress(evil),
        "xz": lzma.compress(evil),
        "lzma": lzma.compress(evil, format=lzma.FORMAT_ALONE),
        "zlib": zlib.compress(evil),
        "zip": zipped(evil),
        "zip in a zip": zipped(zipped(evil)),
        "zip, stored": stored,
        "zip by bz2": zipped(evil, method=zipfile.ZIP_BZIP2),
        "zip by lzma": zipped(evil, method=zipfile.ZIP_LZMA),
        "zip behind other bytes": b"PK\x03\x04 and more" + stored,
        "zip with a wrong checksum": _patched(stored, checksum=True),
        "zip marked as encrypted": _patched(stored, encrypted=True),
        "tar": tarred(evil),
        "tar.gz": tarred(evil, "w:gz"),
        "escaped STRING": b"\x80\x04S'o\\x73'\nS'syst\\x65m'\n\x93S'id'\n\x85R.",
        "escaped UNICODE": b"\x80\x04V\\u006fs\nV\\u0073ystem\n\x93S'id'\n\x85R.",
        "INST": b"(S'id'\nios\nsystem\n.",
        "OBJ": b"(cos\nsystem\nS'id'\no.",
        "names from the memo": b"\x80\x04\x8c\x02os\x940\x8c\x06system\x940h\x00h\x01\x93\x8c\x02id\x85R.",
        "old name": b"c__builtin__\neval\n(S'1'\ntR.",
        "extension registry": b"\x80\x02\x82\x01)R.",
        "through a module": b"\x80\x04\x8c\x05numpy\x8c\x0btesting.sys\x93)R.",
        "changes a class": b"\x80\x04csklearn.base\nBaseEstimator\n}\x8c\x03abccbuiltins\nlist\nsb.",
        "calls what it made": b"\x80\x04cfunctools\npartial\ncbuiltins\nlist\n\x85R)R.",
        "Keras Lambda": zipped(b'{"layers": [{"class_name": "Lambda"}]}', "config.json"),
    }


@cache
def library_traps() -> dict[str, bytes]:
    """Those in the files of NumPy, joblib and torch."""
    numpy, joblib, torch = library("numpy"), library("joblib"), library("torch")
    evil = Runs(os.system, "echo trapped")
    objects = numpy.array([1, evil], dtype=object)
    found = {}
    for name, write in {
        "npy": lambda file: numpy.save(file, objects, allow_pickle=True),
        "npz": lambda file: numpy.savez(file, a=objects),
        "npz, compressed": lambda file: numpy.savez_compressed(file, a=objects),
        "joblib": lambda file: joblib.dump({"w": numpy.zeros(300), "a": evil}, file),
        "joblib, compressed": lambda file: joblib.dump({"w": numpy.zeros(300), "a": evil}, file, compress=3),
        "joblib, array of objects": lambda file: joblib.dump(objects, file),
        "torch": lambda file: torch.save({"w": torch.zeros(3), "a": evil}, file),
        "torch, old": lambda file: torch.save({"a": evil}, file, _use_new_zipfile_serialization=False),
    }.items():
        made = io.BytesIO()
        write(made)
        found[name] = made.getvalue()
    found["torch inside of a pickle"] = pickle.dumps(Runs(torch.storage._load_from_bytes, found["torch"]))
    found["torch.load"] = pickle.dumps(Runs(torch.load, "x"))
    found["numpy.load"] = pickle.dumps(Runs(numpy.load, "x"))
    found["joblib.load"] = pickle.dumps(Runs(joblib.load, "x"))
    return found


HARMLESS: dict[str, bytes] = {
    "empty": b"",
    "global named by numbers, where every unpickler stops": b"\x80\x04K\x01K\x02\x93)R.",
    "words": b"# hello\nworld",
    "JSON": b'{"a": 1}',
    "vocabulary": b"cat\ndog\nhouse\nthe\n",
    "vocabulary 2": b"config\nvalue\nRust.\n",
    "numbers": b"1.5\n2.5\n",
    "table": b"a,b\n1,2\n",
    "Python": b"import os\nos.system('x')\n",
    "Python 2": b"from x import y\n(c)\n",
    "class": b"class Foo:\n  pass\n",
    "one letter": b"N",
    "sentence": b"I am a text.\nYes",
    "begins like zlib": b"x y z is a text\n",
    "zeros": bytes(5000),
    "plain values": pickle.dumps({"a": [1, 2.5, "x", None, (True, b"y")]}),
    "zipped words": zipped(b"cat\ndog\n"),
    "tarred words": tarred(b"cat\ndog\n"),
}
