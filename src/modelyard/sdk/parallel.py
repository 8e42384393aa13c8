"""Work in a few threads that ends at the first failure or at Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

from modelyard.sdk.http import Interrupted

T = TypeVar("T")
R = TypeVar("R")
Stop = threading.Event


def check(stop: Stop) -> None:
    """Raise Interrupted if the work should stop."""
    if stop.is_set():
        raise Interrupted


def each(items: Iterable[T], work: Callable[[T, Stop], R], threads: int) -> list[R]:
    """Return the results in order. After a failure the others are told to stop, and it is raised."""
    todo = [*items]
    stop = Stop()
    if len(todo) == 1:
        return [work(todo[0], stop)]
    executor = ThreadPoolExecutor(max(1, min(threads, len(todo))), "modelyard")
    try:
        futures = [executor.submit(work, item, stop) for item in todo]
        wait(futures, return_when=FIRST_EXCEPTION)
        stop_if_failed = [f for f in futures if f.done() and f.exception() is not None]
        if stop_if_failed:
            stop.set()
            for future in stop_if_failed:
                if not isinstance(future.exception(), Interrupted):
                    future.result()
        return [future.result() for future in futures]
    finally:
        stop.set()
        executor.shutdown(wait=True, cancel_futures=True)
