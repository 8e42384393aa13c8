"""Every known trick is dangerous and named; what only looks like one is not; hostile bytes end in a verdict."""

from __future__ import annotations

import io
import pickle
import pickletools
import random
import time
import zipfile

import pytest

from modelyard.domain.formats import BytesSource
from modelyard.domain.scanning import FileScan, Skim, Verdict, needs_scan, scan
from modelyard.domain.scanning.globals import judge_global
from modelyard.domain.scanning.skim import HEAD_BYTES
from tests.support import model_files
from tests.support.bad_files import HARMLESS, Runs, library_traps, trap, traps, zipped
from tests.support.libraries import library


def found_in(data: bytes) -> FileScan:
    return scan(BytesSource(data))


def sniffed(data: bytes) -> bool:
    return needs_scan(Skim.of(BytesSource(data)))


@pytest.mark.parametrize("name", sorted(traps()))
def test_a_trap_is_dangerous(name: str) -> None:
    data = traps()[name]
    assert sniffed(data)
    assert found_in(data).verdict is Verdict.DANGEROUS


def test_traps_of_libraries_are_dangerous() -> None:
    verdicts = {name: (sniffed(data), found_in(data).verdict) for name, data in library_traps().items()}
    assert verdicts == dict.fromkeys(verdicts, (True, Verdict.DANGEROUS))


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_what_only_looks_like_one_is_not(name: str) -> None:
    assert found_in(HARMLESS[name]).verdict in (Verdict.NO_CODE, Verdict.ALLOWLISTED)


def test_a_finding_names_the_file_the_opcode_and_the_global() -> None:
    (finding,) = found_in(zipped(zipped(trap(), "model.pkl"), "inner.zip")).findings
    assert (finding.inside, finding.opcode, finding.name) == (
        "inner.zip!model.pkl",
        "STACK_GLOBAL",
        "posix.system",
    )
    assert trap()[finding.offset : finding.offset + 1] == b"\x93"  # type: ignore[operator]


def test_unknown_code_is_named() -> None:
    found = found_in(b"\x80\x04cmy_corp.utils\nHelper\n)R.")
    assert (found.verdict, found.unknown) == (Verdict.UNKNOWN, ["my_corp.utils.Helper"])
    assert FileScan.from_json(found.to_json()) == found


def test_random_bytes_are_no_code() -> None:
    some = random.Random(1)
    for _ in range(500):
        assert found_in(some.randbytes(3000)).verdict is Verdict.NO_CODE


def test_models_as_their_libraries_write_them_are_allowed() -> None:
    torch, joblib, pandas = library("torch"), library("joblib"), library("pandas")
    written = {
        **{f"pickle {n}": model_files.pickle_file(n) for n in (2, 3, 4, 5)},
        **{f"joblib {c}": model_files.joblib_file(c) for c in (0, 3)},
        "pickled module": pickle.dumps(model_files.network()),
        "frame": pickle.dumps(
            pandas.DataFrame({"a": [1.5], "b": ["x"], "c": pandas.to_datetime(["2026-01-01"])})
        ),
    }
    for name, what in {"module": model_files.network(), "state": model_files.network().state_dict()}.items():
        for new in (True, False):
            made = io.BytesIO()
            torch.save(what, made, _use_new_zipfile_serialization=new)
            written[f"torch {name} {new}"] = made.getvalue()
    made = io.BytesIO()
    joblib.dump(library("numpy").array(["a", None], dtype=object), made, compress=("xz", 2))
    written["joblib of objects"] = made.getvalue()
    verdicts = {name: found_in(data).verdict for name, data in written.items()}
    assert verdicts == dict.fromkeys(written, Verdict.ALLOWLISTED)


def test_what_cannot_be_undone_is_not_scanned() -> None:
    for data in (b"\x28\xb5\x2f\xfd" + bytes(20), b"\x04\x22\x4d\x18" + bytes(20), b"PK\x03\x04" + bytes(50)):
        assert sniffed(data)
        assert found_in(data).verdict is Verdict.NOT_SCANNED


def test_nesting_and_bombs_end_soon() -> None:
    deep = trap()
    for _ in range(8):
        deep = zipped(deep)
    assert found_in(deep).verdict is Verdict.NOT_SCANNED
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("zeros", bytes(200 << 20))
    started = time.monotonic()
    assert found_in(bomb.getvalue()).verdict is Verdict.NOT_SCANNED
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("name", ["protocol 4", "zip", "tar.gz", "gzip"])
def test_no_cut_or_flip_of_a_file_raises(name: str) -> None:
    data = traps()[name]
    some = random.Random(2)
    for size in range(0, len(data), max(1, len(data) // 60)):
        found_in(data[:size])
    for _ in range(200):
        changed = bytearray(data)
        changed[some.randrange(len(data))] = some.randrange(256)
        found_in(bytes(changed))


def test_a_padded_trap_is_still_found() -> None:
    padded = pickle.dumps([list(range(1000))] * 200 + [Runs(eval, "1")])
    assert found_in(padded).verdict is Verdict.DANGEROUS


@pytest.mark.parametrize(
    ("module", "name", "verdict"),
    [
        ("collections", "OrderedDict", Verdict.ALLOWLISTED),
        ("copy_reg", "_reconstructor", Verdict.ALLOWLISTED),
        ("sklearn.linear_model._base", "LinearRegression", Verdict.ALLOWLISTED),
        ("sklearn.datasets._base", "Anything", Verdict.DANGEROUS),
        ("sklearn.externals.x", "Anything", Verdict.DANGEROUS),
        ("sklearn.utils", "os.system", Verdict.DANGEROUS),
        ("sklearn.base", "BaseEstimator.__init__", Verdict.DANGEROUS),
        ("sklearn.metrics._classification", "accuracy_score", Verdict.ALLOWLISTED),
        ("sklearn.metrics._classification", "np", Verdict.DANGEROUS),
        ("sklearn.utils.parallel", "Parallel", Verdict.DANGEROUS),
        ("numpy", "log1p", Verdict.ALLOWLISTED),
        ("numpy", "fromfile", Verdict.DANGEROUS),
        ("numpy.testing._private.utils", "runstring", Verdict.DANGEROUS),
        ("torch.nn.modules.linear", "Linear", Verdict.ALLOWLISTED),
        ("torch.hub", "load", Verdict.DANGEROUS),
        ("pandas", "read_pickle", Verdict.DANGEROUS),
        ("pandas", "HDFStore", Verdict.DANGEROUS),
        ("builtins", "eval", Verdict.DANGEROUS),
        ("builtins", "print", Verdict.DANGEROUS),
        ("functools", "reduce", Verdict.DANGEROUS),
        ("pip._internal", "main", Verdict.DANGEROUS),
        ("my_corp", "Helper", Verdict.UNKNOWN),
        ("my_corp", "os", Verdict.DANGEROUS),
        ("my_corp", "Outer.Inner", Verdict.UNKNOWN),
        ("my_corp", "Outer.__class__", Verdict.DANGEROUS),
        ("my corp", "Helper", Verdict.DANGEROUS),
        ("", "x", Verdict.DANGEROUS),
    ],
)
def test_globals(module: str, name: str, verdict: Verdict) -> None:
    assert judge_global(module, name)[0] is verdict


_HARM = b"0cposix\nsystem\n(S'x'\ntR."


def _argument(opcode: pickletools.OpcodeInfo, size: int) -> bytes:
    """Some argument that the opcode reads without a fault; size: of what it may choose."""
    text = b"a" * size
    match opcode.arg.name if opcode.arg else "":
        case "":
            return b""
        case "uint1" | "uint2" | "int4" | "uint4" | "uint8" | "float8" as name:
            return b"\0" * int(name[-1])
        case "string1" | "bytes1" | "unicodestring1" | "long1":
            return bytes([size % 256]) + b"a" * (size % 256)
        case "string4" | "bytes4" | "unicodestring4" | "long4":
            return size.to_bytes(4, "little") + text
        case "bytes8" | "unicodestring8" | "bytearray8":
            return size.to_bytes(8, "little") + text
        case "decimalnl_short" | "decimalnl_long" | "floatnl":
            # A small number however long: for PUT, the loader makes room for as many objects.
            return b"1".rjust(size, b"0") + b"\n"
        case "stringnl":
            return b"'" + text + b"'\n"
        case "stringnl_noescape_pair":
            return text + b"\n" + text + b"\n"
        case _:
            return text + b"\n"


class _Reached(Exception):
    """A loader asked for a global."""


class _Probe(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> None:
        raise _Reached(f"{module}.{name}")


def reaches_a_global(data: bytes) -> bool:
    try:
        _Probe(io.BytesIO(data)).load()
    except _Reached:
        return True
    except Exception:  # noqa: BLE001 - a loader ends here with whatever error
        return False
    return False


def test_what_lies_across_the_end_of_the_head_is_looked_into() -> None:
    """A loader goes on where the skim's head ends, whatever stands there; so the scan must too."""
    reached = set()
    for opcode in pickletools.opcodes:
        arguments = {_argument(opcode, size) for size in (1, 9)}
        for begin in (HEAD_BYTES + n for n in (-24, -9, -5, -4, -3, -2, -1, 0)):
            for argument in arguments:
                one = opcode.code.encode("latin-1") + argument
                # Few opcodes, so that the skim's budget of steps does not answer for its end.
                start = b"}(KaKbKc0V" + b"a" * (begin - 11) + b"\n"
                assert len(start) == begin
                data = start + one + _HARM
                if reaches_a_global(data):
                    reached.add(opcode.name)
                    assert sniffed(data), (opcode.name, begin, argument)
    # The others end the loader.
    assert len(reached) > 40, sorted(reached)
