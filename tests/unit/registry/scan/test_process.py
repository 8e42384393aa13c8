"""The scanning process: its answers, its limits, and what happens when it ends."""

from __future__ import annotations

import time

import pytest

from modelyard.domain.formats import BytesSource
from modelyard.domain.scanning import Verdict
from modelyard.registry.scan import process
from modelyard.registry.scan.process import OutOfPatience, Scanner, ScanProcess
from tests.support.bad_files import trap, zipped


class Slow(BytesSource):
    """Bytes that take a while."""

    def read(self, offset: int, length: int) -> bytes:
        time.sleep(0.3)
        return super().read(offset, length)


class Gone(BytesSource):
    def read(self, offset: int, length: int) -> bytes:
        raise OSError("the disk is gone")


def test_one_process_answers_for_many_files() -> None:
    scanner = ScanProcess()
    try:
        assert scanner.scan(BytesSource(zipped(trap())), 30).verdict is Verdict.DANGEROUS
        first = scanner._process
        assert scanner.scan(BytesSource(b"words"), 30).verdict is Verdict.NO_CODE
        assert scanner._process is first
    finally:
        scanner.stop()


def test_patience_ends_it_and_the_next_file_gets_a_new_process() -> None:
    scanner = ScanProcess()
    try:
        with pytest.raises(OutOfPatience):
            scanner.scan(Slow(zipped(trap())), 0.2)
        assert scanner.scan(BytesSource(trap()), 30).verdict is Verdict.DANGEROUS
    finally:
        scanner.stop()


def test_a_process_that_is_killed_means_not_scanned() -> None:
    scanner = ScanProcess()

    class Killing(BytesSource):
        def read(self, offset: int, length: int) -> bytes:
            assert scanner._process is not None
            scanner._process.kill()
            return super().read(offset, length)

    try:
        found = scanner.scan(Killing(trap()), 30)
    finally:
        scanner.stop()
    assert found.verdict is Verdict.NOT_SCANNED


def test_a_fault_of_the_store_is_no_verdict() -> None:
    scanner = ScanProcess()
    with pytest.raises(OSError, match="disk is gone"):
        scanner.scan(Gone(trap()), 30)
    assert scanner._process is None


def test_when_all_processes_are_busy_patience_counts_too() -> None:
    scanner = Scanner(processes=0)
    with pytest.raises(OutOfPatience):
        scanner.scan(BytesSource(trap()), 0.05)


def test_too_much_memory_means_not_scanned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle whose memo never ends; the limit is the process's own."""
    pytest.importorskip("resource", reason="this platform has no limits on memory")
    scanner = ScanProcess()
    data = b"\x80\x04" + b"\x8c\x40" + b"a" * 64 + b"\x94" + b"]\x94" * 3_000_000 + b"."
    # Enough for Python itself, and not for six million entries.
    code = (
        "from modelyard.registry.scan import process; process.MEMORY_BYTES = 200 << 20\n"
        "from modelyard.registry.scan import child; child.main()"
    )
    start = process.subprocess.Popen
    monkeypatch.setattr(
        process.subprocess, "Popen", lambda command, **more: start([command[0], "-c", code], **more)
    )
    try:
        found = scanner.scan(BytesSource(data), 60)
    finally:
        scanner.stop()
    assert found.verdict is Verdict.NOT_SCANNED
