"""What the processes of a step use, in a bounded series."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from modelyard.agent import sampling
from modelyard.agent.sampling import MOST_SAMPLES, Sampler, Series, accelerators, cpu_seconds_of, memory_of
from modelyard.registry.builds.rules import MAX_RESOURCES_BYTES


def test_a_series_joins_neighbours_when_it_is_full() -> None:
    mean, most = Series(is_mean=True), Series(is_mean=False)
    for series in (mean, most):
        for value in (1.0, 3.0, 5.0):
            series.add(value, 1)
        series.halve()
    assert (mean.values, most.values) == ([2.0, 5.0], [3.0, 5.0])
    mean.add(4.0, 2)
    assert mean.values == [2.0, 5.0]
    mean.add(6.0, 2)
    assert mean.values == [2.0, 5.0, 5.0]


def test_a_week_takes_no_more_space_than_two_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "cpu_seconds_of", lambda pid: 0.0)
    monkeypatch.setattr(sampling, "memory_of", lambda pid: 1 << 40)
    monkeypatch.setattr(sampling, "accelerators", lambda: (100.0, float(1 << 40)))
    sampler = Sampler()
    for _ in range(20 * MOST_SAMPLES):
        sampler.sample([1])
    told = sampler.to_json()
    assert MOST_SAMPLES // 2 <= len(told["cpu"]) == len(told["memory_mib"]) == len(told["gpu"]) < MOST_SAMPLES
    assert told["sample_seconds"] == 32
    assert sampler.peak_memory == 1 << 40
    assert (
        len(json.dumps({**told, "wall_seconds": 604800.123, "cpu_seconds": 604800.123})) < MAX_RESOURCES_BYTES
    )


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_the_time_of_children_counts_once_they_were_waited_for() -> None:
    before = cpu_seconds_of(os.getpid())
    subprocess.run([sys.executable, "-S", "-c", "sum(range(3_000_000))"], check=True)
    assert cpu_seconds_of(os.getpid()) > before
    assert memory_of(os.getpid()) > 1 << 20


def test_a_process_that_is_gone_uses_nothing() -> None:
    assert (cpu_seconds_of(2**30), memory_of(2**30)) == (0.0, 0)


def test_nothing_is_told_before_the_first_sample() -> None:
    assert Sampler().to_json() == {}


class Driver:
    """Stands for NVIDIA's library, with two devices of which one does not tell its use."""

    def nvmlDeviceGetUtilizationRates(self, device: int, rates: Any) -> int:
        if device == 2:
            return 3
        rates._obj.gpu = 80
        return 0

    def nvmlDeviceGetMemoryInfo(self, device: int, memory: Any) -> int:
        memory._obj.used = device * (1 << 30)
        return 0


def test_accelerators_are_summed_over_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_devices", lambda: (Driver(), [1, 2]))
    assert accelerators() == (40.0, float(3 << 30))
    monkeypatch.setattr(sampling, "_devices", lambda: (None, []))
    assert accelerators() == ()
