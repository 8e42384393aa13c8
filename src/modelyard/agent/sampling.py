"""What the processes of a step use, once a second: processors, memory, and the machine's accelerators.

A series has at most MOST_SAMPLES values. When it is full, neighbours are joined and each value stands for twice the time, so a
step of a week takes no more space than one of a minute.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

MOST_SAMPLES = 120
_MEBIBYTE = 1 << 20
_MOST_DEVICES = 16


class Series:
    """Values at equal distances: the mean of the processors, the largest of everything else."""

    def __init__(self, *, is_mean: bool) -> None:
        self.values: list[float] = []
        self._is_mean = is_mean
        self._kept: list[float] = []

    def add(self, value: float, together: int) -> None:
        """together: number of samples that make one value."""
        self._kept.append(value)
        if len(self._kept) >= together:
            self.values.append(self._joined(self._kept))
            self._kept = []

    def halve(self) -> None:
        pairs = [self.values[at : at + 2] for at in range(0, len(self.values), 2)]
        self.values = [self._joined(pair) for pair in pairs]

    def _joined(self, values: Sequence[float]) -> float:
        return sum(values) / len(values) if self._is_mean else max(values)


class Sampler:
    """Samples of one program. Not safe in threads."""

    def __init__(self) -> None:
        self._together = 1
        self._cpu, self._memory = Series(is_mean=True), Series(is_mean=False)
        self._gpu, self._gpu_memory = Series(is_mean=True), Series(is_mean=False)
        self._before: tuple[float, float] | None = None
        self._began = time.monotonic()
        self.peak_memory = 0
        self._peak_cpu = 0.0

    def sample(self, pids: Sequence[int]) -> None:
        present, used = time.monotonic(), sum(map(cpu_seconds_of, pids))
        memory = sum(map(memory_of, pids))
        self.peak_memory = max(self.peak_memory, memory)
        before, self._before = self._before or (self._began, 0.0), (present, used)
        # A process that ended without being waited for takes its time with it.
        cores = max(0.0, used - before[1]) / max(0.001, present - before[0])
        self._peak_cpu = max(self._peak_cpu, cores)
        self._cpu.add(cores, self._together)
        self._memory.add(memory, self._together)
        for series, value in zip((self._gpu, self._gpu_memory), accelerators(), strict=False):
            series.add(value, self._together)
        if len(self._cpu.values) >= MOST_SAMPLES:
            self._together *= 2
            for series in (self._cpu, self._memory, self._gpu, self._gpu_memory):
                series.halve()

    def to_json(self) -> dict[str, Any]:
        """Return the series as they are sent: cores, MiB, and percent; empty without a sample."""
        if not self._cpu.values:
            return {}
        found: dict[str, Any] = {
            "sample_seconds": self._together,
            "cpu": [round(value, 2) for value in self._cpu.values],
            "memory_mib": [round(value / _MEBIBYTE) for value in self._memory.values],
            "peak_cpu": round(self._peak_cpu, 2),
        }
        if self._gpu.values:
            found["gpu"] = [round(value) for value in self._gpu.values]
            found["gpu_memory_mib"] = [round(value / _MEBIBYTE) for value in self._gpu_memory.values]
        return found


# --- processes -------------------------------------------------------------------------------------------


@cache
def _ticks() -> int:
    return os.sysconf("SC_CLK_TCK")


def cpu_seconds_of(pid: int) -> float:
    """Return the processor time of a process and of its children that it waited for. Source: proc(5), /proc/pid/stat."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / _ticks()
    return 0.0


def memory_of(pid: int) -> int:
    with suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


# --- accelerators ----------------------------------------------------------------------------------------


class _Rates(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def accelerators() -> tuple[float, ...]:
    """Return (mean use in percent, used bytes) of the machine's NVIDIA devices; empty without one.

    The driver's library is asked directly, so nothing has to be installed. Source: NVML API reference, device queries.
    """
    library, devices = _devices()
    if library is None or not devices:
        return ()
    use, used = 0, 0
    for device in devices:
        rates, memory = _Rates(), _Memory()
        if library.nvmlDeviceGetUtilizationRates(device, ctypes.byref(rates)) == 0:
            use += rates.gpu
        if library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory)) == 0:
            used += memory.used
    return use / len(devices), float(used)


@cache
def _devices() -> tuple[ctypes.CDLL | None, list[ctypes.c_void_p]]:
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None, []
    count = ctypes.c_uint()
    if library.nvmlInit_v2() != 0 or library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
        return None, []
    found = []
    for number in range(min(count.value, _MOST_DEVICES)):
        device = ctypes.c_void_p()
        if library.nvmlDeviceGetHandleByIndex_v2(number, ctypes.byref(device)) == 0:
            found.append(device)
    return library, found
