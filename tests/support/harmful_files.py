"""Files that run code when a real loader reads them, made by code. All that any of them does is to make a file RAN.

`run_all` proves it: a child process loads each one in a folder of its own, as a user would.
"""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import io
import json
import lzma
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.libraries import library

_COMMAND = "touch RAN"
_CODE = "open('RAN','w')"


@dataclass(frozen=True)
class Harmful:
    name: str
    loader: str
    """One of the loaders in harmful_loaders.py."""
    data: bytes


class Runs:
    """Pickles to a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function = function
        self.arguments = arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


EVIL = b"cposix\nsystem\n(S'touch RAN'\ntR."
_SHORT = b"\x8c\x05posix\x94\x8c\x06system\x94\x93\x8c\x09touch RAN\x85R."


@cache
def harmful_files() -> list[Harmful]:
    groups = (
        _plain(),
        _spelled(),
        _faulty(),
        _compressed(),
        _numpy(),
        _archives(),
        _joblib(),
        _torch(),
        _keras(),
    )
    files = [file for group in groups for file in group]
    assert len({file.name for file in files}) == len(files)
    return files


# --- pickles -------------------------------------------------------------------------------------------


def _plain() -> list[Harmful]:
    """Each protocol, each function that runs what it is given, each loader of plain pickles."""
    code = "import os; os.system('touch RAN')"
    functions: dict[str, tuple[str, str, tuple[Any, ...]]] = {
        "posix.system": ("posix", "system", (_COMMAND,)),
        "os.system": ("os", "system", (_COMMAND,)),
        "eval": ("builtins", "eval", (_CODE,)),
        "exec": ("builtins", "exec", (_CODE,)),
        "open": ("builtins", "open", ("RAN", "w")),
        "getoutput": ("subprocess", "getoutput", (_COMMAND,)),
        "run": ("subprocess", "run", (["touch", "RAN"],)),
        "call": ("subprocess", "call", (["touch", "RAN"],)),
        "check_output": ("subprocess", "check_output", (["touch", "RAN"],)),
        "commands": ("commands", "getoutput", (_COMMAND,)),
        "timeit": ("timeit", "timeit", (code, "pass", time.perf_counter, 1)),
        "profile": ("cProfile", "run", (code,)),
        "old builtins": ("__builtin__", "eval", (_CODE,)),
        "old operator": ("_io", "open", ("RAN", "w")),
        "mkdir": ("os", "mkdir", ("RAN",)),
        "makedirs": ("os", "makedirs", ("RAN",)),
        "copyfile": ("shutil", "copyfile", ("/dev/null", "RAN")),
    }
    files = []
    for name, (module, function, arguments) in functions.items():
        body = b"".join(_value(argument) for argument in arguments)
        data = f"c{module}\n{function}\n(".encode() + body + b"tR."
        files.append(Harmful(f"pickle of {name}", "pickle", data))
    for protocol in range(6):
        data = pickle.dumps(Runs(os.system, _COMMAND), protocol)
        nested = pickle.dumps({"weights": [1.5] * 50, "model": Runs(os.system, _COMMAND)}, protocol)
        loaders = ("pickle", "pickle in Python", "joblib", "numpy")
        files += [Harmful(f"protocol {protocol} by {loader}", loader, data) for loader in loaders]
        files.append(Harmful(f"protocol {protocol}, among data", "pickle", nested))
    return files


def _value(value: Any) -> bytes:
    return pickle.dumps(value, 0)[:-1].replace(b"p0\n", b"").replace(b"p1\n", b"").replace(b"p2\n", b"")


def _spelled() -> list[Harmful]:
    """The same call by other opcodes, escapes, memo entries and numbers."""
    argument = b"(S'touch RAN'\nt"
    spelled = {
        "UNICODE argument": b"cposix\nsystem\n(Vtouch RAN\ntR.",
        "STACK_GLOBAL": _SHORT,
        "STACK_GLOBAL of BINUNICODE": b"X\x05\0\0\0posixX\x06\0\0\0system\x93" + argument + b"R.",
        "STACK_GLOBAL of BINUNICODE8": b"\x8d\x05" + bytes(7) + b"posix\x8d\x06" + bytes(7) + b"system\x93" + argument + b"R.",
        "STACK_GLOBAL of SHORT_BINSTRING": b"U\x05posixU\x06system\x93" + argument + b"R.",
        "STACK_GLOBAL of BINSTRING": b"T\x05\0\0\0posixT\x06\0\0\0system\x93" + argument + b"R.",
        "STACK_GLOBAL from the memo": b"\x8c\x05posix\x940\x8c\x06system\x940h\x00h\x01\x93" + argument + b"R.",
        "STACK_GLOBAL from text memo": b"Vposix\np7\n0Vsystem\np8\n0g7\ng8\n\x93" + argument + b"R.",
        "STACK_GLOBAL from a long memo": b"\x8c\x05posixr\x10\x27\0\0\x8c\x06system\x93" + argument + b"R.",
        "STACK_GLOBAL by DUP": b"\x8c\x05posix2\x8c\x06system\x93" + argument + b"R.",
        "STRING with escapes": b"S'po\\x73ix'\nS'\\163ystem'\n\x93" + argument + b"R.",
        "STRING in double quotes": b'S"posix"\nS"system"\n\x93' + argument + b"R.",
        "UNICODE with escapes": b"V\\u0070osix\nV\\U00000073ystem\n\x93" + argument + b"R.",
        "dotted name": b"\x80\x04\x8c\x02os\x8c\x0epath.os.system\x93" + argument + b"R.",
        "INST": b"(S'touch RAN'\niposix\nsystem\n.",
        "OBJ": b"(cposix\nsystem\nS'touch RAN'\no.",
        "protocol said twice": b"\x80\x02\x80\x00" + EVIL,
        "in a frame": b"\x80\x04\x95" + struct.pack("<Q", len(_SHORT)) + _SHORT,
        "hexadecimal INT": b"I0x1\n0" + EVIL,
        "INT with a blank": b"I 1\n0" + EVIL,
        "INT as C reads it": b"I1\0junk\n0" + EVIL,
        "INT of a zero byte": b"I\0\n0" + EVIL,
        "INT with underscores": b"I1_0\n0" + EVIL,
        "LONG with a sign": b"L+1L\n0" + EVIL,
        "LONG as C reads it": b"L1\0x\n0" + EVIL,
        "FLOAT as C reads it": b"F1\0x\n0" + EVIL,
        "FLOAT of nan": b"Fnan\n0" + EVIL,
        "LONG4": b"\x8b\x02\0\0\0\x01\x020" + EVIL,
        "many steps first": b"N0" * 1100 + EVIL,
        "many more steps first": b"N0" * 40_000 + EVIL,
        "a long text first": b"X" + struct.pack("<I", 9000) + b"a" * 9000 + b"0" + EVIL,
        "a long line first": b"V" + b"a" * 9000 + b"\n0" + EVIL,
        "marks and tuples first": b"((lt0(d0]}00" + EVIL,
        "called through partial": b"cfunctools\npartial\n(cposix\nsystem\nS'touch RAN'\ntR)R.",
        "called through map": b"cbuiltins\nlist\n(cbuiltins\nmap\n(cposix\nsystem\n(S'touch RAN'\nltRtR.",
        "called through reduce": b"cfunctools\nreduce\n(cbuiltins\neval\n(S\"open('RAN','w')\"\nNltR.",
        "called through getattr": b"cbuiltins\ngetattr\n(cimportlib\nimport_module\n(S'os'\ntRS'system'\ntR" + argument + b"R.",
        "called through apply": b"coperator\ncall\n(cposix\nsystem\nS'touch RAN'\ntR.",
        "called through methodcaller": b"coperator\nmethodcaller\n(S'system'\nS'touch RAN'\ntR(cimportlib\nimport_module\n(S'os'\ntRtR.",
        "called through a key function": b"cbuiltins\nsorted\n((S'touch RAN'\nltR0cbuiltins\nmax\n((S'touch RAN'\nltR0" + EVIL,
    }  # fmt: skip
    return [Harmful(f"pickle: {name}", "pickle", data) for name, data in spelled.items()]


def _faulty() -> list[Harmful]:
    """A loader stops at its first fault, and everything before it has run."""
    ends = {
        "without STOP": EVIL[:-1],
        "a byte that is no opcode behind": EVIL[:-1] + b"\xff",
        "an empty stack behind": EVIL[:-1] + b"000000.",
        "a missing memo entry behind": EVIL[:-1] + b"g99\n.",
        "an unknown extension behind": EVIL[:-1] + b"\x82\x01.",
        "an unknown protocol behind": EVIL[:-1] + b"\x80\x63.",
        "text behind": EVIL + b"and some words\n",
        "zeros behind": EVIL + bytes(2000),
        "text before and behind": b"Vname,age\n0Vx,1\n0" + EVIL + b"more,2\n",
        "a broken text behind": EVIL[:-1] + b"X\x02\0\0\0\xff\xff.",
    }
    files = []
    for name, data in ends.items():
        loaders = ("pickle", "pickle in Python", "joblib")
        files += [Harmful(f"{name}, by {loader}", loader, data) for loader in loaders]
    for loader in ("pickle in Python", "joblib"):
        cut = b"(S'touch RAN'\niposix\nsystem?"
        files.append(Harmful(f"the last line has no newline, by {loader}", loader, cut))
    return files


# --- compressed ----------------------------------------------------------------------------------------


def _alone(data: bytes, **options: Any) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, **options}]
    return lzma.compress(data, format=lzma.FORMAT_ALONE, filters=filters)


def _compressed() -> list[Harmful]:
    some = bytes(range(256)) * 200 + os.urandom(30_000)
    long = EVIL + some
    odd_dictionary = bytearray(_alone(EVIL))
    odd_dictionary[1:5] = struct.pack("<I", 0xC000)
    odd_dictionary[5:13] = b"\xff" * 8 if odd_dictionary[5:13] == b"\xff" * 8 else odd_dictionary[5:13]
    packed = {
        "gzip": gzip.compress(EVIL),
        "gzip, cut": gzip.compress(long)[:-9000],
        "bz2": bz2.compress(EVIL),
        "bz2, others behind": bz2.compress(EVIL) + b"more",
        "xz": lzma.compress(EVIL),
        "xz without a check": lzma.compress(EVIL, check=lzma.CHECK_NONE),
        "lzma": _alone(EVIL),
        "lzma with an odd dictionary": bytes(odd_dictionary),
        "zlib": zlib.compress(EVIL),
        "zlib, cut": zlib.compress(long)[:-9000],
        "zlib, level 0": zlib.compress(EVIL, 0),
    }
    files = [Harmful(f"joblib of {name}", "joblib", data) for name, data in packed.items()]
    for suffix, data in {"gz": packed["gzip"], "bz2": packed["bz2"], "xz": packed["xz"]}.items():
        files.append(Harmful(f"pandas of .{suffix}", f"pandas {suffix}", data))
    files += [
        Harmful("gzip.open of a cut file", "gzip", packed["gzip, cut"]),
        Harmful("gzip.open of two members", "gzip", gzip.compress(EVIL[:9]) + gzip.compress(long[9:])),
        Harmful("gzip.open with others behind", "gzip", gzip.compress(long) + b"more"),
        Harmful("gzip.open with a wrong checksum", "gzip", gzip.compress(long)[:-8] + bytes(8)),
        Harmful("lzma.open of a cut xz", "lzma", lzma.compress(EVIL + some * 20)[:-9000]),
        Harmful("lzma.open of a cut LZMA alone", "lzma", _alone(EVIL + some * 20)[:-9000]),
        Harmful("lzma.open of LZMA alone", "lzma", packed["lzma"]),
        Harmful("lzma.open of LZMA alone with other properties", "lzma", _alone(EVIL, lc=0, lp=0, pb=0)),
        Harmful("lzma.open of LZMA alone with more properties", "lzma", _alone(EVIL, lc=1, lp=2, pb=1)),
        Harmful("zlib with a small window", "zlib", _small_window(EVIL)),
        Harmful("joblib's old format", "joblib", b"ZF" + hex(len(EVIL)).encode().ljust(19) + packed["zlib"]),
    ]
    return files


def _small_window(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=10)
    return packer.compress(data) + packer.flush()


# --- NumPy ---------------------------------------------------------------------------------------------


def npy(descr: str, payload: bytes, version: int = 1, shape: str = "(1,)") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header = header.ljust(117) + b"\n"
    width = "<H" if version == 1 else "<I"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(width, len(header)) + header + payload


def _numpy() -> list[Harmful]:
    files = [
        Harmful(f"npy of {descr}", "numpy", npy(descr, EVIL))
        for descr in ("'|O'", "'O'", "'object'", "'O8'", "[('a', '|O')]", "[('a', ('|O', (1,)))]", "[('a', '<f8'), ('b', 'O')]", "[('a', [('b', '|O', (2,))])]", "('|O', (2,))", "[(('title', 'a'), '|O')]")
    ]  # fmt: skip
    files += [Harmful(f"npy, version {n}", "numpy", npy("'|O'", EVIL, n)) for n in (2, 3)]
    files.append(Harmful("npy of numbers of Python 2", "numpy", npy("'|O'", EVIL, shape="(1L,)")))
    files.append(Harmful("npy of a faulty pickle", "numpy", npy("'|O'", EVIL[:-1] + b"\xff")))
    inner = npy("'|O'", EVIL)
    files += [
        Harmful("npz", "npz", _zip({"a.npy": inner})),
        Harmful("npz, deflated", "npz", _zip({"a.npy": inner}, zipfile.ZIP_DEFLATED)),
        Harmful("npz by bz2", "npz", _zip({"a.npy": inner}, zipfile.ZIP_BZIP2)),
        Harmful("npz by LZMA", "npz", _zip({"a.npy": inner}, zipfile.ZIP_LZMA)),
        Harmful(
            "npz that counts less", "npz", _counts_less(_zip({"b.npy": npy("'<f8'", bytes(8)), "a.npy": inner}))
        ),
        Harmful("npz with a member twice", "npz", _twice(inner)),
        Harmful("npz with a comment", "npz", _zip({"a.npy": inner})[:-2] + b"\4\0" + b"more"),
        Harmful("npz whose stream breaks later", "npz", _breaks_later(EVIL)),
        Harmful("npz with bytes between", "npz", _between(inner)),
    ]
    return files


# --- archives ------------------------------------------------------------------------------------------


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return made.getvalue()


def _counts_less(data: bytes) -> bytes:
    at = data.rfind(b"PK\5\6")
    return data[: at + 8] + struct.pack("<2H", 1, 1) + data[at + 12 :]


def _twice(inner: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        opened.writestr("b.npy", npy("'<f8'", bytes(8)))
        opened.writestr("a.npy", inner)
    return made.getvalue().replace(b"b.npy", b"a.npy")


def _between(inner: bytes) -> bytes:
    made = io.BytesIO()
    made.write(b"PK\3\4 and something else")
    with zipfile.ZipFile(made, "a") as opened:
        opened.writestr("a.npy", inner)
    return made.getvalue()


def _breaks_later(payload: bytes) -> bytes:
    data = bytearray(_zip({"a.npy": npy("'|O'", payload + os.urandom(250_000))}, zipfile.ZIP_DEFLATED))
    data[170_000:170_300] = b"\xff" * 300
    return bytes(data)


def _tar(members: dict[str, bytes], mode: str = "w", form: int = tarfile.PAX_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode, format=form) as opened:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            opened.addfile(entry, io.BytesIO(data))
    return made.getvalue()


def _archives() -> list[Harmful]:
    zips = {
        "zip": _zip({"m.pkl": EVIL}),
        "zip, deflated": _zip({"m.pkl": EVIL}, zipfile.ZIP_DEFLATED),
        "zip behind a byte": b"x" + _zip({"m.pkl": EVIL}),
        "zip behind a text": b"word list\n" * 500 + _zip({"m.pkl": EVIL}),
        "zip behind a safetensors head": struct.pack("<Q", 2) + b"{}" + _zip({"m.pkl": EVIL}),
        "zip with an odd name": _zip({"data.safetensors": EVIL}),
    }
    tars = {
        "tar": _tar({"m.pkl": EVIL}),
        "GNU tar": _tar({"m" * 150: EVIL}, form=tarfile.GNU_FORMAT),
        "pax tar": _tar({"m" * 150: EVIL}),
        "ustar": _tar({"m.pkl": EVIL}, form=tarfile.USTAR_FORMAT),
        "tar with others behind": _tar({"m.pkl": EVIL}) + b"more" * 200,
    }
    files = [Harmful(f"pandas of {name}", "pandas zip", data) for name, data in zips.items()]
    files += [Harmful(f"pandas of {name}", "pandas tar", data) for name, data in tars.items()]
    for mode, suffix in (("w:gz", "tar.gz"), ("w:bz2", "tar.bz2"), ("w:xz", "tar.xz")):
        files.append(Harmful(f"pandas of .{suffix}", f"pandas {suffix}", _tar({"m.pkl": EVIL}, mode)))
    return files


# --- joblib --------------------------------------------------------------------------------------------


def _joblib() -> list[Harmful]:
    numpy, joblib = library("numpy"), library("joblib")
    evil = Runs(os.system, _COMMAND)
    files = []
    contents = {
        "beside arrays": {"w": numpy.zeros(300), "a": evil, "v": numpy.ones(3)},
        "in an array of objects": numpy.array([1, evil], dtype=object),
    }
    for name, content in contents.items():
        for compress in (0, 3, ("bz2", 3), ("lzma", 3), ("xz", 3), ("gzip", 3)):
            made = io.BytesIO()
            joblib.dump(content, made, compress=compress)
            files.append(Harmful(f"joblib {name}, {compress}", "joblib", made.getvalue()))
    hidden = b"\x8c\x05posix\x8c\x06system\x93\x8c\x09touch RAN\x85R."
    state = _wrapper_state(len(hidden))
    classes = {
        "by copyreg._reconstructor": b"ccopyreg\n_reconstructor\n(cjoblib.numpy_pickle\nNumpyArrayWrapper\ncbuiltins\nobject\nNtR",
        "by copyreg.__newobj__": b"ccopyreg\n__newobj__\n(cjoblib.numpy_pickle\nNumpyArrayWrapper\ntR",
        "by a dotted name": b"\x8c\x06joblib\x8c\x1enumpy_pickle.NumpyArrayWrapper\x93)\x81",
    }
    for name, made_by in classes.items():
        data = b"\x80\x04" + made_by + state + b"b" + bytes(len(hidden)) + hidden
        files.append(Harmful(f"joblib's wrapper {name}", "joblib", data))
    # The frame holds the opcodes that follow; the array's bytes stand behind it.
    opcodes = (
        b"\x8c\x13joblib.numpy_pickle\x8c\x11NumpyArrayWrapper\x93)\x81" + _wrapper_state(100) + b"b0" + hidden
    )
    framed = b"\x80\x04\x95" + struct.pack("<Q", len(opcodes)) + opcodes + bytes(100)
    files.append(Harmful("joblib's wrapper in the middle of a frame", "joblib", framed))
    return files


def _wrapper_state(count: int) -> bytes:
    """A description of `count` bytes, as a dictionary on the stack."""
    dtype = b"cnumpy\ndtype\n\x8c\x02u1\x89\x88\x87R"
    shape = b"J" + struct.pack("<i", count) + b"\x85"
    return (
        b"}(\x8c\x08subclasscnumpy\nndarray\n\x8c\x05shape" + shape + b"\x8c\x05order\x8c\x01C\x8c\x05dtype" + dtype
        + b"\x8c\x0aallow_mmap\x89u"
    )  # fmt: skip


# --- torch ---------------------------------------------------------------------------------------------


def _torch() -> list[Harmful]:
    torch = library("torch")
    evil = Runs(os.system, _COMMAND)
    files = []
    for new in (True, False):
        for protocol in (2, 3, 4):
            made = io.BytesIO()
            content = {"w": torch.zeros(3), "a": evil}
            torch.save(content, made, pickle_protocol=protocol, _use_new_zipfile_serialization=new)
            kind = "zip" if new else "old"
            files.append(Harmful(f"torch {kind}, protocol {protocol}", "torch", made.getvalue()))
    made = io.BytesIO()
    torch.save({"w": torch.zeros(3)}, made)
    entries = {i.filename: zipfile.ZipFile(made).read(i) for i in zipfile.ZipFile(made).infolist()}
    name = next(n for n in entries if n.endswith("data.pkl"))
    for words, data in {
        "protocol 0": EVIL,
        "many steps first": b"N0" * 1100 + EVIL,
        "faulty": EVIL[:-1],
    }.items():
        files.append(Harmful(f"torch zip, {words}", "torch", _zip({**entries, name: data})))
    parts = [
        pickle.dumps(0x1950A86A20F9469CFC6C, 2),
        pickle.dumps(1001, 2),
        pickle.dumps({"little_endian": True}, 2),
    ]
    whole = [*parts, pickle.dumps({}, 2), pickle.dumps([], 2)]
    for at, words in enumerate(("magic", "protocol", "system", "object", "keys")):
        data = b"".join([*whole[:at], EVIL])
        files.append(Harmful(f"torch old, in its {words}", "torch", data))
    inner = io.BytesIO()
    torch.save({"a": evil}, inner)
    loads = pickle.dumps(Runs(torch.storage._load_from_bytes, inner.getvalue()))
    # Newer releases refuse the inner file by default; older ones run it.
    files.append(Harmful("torch inside of a pickle", "pickle, torch of old", loads))
    stored = pickle.dumps(1, 2) + pickle.dumps(("k", "cpu", torch.FloatStorage), 2)
    storages = stored + struct.pack("<q", 2) + bytes(8) + EVIL
    tensors, last = pickle.dumps(0, 2), pickle.dumps({}, 2)
    first = {"storages": storages, "tensors": tensors, "pickle": last}
    files.append(Harmful("torch tar, behind numbers", "torch file", _tar(first)))
    plain = {"storages": pickle.dumps(0, 2) + pickle.dumps([], 2), "tensors": tensors, "pickle": last}
    files += [
        Harmful(f"torch tar, in its {member}", "torch file", _tar({**plain, member: EVIL})) for member in plain
    ]
    return files


# --- Keras ---------------------------------------------------------------------------------------------


def _keras() -> list[Harmful]:
    if importlib.util.find_spec("keras") is None:
        return []
    h5py = library("h5py")
    source = Path(__file__).with_name("keras_models.py")
    environment = {**os.environ, "KERAS_BACKEND": "torch", "CUDA_VISIBLE_DEVICES": ""}
    output = subprocess.run([sys.executable, str(source)], env=environment, check=True, capture_output=True)
    made: dict[str, str] = json.loads(output.stdout.splitlines()[-1])
    zipped, old = bytes.fromhex(made["keras"]), bytes.fromhex(made["h5"])
    files = [Harmful("Keras", "keras keras", zipped), Harmful("Keras, HDF5", "keras h5", old)]
    texts = {
        "escaped class": ('"Lambda"', '"\\u004cambda"'),
        "escaped function": ('"__lambda__"', '"__\\u006cambda__"'),
        "another class before": ('"class_name": "Lambda"', '"class_name": "Dense", "class_name": "Lambda"'),
        "blanks": ('"class_name": "Lambda"', '"class_name"  :\\n"Lambda"'.replace("\\n", "\n")),
        "escaped key": ('"class_name": "Lambda"', '"class\\u005fname": "Lambda"'),
    }
    for name, (before, after) in texts.items():
        files.append(Harmful(f"Keras, {name}", "keras keras", _with_config(zipped, before, after)))
    files.append(Harmful("Keras behind other bytes", "keras keras", b"some words " + zipped))
    with io.BytesIO(old) as file:
        with h5py.File(file, "r+") as opened:
            config = opened.attrs["model_config"]
            text = config if isinstance(config, str) else config.decode()
            opened.attrs["model_config"] = text.replace('"Lambda"', '"Lambd\\u0061"')
        files.append(Harmful("Keras, HDF5, escaped class", "keras h5", file.getvalue()))
    with io.BytesIO(old) as file:
        with h5py.File(file, "r+") as opened:
            opened.attrs["model_config"] = text.replace('"class_name": "Lambda"', '"class_name" : "Lambda"')
        files.append(Harmful("Keras, HDF5, a blank", "keras h5", file.getvalue()))
    return files


def _with_config(data: bytes, before: str, after: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        entries = {i.filename: opened.read(i) for i in opened.infolist()}
    text = entries["config.json"].decode()
    assert before in text
    return _zip({**entries, "config.json": text.replace(before, after).encode()})


# --- proof ---------------------------------------------------------------------------------------------


def run_all(files: list[Harmful], folder: Path) -> dict[str, str]:
    """Load each one in a child process; returns "ran", "did not run" or "no loader" by name."""
    listed = []
    for number, file in enumerate(files):
        path = folder / f"{number}.bin"
        path.write_bytes(file.data)
        listed.append([file.name, file.loader, str(path)])
    (folder / "list.json").write_text(json.dumps(listed))
    program = Path(__file__).with_name("harmful_loaders.py")
    environment = {**os.environ, "KERAS_BACKEND": "torch", "CUDA_VISIBLE_DEVICES": ""}
    output = subprocess.run(
        [sys.executable, str(program), str(folder)], env=environment, check=True, capture_output=True, text=True
    )
    found: dict[str, str] = json.loads(output.stdout.splitlines()[-1])
    return found
