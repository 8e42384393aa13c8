"""The contract of targets, for each of them: here the local one, with a front that serves nothing."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelyard.engines.local_target import LocalTarget
from modelyard.engines.targets import Sight, Target
from modelyard.wire.scorer import Wanted, WantedRevision

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, str(ROOT / "tests" / "support" / "fake_front.py"))
DIGEST = "sha256:" + "a" * 64


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.02)


class Ground:
    """A target and the deployments in it."""

    def __init__(self, folder: Path) -> None:
        # Longer than the address of a socket may be.
        self.folder = folder / ("a-long-name-" * 8) / "deployments"
        self.target: Target = self.open()

    def open(self) -> LocalTarget:
        return LocalTarget(self.folder, command=COMMAND, grace_seconds=0.2)

    def wanted(self, generation: int, serving: int, warm: int | None = None) -> Wanted:
        revisions = [self._revision(serving, "serving")]
        if warm is not None:
            revisions.append(self._revision(warm, "warm"))
        return Wanted(
            generation=generation,
            deployment="fraud/scorer",
            registry=None,
            cache=self.target.cache,
            revisions=revisions,
        )

    @staticmethod
    def _revision(number: int, role: str) -> WantedRevision:
        return WantedRevision(number=number, reference=f"fraud/scorer:{number}", digest=DIGEST, role=role)

    def sight(self, name: str = "1") -> Sight:
        return self.target.look(name)

    def await_serving(self, revision: int, generation: int, name: str = "1") -> Sight:
        def serves() -> bool:
            state = self.sight(name).state
            return state is not None and (state.serving, state.generation) == (revision, generation)

        until(serves)
        return self.sight(name)

    def end(self) -> None:
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            if folder.name.isdigit():
                self.target.stop(folder.name)

                def ended(name: str = folder.name) -> bool:
                    self.target.stop(name)
                    return not self.target.look(name).runs

                until(ended)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    yield made
    made.end()


def test_what_was_never_applied_is_unknown(ground: Ground) -> None:
    assert ground.sight() == Sight(runs=False)
    assert ground.target.log_tail("1", 5) == ""
    ground.target.stop("1")


def test_a_deployment_serves_swaps_and_ends(ground: Ground) -> None:
    ground.target.apply("1", ground.wanted(1, 1), "secret-1")
    first = ground.await_serving(1, 1)
    assert first.runs
    assert first.answers
    assert first.state is not None
    token = ground.folder / "1" / "token"
    assert (token.read_text(), stat.S_IMODE(token.stat().st_mode)) == ("secret-1", 0o600)
    assert stat.S_IMODE((ground.folder / "1").stat().st_mode) == 0o700
    ground.target.apply("1", ground.wanted(2, 2, warm=1))
    second = ground.await_serving(2, 2)
    assert second.state is not None
    assert token.read_text() == "secret-1"
    assert second.state.pid == first.state.pid
    assert [(s.before, s.after, s.dropped) for s in second.state.swaps] == [(None, 1, 0), (1, 2, 0)]
    assert "the front serves" in ground.target.log_tail("1", 5)
    ground.target.stop("1")
    until(lambda: not ground.sight().runs)
    assert ground.sight().state is not None, "what it last said is kept"
    ground.target.clean("1")
    assert ground.sight() == Sight(runs=False)


def test_the_same_order_and_an_older_one_change_nothing(ground: Ground) -> None:
    ground.target.apply("1", ground.wanted(5, 2))
    ground.await_serving(2, 5)
    ground.target.apply("1", ground.wanted(5, 2))
    ground.target.apply("1", ground.wanted(4, 1))
    state = ground.await_serving(2, 5).state
    assert state is not None
    assert len(state.swaps) == 1
    _kill(state.pid)
    until(lambda: not ground.sight().runs)
    ground.target.apply("1", ground.wanted(4, 1))
    ground.await_serving(2, 5)


def test_another_server_adopts_what_runs(ground: Ground) -> None:
    ground.target.apply("1", ground.wanted(1, 1))
    first = ground.await_serving(1, 1).state
    ground.target = ground.open()
    assert ground.sight().runs
    # As if the first server had ended between the start and the note of it.
    (ground.folder / "1" / "process").unlink()
    ground.target.apply("1", ground.wanted(2, 2))
    second = ground.await_serving(2, 2).state
    assert first is not None
    assert second is not None
    assert second.pid == first.pid


def test_a_program_that_died_is_started_again_with_what_is_wanted(ground: Ground) -> None:
    ground.target.apply("1", ground.wanted(1, 1))
    first = ground.await_serving(1, 1).state
    assert first is not None
    _kill(first.pid)
    until(lambda: not ground.sight().runs)
    kept = ground.sight().state
    assert kept is not None
    assert kept.serving == 1
    ground.target.apply("1", ground.wanted(1, 1))
    until(lambda: ground.sight().answers)
    again = ground.await_serving(1, 1).state
    assert again is not None
    assert again.pid != first.pid


def test_deployments_are_apart(ground: Ground) -> None:
    ground.target.apply("1", ground.wanted(1, 1))
    ground.target.apply("2", ground.wanted(1, 7))
    one, two = ground.await_serving(1, 1).state, ground.await_serving(7, 1, "2").state
    assert one is not None
    assert two is not None
    assert one.port != two.port
    _kill(one.pid)
    until(lambda: not ground.sight().runs)
    assert ground.sight("2").answers


def test_a_program_that_does_not_end_is_ended(ground: Ground) -> None:
    ground.target.apply("1", ground.wanted(1, 1))
    state = ground.await_serving(1, 1).state
    assert state is not None
    os.kill(state.pid, signal.SIGSTOP)
    ground.target.stop("1")

    def ended() -> bool:
        ground.target.stop("1")
        return not ground.sight().runs

    until(ended)


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
