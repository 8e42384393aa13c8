"""The time line of a build and what its steps used: numbers to SVG."""

from __future__ import annotations

from typing import Any

from modelyard.registry.builds.nouns import BuildStep
from modelyard.web.build_charts import draw_resources, draw_steps

SECOND = 1_000_000
NOW = 100 * SECOND


def step(name: str, state: str, start: float | None = None, end: float | None = None, **used: Any) -> BuildStep:
    moments = [None if each is None else round(each * SECOND) for each in (start, end)]
    return BuildStep(0, name, state, "", None, moments[0], moments[1], used, 0, 0, "", False)


def test_what_is_left_is_as_long_as_in_the_earlier_build() -> None:
    steps = [step("source", "ok", 80, 90), step("train", "running", 90), step("test", "waiting")]
    earlier = [step("source", "ok", 0, 5), step("train", "ok", 5, 35), step("test", "ok", 35, 37)]
    drawn = draw_steps(steps, earlier, NOW, has_ended=False)
    assert (drawn.seconds, drawn.left) == (20, 22)
    assert [(row.seconds, row.before) for row in drawn.rows] == [(10, 5), (10, 30), (None, 2)]
    assert [row.bar.count('class="expected"') for row in drawn.rows] == [0, 1, 1]
    assert all('class="now"' in row.bar for row in drawn.rows)
    assert ">now<" in drawn.axis


def test_a_build_that_ended_expects_nothing() -> None:
    steps = [step("train", "failed", 0, 4), step("test", "skipped")]
    drawn = draw_steps(steps, [step("test", "ok", 0, 9)], NOW, has_ended=True)
    assert (drawn.seconds, drawn.left) == (4, None)
    assert 'class="bad"' in drawn.rows[0].bar
    assert "rect" not in drawn.rows[1].bar


def test_a_build_that_has_not_started_has_an_empty_time_line() -> None:
    drawn = draw_steps([step("train", "waiting")], [], NOW, has_ended=False)
    assert (drawn.seconds, drawn.left) == (0, None)
    assert draw_steps([], [], NOW, has_ended=False).rows == []


def test_resources_are_drawn_over_the_time_of_the_build() -> None:
    used = {"sample_seconds": 2, "cpu": [0.5, 1.5], "memory_mib": [100, 50], "peak_cpu": 1.5}
    steps = [step("train", "ok", 0, 4, **used), step("test", "ok", 4, 5)]
    charts = draw_resources(
        steps, [step("train", "ok", 0, 4, memory_mib=[300])], NOW, has_ended=True, cpu=2, memory_bytes=None
    )
    assert [(each.name, each.now, each.of) for each in charts] == [
        ("Processors", "1.5", "of 2"),
        ("Memory", "105 MB", ""),
    ]
    assert ["limit" in each.drawn for each in charts] == [True, False]
    assert charts[1].peak == "peak 105 MB, before 315 MB"
    assert "train at most 1.5" in charts[0].drawn


def test_what_an_agent_sends_wrongly_is_not_drawn() -> None:
    wrong = {"sample_seconds": "1", "cpu": "many", "memory_mib": ["<b>"]}
    assert (
        draw_resources(
            [step("train", "ok", 0, 4, **wrong)], [], NOW, has_ended=True, cpu=None, memory_bytes=None
        )
        == []
    )
