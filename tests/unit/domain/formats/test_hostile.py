"""Lying headers, bombs and fuzz: facts with problems, never an exception, within the caps."""

from __future__ import annotations

import json
import struct
import time
import tracemalloc
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.domain.canonical import canonical_json
from modelyard.domain.formats import BytesSource, FormatFacts, read_facts
from modelyard.domain.formats.ranged import MIB, READ_BUDGET_BYTES
from tests.support import model_files


class MeteredSource(BytesSource):
    """Counts what is read, and can claim a size that it does not have."""

    def __init__(self, data: bytes, claimed_bytes: int | None = None) -> None:
        super().__init__(data)
        self.size_bytes = len(data) if claimed_bytes is None else claimed_bytes
        self.largest_read = 0
        self.total_read = 0

    def read(self, offset: int, length: int) -> bytes:
        assert length >= 0
        assert offset >= 0
        self.largest_read = max(self.largest_read, length)
        self.total_read += length
        return super().read(offset, length)


def read(path: str, data: bytes, claimed_bytes: int | None = None) -> tuple[FormatFacts | None, MeteredSource]:
    source = MeteredSource(data, claimed_bytes)
    started = time.perf_counter()
    facts = read_facts(path, source)
    assert time.perf_counter() - started < 20
    assert source.largest_read <= 17 * MIB
    assert source.total_read <= 2 * READ_BUDGET_BYTES
    if facts is not None:
        canonical_json(facts.to_json())
    return facts, source


def problems(path: str, data: bytes, claimed_bytes: int | None = None) -> tuple[str, ...]:
    facts, _ = read(path, data, claimed_bytes)
    assert facts is not None
    return facts.problems


def safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(start: int, end: int, shape: list[int], dtype: str = "U8") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "outside the file"),
        (b"\x01\x02", "outside the file"),
        (struct.pack("<Q", 2**63) + b"{}", "claims 9223372036854775808"),
        (safetensors({}, length=99_999_999), "claims 99999999 bytes"),
        (safetensors(b"[1]"), "does not begin"),
        (safetensors(b'{"a":'), "not valid JSON"),
        (safetensors(b"{" + b'"a":[' * 50_000), "JSON"),
        (safetensors(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"), "nested too deeply"),
        (safetensors(b'{"\xff":1}'), "not valid JSON"),
        (safetensors(b'{"a":' + b"9" * 5000 + b"}"), "not valid JSON"),
        (safetensors(b'{"a":{},"a":{}}'), "twice"),
        (safetensors({"a": 3}), "not described"),
        (safetensors({"a": tensor(0, 4, [5])}, b"1234"), "do not fit its shape"),
        (safetensors({"a": tensor(4, 0, [4])}, b"1234"), "do not fit its shape"),
        (safetensors({"a": tensor(0, 4, [2**62, 2**62])}, b"1234"), "more elements"),
        (safetensors({"a": tensor(0, 4, [-4])}, b"1234"), "not sizes"),
        (safetensors({"a": tensor(0, 1, [True])}, b"1"), "not sizes"),
        (safetensors({"a": tensor(0, 1, [1] * 100)}, b"1"), "dimensions"),
        (safetensors({"a": tensor(0, 4, [4], "X9")}, b"1234"), "unknown dtype"),
        (safetensors({"a": tensor(0, 2, [2]), "b": tensor(1, 3, [2])}, b"123"), "overlap"),
        (safetensors({"a": tensor(0, 2, [2]), "b": tensor(3, 5, [2])}, b"12345"), "gap"),
        (safetensors({"a": tensor(0, 2, [2])}, b"12345"), "belong to none"),
        (safetensors({"a": tensor(0, 2, [2])}, b"1"), "lacks 1 bytes"),
        (safetensors({"__metadata__": {"a": 3}}), "map of texts"),
    ],
)
def test_lying_safetensors(data: bytes, words: str) -> None:
    assert words in problems("m.safetensors", data)[0]


def test_a_huge_lawful_header_is_not_read() -> None:
    facts, source = read("m.safetensors", struct.pack("<Q", 90_000_000), 90_000_100)
    assert facts is not None
    assert (facts.truncated, facts.problems, source.total_read) == (("header",), (), 8)


def test_tensor_list_is_capped_but_counted() -> None:
    header = {f"t{i:05}": tensor(i, i + 1, [1]) for i in range(5000)}
    facts, _ = read("m.safetensors", safetensors(header, b"x" * 5000))
    assert facts is not None
    assert (facts.tensor_count, facts.parameters, len(facts.tensors)) == (5000, 5000, 2000)
    assert facts.truncated == ("tensors",)
    assert facts.problems == ()


def test_a_dense_header_costs_bounded_memory() -> None:
    dense = safetensors(b'{"a":[' + b"[]," * (5 * MIB) + b"[]]}")
    tracemalloc.start()
    facts, _ = read("m.safetensors", dense)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert facts is not None
    assert facts.truncated == ("stream",)
    assert peak < 64 * MIB


def gguf(tensors: int, keys: int, rest: bytes = b"", version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys) + rest


def gguf_key(name: bytes, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + value


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GGML1234", "does not begin"),
        (gguf(0, 0, version=9), "version 9"),
        (gguf(2**63, 0), "claims"),
        (gguf(0, 2**63), "claims"),
        (gguf(0, 1, struct.pack("<Q", 2**62)), "a key claims"),
        (gguf(0, 1, gguf_key(b"a", 8, struct.pack("<Q", 2**62))), "past the end"),
        (gguf(0, 1, gguf_key(b"a", 9, struct.pack("<IQ", 4, 2**62))), "past the end"),
        (gguf(0, 1, gguf_key(b"a", 9, struct.pack("<IQ", 9, 1) * 50)), "unknown type"),
        (gguf(0, 1, gguf_key(b"a", 77, b"")), "unknown type"),
        (gguf(0, 2, gguf_key(b"a", 0, b"1") * 2), "twice"),
        (gguf(0, 1, gguf_key(b"general.alignment", 4, b"\0\0\0\0")), "alignment"),
        (gguf(1, 0, struct.pack("<Q", 1) + b"w" + struct.pack("<I", 900)), "900 dimensions"),
        (gguf(1, 0, struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 64, 0, 0)), "lacks"),
        (gguf(1, 0, struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 64, 0, 7)), "not aligned"),
        (gguf(1, 0, struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 7, 8, 0)), "whole blocks"),
    ],
)
def test_lying_gguf(data: bytes, words: str) -> None:
    assert words in problems("m.gguf", data)[0]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x3a\xff\xff\xff\xff\x7f", "reaches past"),
        (b"\xff" * 20, "more than ten bytes"),
        (b"\x02\x00", "number 0"),
        (b"\x0f", "wire type 7"),
        (b"\x3a\x04\x2a\x02\x08\xff", "past"),
        (b"\x3a\x45\x2a\x43" + b"\x08\x01" * 33 + b"\x08", "past"),
        (b"\x3a\x0d\x2a\x0b\x08" + b"\xff" * 9 + b"\x01", "impossible dimension"),
        (b"\x08\x07", "no graph"),
    ],
)
def test_lying_onnx(data: bytes, words: str) -> None:
    assert words in problems("m.onnx", data)[0]


def message(number: int, content: bytes) -> bytes:
    """A protobuf byte field; contents here stay under 128 bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


def test_deep_onnx_type_is_refused() -> None:
    nested = b""
    for _ in range(12):
        nested = message(4, message(1, nested))
    data = message(7, message(11, message(1, b"x") + message(2, nested)))
    assert "nested too deeply" in problems("m.onnx", data)[0]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "past the end"),
        (b"\x80\x63.", "protocol 99"),
        (b"\x80\x04\xffx.", "not a pickle opcode"),
        (b"\x80\x04.", "empty stack"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x", "past the end"),
        (b"\x80\x04T" + struct.pack("<i", -5) + b".", "past the end"),
        (b"\x80\x02h\x05.", "memo entry 5"),
        (b"I12x\n.", "a number that is not valid"),
        (b"I12", "past the end"),
        (b"(o.", "without a class"),
        (b"N.N.", "2 bytes follow"),
        (b"PK\x03\x04" + b"\0" * 60, "no directory"),
        (b"x\x9c" + b"\xff" * 50, "stream is broken"),
        (zlib.compress(b"N." * 900)[:-7], "stream ends early"),
    ],
)
def test_lying_pickle(data: bytes, words: str) -> None:
    assert words in problems("m.pkl", data)[0]


def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    data = b"cos\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR."
    facts, _ = read("m.pkl", data)
    assert facts is not None
    assert facts.details["globals"] == ["os.system"]
    assert facts.details["class"] == "os.system"
    assert not marker.exists()


def test_a_nest_of_shared_tuples_as_a_key_costs_nothing() -> None:
    """Hashing such a key takes 2^500 steps."""
    nest = b"\x80\x04}N" + b"2\x86" * 500 + b"Ns."
    assert problems("m.pkl", nest) == ()


def test_an_endless_pickle_ends() -> None:
    facts, _ = read("m.pkl", b"\x80\x04" + b"]" * (4 * MIB))
    assert facts is not None
    assert facts.truncated == ("stream",)


def test_a_decompression_bomb_is_cut() -> None:
    bomb = zlib.compress(b"\x80\x04\x8e" + struct.pack("<Q", 100 * MIB) + bytes(100 * MIB) + b".", 6)
    tracemalloc.start()
    facts, _ = read("m.joblib", bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert facts is not None
    assert facts.truncated == ("stream",)
    assert peak < 40 * MIB


def test_a_joblib_array_that_claims_the_world() -> None:
    wrapper = (
        b"\x80\x04\x8c\x13joblib.numpy_pickle\x8c\x11NumpyArrayWrapper\x93)\x81"
        b"}(\x8c\x05shapeM\xff\xff\x8a\x06\xff\xff\xff\xff\xff\x0f\x86"
        b"\x8c\x05dtype\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02f8\x85Rub."
    )
    assert "larger than any file" in problems("m.joblib", wrapper)[0]


def zip_of(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_zip_bombs_and_lies() -> None:
    bomb = zip_of({"m/data.pkl": b"\0" * (64 * MIB)}, zipfile.ZIP_DEFLATED)
    facts, _ = read("m.pt", bomb)
    assert facts is not None
    assert facts.truncated == ("stream",)
    plain = zip_of({"m/data.pkl": b"N."}, zipfile.ZIP_DEFLATED)
    at = plain.rindex(b"PK\x01\x02") + 24
    lying = plain[:at] + struct.pack("<L", 5_000_000) + plain[at + 4 :]
    assert "does not have the size" in problems("m.pt", lying)[0]
    end = plain.rindex(b"PK\x05\x06")
    far = plain[: end + 16] + struct.pack("<L", 2**31) + plain[end + 20 :]
    assert "outside the file" in problems("m.pt", far)[0]
    many = plain[: end + 8] + struct.pack("<HH", 9000, 9000) + plain[end + 12 :]
    assert "ends early" in problems("m.pt", many)[0]


def test_skops_without_a_schema_and_with_a_broken_one() -> None:
    assert "no schema.json" in problems("m.skops", zip_of({"a": b""}))[0]
    assert "not valid JSON" in problems("m.skops", zip_of({"schema.json": b"{"}))[0]
    assert "not an object" in problems("m.skops", zip_of({"schema.json": b"[]"}))[0]


@pytest.mark.parametrize(
    ("path", "data", "words"),
    [
        ("m.ubj", b"{L" + struct.pack(">q", 7) + b"learner{" * 3, "past the end"),
        ("m.ubj", b"{L" + struct.pack(">q", 7) + b"learner[$d#L" + struct.pack(">q", 2**60), "past the end"),
        ("m.ubj", b"{L" + struct.pack(">q", 7) + b"learner" + b"[" * 500, "nested too deeply"),
        ("m.ubj", b"{L" + struct.pack(">q", 7) + b"learnerSL" + struct.pack(">q", -9), "negative"),
        ("m.json", b'{"learner": {}}', "no objective"),
        ("m.json", b'{"learner": ' + b"[" * 90_000, "nested too deeply"),
        ("m.txt", b"tree\nversion=v4\nnum_class=1\n\nTree=0\n", "lacks"),
        ("README.md", b"---\nlicense: mit\n", "no end"),
        ("config.json", b"{", "not valid JSON"),
        ("modelyard.json", b"\xff", "not valid JSON"),
        ("m.h5", b"nothing", "HDF5"),
        ("m.keras", b"nothing", "no directory"),
    ],
)
def test_other_lies(path: str, data: bytes, words: str) -> None:
    assert any(words in problem for problem in problems(path, data))


def test_texts_that_json_cannot_hold_are_cleaned() -> None:
    header = b'{"__metadata__":{"a\\ud800":"\\ud800\\u0000' + b"x" * 9000 + b'"}}'
    facts, _ = read("m.safetensors", safetensors(header))
    assert facts is not None
    metadata = facts.details["metadata"]
    assert list(metadata) == ["a?"]
    assert len(metadata["a?"]) == 500


def test_errors_of_the_source_are_not_taken_for_faults_of_the_file() -> None:
    class Broken(BytesSource):
        def read(self, offset: int, length: int) -> bytes:
            raise ConnectionError("the store does not answer")

    with pytest.raises(ConnectionError):
        read_facts("m.safetensors", Broken(b"12345678"))


def test_a_source_that_gives_less_than_its_size() -> None:
    for path, data in model_files.every_file().items():
        facts, _ = read(path, data[: len(data) // 2], claimed_bytes=len(data))
        assert facts is None or facts.problems, path


def test_every_truncation_of_a_small_file() -> None:
    for path in ("m.safetensors", "weights.onnx", "state.pt"):
        data = model_files.every_file()[path]
        for length in range(0, len(data), 7):
            facts, _ = read(path, data[:length])
            assert facts is None or facts.problems, (path, length)


PATHS = (
    "m.safetensors", "m.gguf", "m.onnx", "m.pkl", "m.joblib", "m.pt", "m.ubj", "m.json", "m.txt", "m.skops",
    "m.bin", "m.keras", "README.md", "LICENSE", "config.json", "modelyard.json",
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(path=st.sampled_from(PATHS), data=st.binary(max_size=400), head=st.sampled_from([
    b"", b"GGUF\x03\0\0\0", b"\x80\x04", b"\x3a", b"PK\x03\x04", b"{L\0\0\0\0\0\0\0\x07learner{", b"x\x9c",
    b'{"learner":', b"tree\nversion=v4\n", b"---\n", b"\x20\0\0\0\0\0\0\0{",
]))  # fmt: skip
def test_any_bytes_under_any_name(path: str, data: bytes, head: bytes) -> None:
    read(path, head + data)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_mutated_real_files(data: st.DataObject) -> None:
    files = model_files.every_file()
    path = data.draw(st.sampled_from(sorted(files)))
    content = bytearray(files[path])
    for _ in range(data.draw(st.integers(1, 4))):
        # Headers stand at the ends, so most hits go there.
        where = data.draw(st.sampled_from(["start", "end", "any"]))
        limit = min(600, len(content) - 1) if where != "any" else len(content) - 1
        at = data.draw(st.integers(0, limit))
        at = len(content) - 1 - at if where == "end" else at
        patch = data.draw(st.binary(min_size=1, max_size=9))
        content[at : at + data.draw(st.sampled_from([0, len(patch)]))] = patch
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    read(path, bytes(content))
