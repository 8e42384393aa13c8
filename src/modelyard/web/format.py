"""Formats of numbers, sizes, durations and times, used by every template."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from markupsafe import Markup

from modelyard.domain.times import MICROSECONDS, time_text

_THIN = "\u2009"
NONE = Markup('<span aria-hidden="true">–</span><span class="sr">none</span>')


def grouped(value: int) -> str:
    """Return digits in groups of three, separated by thin spaces."""
    return f"{value:,}".replace(",", _THIN).replace("-", "−")


def number(value: float | str | None) -> str | Markup:
    """Return four significant digits with a true minus sign; text such as NaN is unchanged."""
    if value is None:
        return NONE
    if isinstance(value, str):
        return value
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15 if math.isfinite(value) else False):
        return grouped(int(value))
    if not math.isfinite(value):
        return str(value)
    text = f"{value:#.4g}"
    if "e" in text or abs(value) < 1e-4:
        text = f"{value:.3e}"
    return text.rstrip(".").replace("-", "−")


def change(value: float) -> str:
    """Return a difference with its sign."""
    return ("+" if value > 0 else "") + str(number(value))


def size(size_bytes: int | None) -> str | Markup:
    if size_bytes is None:
        return NONE
    value, unit = float(size_bytes), "B"
    for unit in ("B", "KB", "MB", "GB", "TB", "PB"):
        if value < 1000 or unit == "PB":
            break
        value /= 1000
    digits = f"{value:.0f}" if unit == "B" or value >= 100 else f"{value:.3g}"
    return f"{digits} {unit}"


def duration(seconds: float) -> str:
    """Return a duration in the largest unit that fits."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86400
    if minutes < 60:
        return f"{minutes:.0f} min"
    if hours < 48:
        return f"{hours:.0f} h"
    return f"{days:.0f} d"


def ago(moment: int | None, now: int) -> Markup:
    """Return a moment (microseconds since 1970 UTC) as relative text, with the exact time in its title."""
    if moment is None:
        return NONE
    exact = time_text(moment)
    seconds = (now - moment) / MICROSECONDS
    text = duration(abs(seconds)) if abs(seconds) >= 5 else "now"
    if seconds < -5:
        text = f"in {text}"
    shown = datetime.fromtimestamp(moment / MICROSECONDS, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, shown, text)


def at(text: str) -> Markup:
    """Return a moment of an event (RFC 3339) as a short time."""
    return Markup('<time datetime="{}">{}</time>').format(text, text[:16].replace("T", " "))


def exact(moment: int | None) -> Markup:
    if moment is None:
        return NONE
    shown = datetime.fromtimestamp(moment / MICROSECONDS, UTC).strftime("%Y-%m-%d %H:%M")
    return Markup('<time datetime="{}">{}</time>').format(time_text(moment), shown)


def second(moment: int) -> str:
    """Return a time to the second, in UTC."""
    return datetime.fromtimestamp(moment / MICROSECONDS, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def short_digest(digest: str | None) -> str | Markup:
    if digest is None:
        return NONE
    return f"{digest[:15]}…{digest[-4:]}" if digest.startswith("sha256:") else digest[:12]


def initials(name: str) -> str:
    parts = [part for part in name.replace("_", "-").replace(".", "-").split("-") if part]
    letters = "".join(part[0] for part in parts[:2]) if len(parts) > 1 else name[:2]
    return letters.upper()
