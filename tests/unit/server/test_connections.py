"""Head and small body of an answer leave with one call to the kernel, and nothing is lost or out of order."""

from __future__ import annotations

import asyncio

from modelyard.server.connections import Gathering


class Recorder(asyncio.Transport):
    """Notes each call; stands for a socket, and never sends."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.calls.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return 7


def written(*pieces: bytes, turns: int = 0) -> list[bytes]:
    """The calls that the pieces became, `turns` of the loop later."""

    async def main() -> list[bytes]:
        recorder = Recorder()
        transport = Gathering(recorder, asyncio.get_running_loop())
        for piece in pieces:
            transport.write(piece)
        for _ in range(turns):
            await asyncio.sleep(0)
        return recorder.calls.copy()

    return asyncio.run(main())


def test_a_head_and_a_small_body_are_one_call() -> None:
    assert written(b"head", b"body") == [b"headbody"]


def test_a_head_alone_goes_out_when_the_loop_comes_round() -> None:
    assert written(b"head") == []
    assert written(b"head", turns=2) == [b"head"]


def test_large_pieces_are_not_copied() -> None:
    large = bytes(100_000)
    assert written(b"head", large) == [b"head", large]
    assert written(large, b"tail", turns=2) == [large, b"tail"]


def test_the_order_stands_over_many_answers() -> None:
    pieces = [b"1", b"2", b"3", bytes(20_000), b"4", b"5", b"6"]
    assert b"".join(written(*pieces, turns=2)) == b"".join(pieces)


def test_closing_sends_what_is_held_and_aborting_does_not() -> None:
    async def main(end: str) -> list[bytes]:
        recorder = Recorder()
        transport = Gathering(recorder, asyncio.get_running_loop())
        transport.write(b"last words")
        assert transport.get_write_buffer_size() == len(b"last words") + 7
        getattr(transport, end)()
        assert recorder.closed
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return recorder.calls.copy()

    assert asyncio.run(main("close")) == [b"last words"]
    assert asyncio.run(main("abort")) == []
