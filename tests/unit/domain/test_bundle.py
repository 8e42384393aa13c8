"""Every way to falsify an export, found and named without a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from modelyard.domain.bundle import (
    TILE_LEAVES,
    Report,
    bundle_header,
    proof_line,
    tile_line,
    verify_bundle,
)
from modelyard.domain.canonical import canonical_json
from modelyard.domain.checkpoint import Checkpoint, LogKey, SignedCheckpoint, parse_checkpoint, sign_line
from modelyard.domain.errors import Invalid
from modelyard.domain.merkle import Frontier, consistency_ranges, inclusion_ranges, leaf_hash, make_proof

KEY = LogKey("example.org/log", bytes(32))


def signed_by_all(_key: LogKey, _checkpoint: SignedCheckpoint) -> bool:
    return True


class Log:
    """A log in memory that exports what it holds."""

    def __init__(self, size: int) -> None:
        self.bodies = [
            canonical_json({"actor": {"id": 1, "name": "ada"}, "kind": "alias.moved", "seq": seq})
            for seq in range(size)
        ]
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.tree = Frontier()
        for body in self.bodies:
            self.nodes.update({(n.level, n.position): n.hash for n in self.tree.append(leaf_hash(body))})

    def note(self, root: bytes | None = None, origin: str = "example.org/log") -> str:
        text = Checkpoint(origin, self.tree.size, root or self.tree.root()).text()
        return f"{text}\n{sign_line(KEY, bytes(64))}"

    def whole(self) -> list[bytes]:
        lines = [bundle_header(self.note(), KEY, {}, whole=True)]
        size = len(self.bodies)
        for seq, body in enumerate(self.bodies):
            lines.append(body + b"\n")
            if seq % TILE_LEAVES == TILE_LEAVES - 1 or seq == size - 1:
                lines.append(self.tile(0, seq // TILE_LEAVES, size))
        level, size = 1, size >> 8
        while size:
            lines += [self.tile(level, index, size) for index in range((size + 255) // 256)]
            level, size = level + 1, size >> 8
        return lines

    def tile(self, level: int, index: int, size: int) -> bytes:
        entries = range(index * TILE_LEAVES, min((index + 1) * TILE_LEAVES, size))
        return tile_line(level, index, b"".join(self.nodes[8 * level, i] for i in entries))

    def filtered(self, *seqs: int, since: int | None = None) -> list[bytes]:
        size = len(self.bodies)
        consistency = None
        if since is not None:
            consistency = since, make_proof(consistency_ranges(since, size), self.nodes.__getitem__)
        lines = [bundle_header(self.note(), KEY, {"actor": "ada"}, whole=False, consistency=consistency)]
        for seq in seqs:
            proof = make_proof(inclusion_ranges(seq, size), self.nodes.__getitem__)
            lines += [self.bodies[seq] + b"\n", proof_line(proof)]
        return lines


def verify(lines: list[bytes], against: str | None = None, older: list[bytes] | None = None) -> Report:
    return verify_bundle(
        lambda: iter(lines),
        signed_by_all,
        against=parse_checkpoint(against) if against is not None else None,
        older=(lambda: iter(older)) if older is not None else None,
    )


def found(report: Report) -> list[tuple[str, int | None]]:
    return [(problem.kind, problem.seq) for problem in report.problems]


def place(lines: list[bytes], seq: int) -> int:
    return next(
        i for i, line in enumerate(lines) if line.startswith(b'{"actor') and json.loads(line)["seq"] == seq
    )


SIZES = [0, 1, 2, 3, 255, 256, 257, 600]


@pytest.mark.parametrize("size", SIZES)
def test_an_untouched_bundle_is_proved(size: int) -> None:
    report = verify(Log(size).whole())
    assert (report.ok, report.checked, report.size, report.signed) == (True, size, size, True)


@pytest.mark.parametrize("size", [n for n in SIZES if n])
@pytest.mark.parametrize("at", ["first", "middle", "last"])
def test_an_edited_event_is_named(size: int, at: str) -> None:
    seq = {"first": 0, "middle": size // 2, "last": size - 1}[at]
    lines = Log(size).whole()
    lines[place(lines, seq)] = lines[place(lines, seq)].replace(b"ada", b"eve")
    assert found(verify(lines)) == [("edited", seq)]


def test_an_event_that_is_no_longer_json_is_named() -> None:
    lines = Log(300).whole()
    lines[place(lines, 40)] = b"rubbish\n"
    assert found(verify(lines)) == [("edited", 40)]


@pytest.mark.parametrize("seq", [0, 1, 255, 256, 298])
def test_a_removed_event_is_named(seq: int) -> None:
    lines = Log(300).whole()
    del lines[place(lines, seq)]
    assert found(verify(lines)) == [("removed", seq)]


def test_two_exchanged_events_are_named() -> None:
    lines = Log(300).whole()
    one, two = place(lines, 100), place(lines, 101)
    lines[one], lines[two] = lines[two], lines[one]
    assert found(verify(lines)) == [("reordered", 100)]


def test_a_repeated_event_is_named() -> None:
    lines = Log(20).whole()
    lines.insert(place(lines, 5), lines[place(lines, 5)])
    assert found(verify(lines)) == [("reordered", 5)]


def test_a_cut_off_end_is_named() -> None:
    log = Log(300)
    lines = [line for line in log.whole() if not line.startswith(b'{"actor') or json.loads(line)["seq"] < 290]
    assert found(verify(lines)) == [("truncated", 290)]
    assert found(verify(lines[:1])) == [("truncated", 0)]


def test_an_added_event_is_named() -> None:
    lines = Log(10).whole()
    lines.insert(place(lines, 9) + 1, Log(11).bodies[10])
    assert found(verify(lines)) == [("edited", 10)]


def test_an_edit_that_also_mends_the_stored_hash_is_narrowed_down() -> None:
    log = Log(700)
    log.bodies[300] = log.bodies[300].replace(b"ada", b"eve")
    log.nodes[0, 300] = leaf_hash(log.bodies[300])
    report = verify(log.whole())
    assert found(report) == [("edited", 256)]
    assert "256 to 511" in report.problems[0].text


def test_a_log_written_anew_is_found_by_an_older_checkpoint() -> None:
    honest, forged = Log(300), Log(400)
    old = honest.note()
    assert verify(forged.whole(), old).since == 300
    forged.bodies[77] = forged.bodies[77].replace(b"ada", b"eve")
    again = Frontier()
    for body in forged.bodies:
        forged.nodes.update({(n.level, n.position): n.hash for n in again.append(leaf_hash(body))})
    forged.tree = again
    assert verify(forged.whole()).ok
    assert found(verify(forged.whole(), old)) == [("rewritten", None)]
    assert found(verify(forged.whole(), old, honest.whole()))[0] == ("rewritten", 77)


def test_a_shortened_log_is_found_by_an_older_checkpoint() -> None:
    assert found(verify(Log(250).whole(), Log(300).note())) == [("truncated", 250)]
    assert found(verify(Log(250).filtered(3), Log(300).note())) == [("truncated", 250)]


def test_a_checkpoint_of_another_log_is_refused() -> None:
    note = Log(3).note(origin="example.org/other")
    assert found(verify(Log(5).whole(), note)) == [("rewritten", None)]


def test_a_filtered_bundle_proves_each_event() -> None:
    log = Log(600)
    report = verify(log.filtered(0, 7, 255, 256, 599))
    assert (report.ok, report.checked) == (True, 5)


def edit(lines: list[bytes]) -> None:
    lines[3] = lines[3].replace(b"ada", b"eve")


def drop_event(lines: list[bytes]) -> None:
    del lines[3]


def drop_proof(lines: list[bytes]) -> None:
    del lines[4]


def exchange(lines: list[bytes]) -> None:
    lines[1:5] = lines[3:5] + lines[1:3]


def cut_proof(lines: list[bytes]) -> None:
    lines[4] = b'{"proof":[]}\n'


def garble_proof(lines: list[bytes]) -> None:
    lines[4] = b'{"proof":[7]}\n'


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (edit, ("edited", 9)),
        (drop_event, ("removed", None)),
        (drop_proof, ("proof", 9)),
        (exchange, ("reordered", 7)),
        (cut_proof, ("edited", 9)),
        (garble_proof, ("edited", 9)),
    ],
)
def test_a_falsified_filtered_bundle_is_found(
    harm: Callable[[list[bytes]], None], expected: tuple[str, int | None]
) -> None:
    lines = Log(50).filtered(7, 9, 11)
    harm(lines)
    assert expected in found(verify(lines))


def test_a_filtered_bundle_continues_an_older_checkpoint() -> None:
    log = Log(50)
    assert verify(log.filtered(3, since=20), Log(20).note()).since == 20
    other = Log(20)
    assert found(verify(log.filtered(3, since=20), other.note(root=bytes(32)))) == [("rewritten", None)]
    with pytest.raises(Invalid, match="no proof that it continues"):
        verify(log.filtered(3), Log(20).note())


def test_a_signature_that_does_not_hold_is_said() -> None:
    lines = Log(5).whole()
    report = verify_bundle(lambda: iter(lines), lambda _k, _c: False)
    assert found(report) == [("signature", None)]
    assert verify_bundle(lambda: iter(lines), None).signed is None


def test_a_bundle_of_another_key_is_refused() -> None:
    lines = Log(5).whole()
    other = LogKey("example.org/log", bytes(31) + b"x")
    assert ("signature", None) in found(verify_bundle(lambda: iter(lines), signed_by_all, key=other))


@pytest.mark.parametrize(
    "first", [b"", b"{}", b"[1]", b"rubbish", b'{"modelyard_log":2}', b'{"modelyard_log":1}']
)
def test_what_is_no_bundle_is_refused(first: bytes) -> None:
    def lines() -> Iterator[bytes]:
        return iter([first])

    with pytest.raises(Invalid, match="not an export"):
        verify_bundle(lines, None)
