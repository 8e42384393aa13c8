"""The steps of a build on one time line, and what they used of the machine: SVG, next to tables with the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from markupsafe import Markup, escape

from modelyard.domain.times import MICROSECONDS
from modelyard.registry.builds.nouns import RUNNING, WAITING, BuildStep
from modelyard.web.format import duration, size

_DISTANCES = (
    0.1,
    0.5,
    1,
    2,
    5,
    10,
    20,
    30,
    60,
    120,
    300,
    600,
    1200,
    1800,
    3600,
    7200,
    14400,
    43200,
    86400,
    604800,
)
_MOST_TICKS = 5
_LEAST_WIDTH = 0.5
_MEBIBYTE = 1 << 20
_TONES = {"running": "run", "failed": "bad"}


class StepRow(msgspec.Struct, frozen=True):
    """seconds, before: how long the step took, and took in the earlier build; None: it did not run, or still runs."""

    step: BuildStep
    bar: Markup
    seconds: float | None
    before: float | None
    peaks: str


class Timeline(msgspec.Struct, frozen=True):
    """seconds: from the first step until now, or to the end. left: that it may still take, as the earlier build did."""

    rows: Sequence[StepRow]
    axis: Markup
    seconds: float
    left: float | None


class ResourceChart(msgspec.Struct, frozen=True):
    name: str
    now: str
    of: str
    peak: str
    drawn: Markup


def _seconds(step: BuildStep, now: int | None = None) -> float | None:
    end = step.ended_at or (now if step.state == RUNNING else None)
    return None if step.started_at is None or end is None else max(0, end - step.started_at) / MICROSECONDS


class _Scale(msgspec.Struct, frozen=True):
    start: int
    seconds: float
    end: float
    """Right edge of the axis, in seconds after the start."""

    def x(self, seconds: float) -> float:
        return round(max(0.0, seconds) / self.end * 100, 2)

    @property
    def ticks(self) -> list[float]:
        distance = next((each for each in _DISTANCES if self.end / each <= _MOST_TICKS), _DISTANCES[-1])
        return [n * distance for n in range(int(self.end / distance) + 1)]


def _scale_of(steps: Sequence[BuildStep], now: int, has_ended: bool, expected: float = 0.0) -> _Scale:
    started = [step.started_at for step in steps if step.started_at is not None]
    start = min(started, default=now)
    until = max((step.ended_at for step in steps if step.ended_at is not None), default=start)
    if not has_ended:
        until = max(until, now)
    seconds = (until - start) / MICROSECONDS if started else 0.0
    return _Scale(start, seconds, max(seconds, expected, 0.1) * 1.04)


def draw_steps(
    steps: Sequence[BuildStep], earlier: Sequence[BuildStep], now: int, *, has_ended: bool
) -> Timeline:
    """Draw the steps on one axis; those that did not run yet are as long as in the earlier build."""
    before = {step.name: _seconds(step) for step in earlier}
    # When each step is expected to end, in seconds after the start.
    scale = _scale_of(steps, now, has_ended)
    expected: dict[str, tuple[float, float]] = {}
    at = scale.seconds
    for step in steps if not has_ended else ():
        usual = before.get(step.name)
        if usual is None or step.state not in (WAITING, RUNNING):
            continue
        begin = at if step.started_at is None else (step.started_at - scale.start) / MICROSECONDS
        at = max(at, begin + usual)
        expected[step.name] = (begin, at)
    scale = _scale_of(steps, now, has_ended, at)
    rows = [
        StepRow(
            step,
            _bar(step, scale, expected.get(step.name), now, has_ended),
            _seconds(step, now),
            before.get(step.name),
            _peaks(step),
        )
        for step in steps
    ]
    left = at - scale.seconds if expected else None
    return Timeline(rows, _axis(scale, has_ended), scale.seconds, left)


def _bar(
    step: BuildStep, scale: _Scale, expected: tuple[float, float] | None, now: int, has_ended: bool
) -> Markup:
    parts = [
        f'<line class="grid" x1="{scale.x(at)}%" x2="{scale.x(at)}%" y1="0" y2="100%"></line>'
        for at in scale.ticks
    ]
    begun = None if step.started_at is None else (step.started_at - scale.start) / MICROSECONDS
    seconds = _seconds(step, now)
    if expected is not None and (begun is None or expected[1] > begun + (seconds or 0.0)):
        parts.append(_rect("expected", scale, *expected, inset=1))
    if begun is not None and seconds is not None:
        parts.append(_rect(_TONES.get(step.state, "ok"), scale, begun, begun + seconds))
    if not has_ended:
        at = scale.x(scale.seconds)
        parts.append(f'<line class="now" x1="{at}%" x2="{at}%" y1="0" y2="100%"></line>')
    # Built only from numbers.
    return Markup(f'<svg class="bar" aria-hidden="true">{"".join(parts)}</svg>')  # noqa: S704


def _rect(kind: str, scale: _Scale, begin: float, end: float, inset: int = 0) -> str:
    left = min(scale.x(begin), 100 - _LEAST_WIDTH)
    # Dashes need more room to be seen.
    width = max(_LEAST_WIDTH * (3 if inset else 1), scale.x(end) - left)
    return (
        f'<rect class="{kind}" x="{left:.2f}%" y="{12 + inset}" width="{width:.2f}%" height="{10 - 2 * inset}" rx="2">'
        "</rect>"
    )


def _axis(scale: _Scale, has_ended: bool) -> Markup:
    present = scale.x(scale.seconds)
    parts = [
        f'<text x="{scale.x(at)}%" y="12">{escape(_tick(at))}</text>'
        for at in scale.ticks
        if scale.x(at) < 92 and (has_ended or abs(scale.x(at) - present) > 9)
    ]
    if not has_ended:
        anchor = "end" if present > 90 else "start"
        parts.append(f'<text class="present" x="{present}%" y="12" text-anchor="{anchor}">now</text>')
    # Built only from numbers and escaped words.
    return Markup(f'<svg class="axis" aria-hidden="true">{"".join(parts)}</svg>')  # noqa: S704


def _tick(seconds: float) -> str:
    return "0 s" if not seconds else str(duration(seconds))


# --- resources -------------------------------------------------------------------------------------------


def _peaks(step: BuildStep) -> str:
    """Return in words what a step used at most; "": nothing was measured."""
    cores, memory = step.resources.get("peak_cpu"), step.resources.get("peak_memory_bytes")
    words = [f"{cores:.2g} cores"] if isinstance(cores, int | float) else []
    if isinstance(memory, int) and memory:
        words.append(str(size(memory)))
    return ", ".join(words)


def draw_resources(
    steps: Sequence[BuildStep],
    earlier: Sequence[BuildStep],
    now: int,
    *,
    has_ended: bool,
    cpu: float | None,
    memory_bytes: int | None,
) -> list[ResourceChart]:
    """Draw what the steps used over the time of the build, one chart for each resource that was measured.

    cpu, memory_bytes: the limits; None: there are none.
    """
    scale = _scale_of(steps, now, has_ended)
    kinds: tuple[tuple[str, str, float, float | None, Callable[[float], str]], ...] = (
        ("Processors", "cpu", 1, cpu, lambda value: f"{value:.2g}"),
        ("Memory", "memory_mib", _MEBIBYTE, memory_bytes, lambda value: str(size(round(value)))),
        ("Accelerator", "gpu", 1, None, lambda value: f"{round(value)} %"),
        ("Accelerator memory", "gpu_memory_mib", _MEBIBYTE, None, lambda value: str(size(round(value)))),
    )
    found = []
    for name, key, unit, limit, words in kinds:
        lines = _lines(steps, key, unit, scale)
        values = [value for _, line in lines for _, value in line]
        if not values:
            continue
        peak = max(values)
        before = max(
            (each * unit for step in earlier for each in _values(step, key)),
            default=None,
        )
        said = f"peak {words(peak)}" + (f", before {words(before)}" if before is not None else "")
        drawn = _resource(name, lines, scale, max(peak, limit or 0.0), limit, words)
        of = f"of {words(limit)}" if limit else ""
        found.append(ResourceChart(name, words(values[-1] if not has_ended else peak), of, said, drawn))
    return found


def _values(step: BuildStep, key: str) -> list[float]:
    values = step.resources.get(key)
    # An agent sent them.
    return (
        [float(value) for value in values if isinstance(value, int | float)] if isinstance(values, list) else []
    )


_Line = list[tuple[float, float]]


def _lines(steps: Sequence[BuildStep], key: str, unit: float, scale: _Scale) -> list[tuple[str, _Line]]:
    """Return for each step its name and (seconds after the start, value)."""
    found = []
    for step in steps:
        every = step.resources.get("sample_seconds")
        values = _values(step, key)
        if values and step.started_at is not None and isinstance(every, int | float) and every > 0:
            begun = (step.started_at - scale.start) / MICROSECONDS
            found.append(
                (step.name, [(begun + (n + 1) * every, value * unit) for n, value in enumerate(values)])
            )
    return found


def _resource(
    name: str,
    lines: Sequence[tuple[str, _Line]],
    scale: _Scale,
    top: float,
    limit: float | None,
    words: Callable[[float], str],
) -> Markup:
    top = (top or 1.0) * 1.1

    def y(value: float) -> float:
        return round(60 - min(value, top) / top * 56, 1)

    parts = []
    if limit:
        parts.append(f'<line class="limit" x1="0" x2="1000" y1="{y(limit)}" y2="{y(limit)}"></line>')
    for step, line in lines:
        points = [(min(1000.0, scale.x(at) * 10), y(value)) for at, value in line]
        if len(points) == 1:
            points = [(max(0.0, points[0][0] - 8), points[0][1]), *points]
        course = " ".join(f"{a:.1f},{b}" for a, b in points)
        title = escape(f"{step}: at most {words(max(value for _, value in line))}")
        parts.append(
            f'<polygon class="area" points="{points[0][0]:.1f},60 {course} {points[-1][0]:.1f},60"><title>{title}</title>'
            f'</polygon><polyline class="course" points="{course}"></polyline>'
        )
    label = escape(
        "; ".join(f"{step} at most {words(max(value for _, value in line))}" for step, line in lines)
    )
    # Built only from numbers and escaped words.
    return Markup(  # noqa: S704
        f'<svg class="used" viewBox="0 0 1000 60" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(name)}: {label}">{"".join(parts)}<line class="grid" x1="0" x2="1000" y1="60" y2="60"></line>'
        f"</svg>{_axis(scale, True)}"
    )
