"""Logs of builds through the native door and the pages: lines, following, searching, long ones, and how they end; on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from modelyard.db.tables import build_attempts, build_log_chunks, build_logs, builds, models, versions
from modelyard.registry.builds import logs, packing, retiring, rules
from modelyard.registry.builds.usecases import find_build
from modelyard.registry.catalog.usecases import recount_use
from modelyard.registry.retention import usecases as retention
from modelyard.sdk.log_lines import lines_of
from modelyard.sdk.streams import _events
from modelyard.wire import builds as wire
from tests.contract.test_builds import (  # noqa: F401 - yard is a fixture
    Agent,
    Yard,
    event,
    said,
    yard,
)
from tests.support.door import Visitor, open_door

DAY = 86_400


@pytest.fixture
def pages(yard: Yard) -> Iterator[Visitor]:  # noqa: F811
    with open_door(yard.registry, pages=True) as door:
        door.services.pools = yard.pools  # type: ignore[misc]
        yield Visitor.of(door, yard.registry.root)


def told(yard: Yard, path: str, **headers: str) -> list[tuple[str, dict[str, Any]]]:  # noqa: F811
    """The events of a stream that has an end, as (id, data)."""
    answer = yard.door.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return [(identity, json.loads(data)) for identity, data in _events(iter([answer.content]))]


def finish(yard: Yard, agent: Agent) -> None:  # noqa: F811
    agent.send({"events": [event("train", "ok")]})
    agent.end()
    yard.work()
    yard.work()


def count(yard: Yard, table: sa.Table) -> int:  # noqa: F811
    return int(
        yard.registry.db.read(lambda tx: tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
    )


def fill(agent: Agent, lines: int) -> str:
    """Send a log in messages of about 60 KB, and return it. Line n is called `line n`."""
    whole = ""
    for start in range(1, lines + 1, 600):
        text = "".join(f"line {n} {'x' * 90}\n" for n in range(start, min(start + 600, lines + 1)))
        assert agent.send(said("train", text, "running")).status_code == 200
        whole += text
    return whole


# --- lines, streams, text ---------------------------------------------------------------------------------


def test_a_stream_numbers_its_lines_and_goes_on_where_it_stopped(yard: Yard) -> None:  # noqa: F811
    build, agent = yard.started()
    agent.send(said("provision", "host a\n", "ok"), said("train", "one\ntwo\n", "running"))
    agent.send(said("train", "three\n"))
    finish(yard, agent)
    path = f"builds/{build['id']}/log/stream"
    found = told(yard, path)
    texts = [(each["step"], each["line"], each["text"]) for _, news in found for each in news["texts"]]
    assert texts == [("provision", 1, "host a\n"), ("train", 1, "one\ntwo\nthree\n")]
    assert [news["ended"] for _, news in found] == [False, True]
    (identity, news), (_, last) = told(yard, f"{path}?step=train")
    assert (news["texts"][0]["line"], last["texts"]) == (1, [])
    # In the middle of what was told: nothing is lost, and the numbers go on.
    attempt, position = identity.split("-")
    later = told(
        yard, path + "?step=train", **{"last-event-id": f"{attempt}-{int(position) - len('three') - 1}"}
    )
    assert [(each["line"], each["text"]) for each in later[0][1]["texts"]] == [(3, "three\n")]
    # The position of an earlier attempt says nothing about this one.
    assert told(yard, path + "?step=train", **{"last-event-id": "7-9"})[0][1]["texts"][0]["text"].startswith(
        "one"
    )
    wrong = yard.door.get(path, headers={"last-event-id": "x-1"})
    assert (wrong.status_code, "Last-Event-ID" in wrong.text) == (400, True)


def timed(yard: Yard, build: dict[str, Any], step: str | None = None) -> list[tuple[str, int, float | None]]:  # noqa: F811
    """The lines of a log as (step, number, seconds since the submission)."""
    texts, position = [], 0
    while True:
        query = f"times=true&position={position}{f'&step={step}' if step else ''}"
        part = yard.door.get(f"builds/{build['id']}/log?{query}").json()
        if not part["texts"]:
            break
        assert part["text"] == ""
        texts += [msgspec.convert(each, wire.BuildLogText) for each in part["texts"]]
        position = part["position"]
    start = datetime.fromisoformat(build["created_at"])
    return [
        (line.step, line.number, round((datetime.fromisoformat(line.at) - start).total_seconds(), 1))
        for line in lines_of(texts)
        if line.at
    ]


def test_lines_have_the_time_of_the_frame_that_brought_them(yard: Yard, pages: Visitor) -> None:  # noqa: F811
    build, agent = yard.started()
    start = yard.clock.now
    yard.clock.pass_seconds(60)

    def at(seconds: float, log: str, step: str = "train") -> dict[str, Any]:
        return event(step, "running", log, at=start + round(seconds * 1_000_000))

    agent.send({"events": [at(1, "host\n", "provision"), at(2, "one\ntwo\nthr")]})
    agent.send({"events": [at(3.5, "ee\nfour\n"), at(4, "five\n"), at(99, "six\nwithout an end")]})
    agent.send({"events": [event("train", "ok", at=start + 70_000_000)]})
    base = timed(yard, build)[0][2]
    assert base is not None
    told_times = [
        (step, number, round((seconds or 0) - base + 1, 1)) for step, number, seconds in timed(yard, build)
    ]
    # The clock of the agent is ahead of the server's at the end.
    assert told_times == [
        ("provision", 1, 1.0),
        ("train", 1, 2.0),
        ("train", 2, 2.0),
        ("train", 3, 3.5),
        ("train", 4, 3.5),
        ("train", 5, 4.0),
        ("train", 6, 60.0),
        ("train", 7, 60.0),
    ]
    assert timed(yard, build, "train") == timed(yard, build)[1:]
    assert f'data-at="{(start + 4_000_000) // 1000}"' in pages.html(f"/builds/{build['id']}")
    # A part that begins within the log has the time of its first line.
    part = yard.door.get(f"builds/{build['id']}/log?times=true&step=train&position=4").json()
    assert [each["line"] for each in part["texts"][0]["times"]] == [2, 3, 5, 6, 7]


def test_times_go_into_the_store_with_their_lines_and_survive_a_redaction(yard: Yard) -> None:  # noqa: F811
    build, agent = yard.started()
    for start in range(0, 14_000, 100):
        yard.clock.pass_seconds(0.5)
        text = "".join(f"line {n} {'x' * 90}\n" for n in range(start, start + 100))
        agent.send({"events": [event("train", "running", text, at=yard.clock.now)]})
    before = timed(yard, build)
    assert len({at for _, _, at in before}) == 140
    yard.work()
    assert count(yard, build_log_chunks) == 1
    assert timed(yard, build) == before
    body = {"text": "line 4242 x", "reason": "a leak"}
    space = yard.model.partition("/")[0]
    assert yard.door.call("POST", f"namespaces/{space}/redactions", json=body).status_code < 300
    assert "line 4242 x" not in yard.log(build)
    assert timed(yard, build) == before


def test_a_log_is_searched_and_sent_as_text(yard: Yard, pages: Visitor) -> None:  # noqa: F811
    build, agent = yard.started()
    agent.send(
        said("provision", "WARNING: old\n", "ok"), said("train", "one\nwarning: slow\n3 %\r99 %\rdone\n")
    )
    finish(yard, agent)
    path = f"builds/{build['id']}/log"
    found = yard.door.get(f"{path}/search?words=Warning").json()
    assert [(each["step"], each["line"]) for each in found["items"]] == [("provision", 1), ("train", 2)]
    assert found["complete"] is True
    assert [
        each["line"] for each in yard.door.get(f"{path}/search?words=warning&step=train").json()["items"]
    ] == [2]
    assert yard.door.get(f"{path}/search?words=").status_code == 400
    text = yard.door.get(f"{path}/text?step=train")
    assert text.text == "one\nwarning: slow\n3 %\r99 %\rdone\n"
    assert text.headers["content-type"].startswith("text/plain")
    assert "attachment" in text.headers["content-disposition"]
    page = pages.html(f"/builds/{build['id']}?step=train&q=slow")
    assert 'href="?step=train&amp;line=2#step-train-L2"' in page
    # Of a progress bar, the last state is shown.
    assert "<code>done</code>" in page


def test_a_search_that_finds_too_much_says_so(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(logs, "_MOST_FOUND", 2)
    build, agent = yard.started()
    agent.send(said("train", "a\na\na\n", "running"))
    found = yard.door.get(f"builds/{build['id']}/log/search?words=a").json()
    assert (len(found["items"]), found["complete"]) == (2, False)


# --- long logs ------------------------------------------------------------------------------------------------


def test_a_long_log_moves_into_the_store_and_reads_the_same(yard: Yard, pages: Visitor) -> None:  # noqa: F811
    build, agent = yard.started()
    whole = fill(agent, 14_000)
    rows = count(yard, build_logs)
    yard.work()
    assert count(yard, build_log_chunks) == 1, "while the build runs"
    assert count(yard, build_logs) < rows / 2
    assert yard.log(build) == yard.log(build, step="train") == whole
    assert yard.door.get(f"builds/{build['id']}/log/text").text == whole
    # A line that begins in one chunk and ends in the next is found once, with its number.
    for number in (1, 9_999, 13_999):
        found = yard.door.get(f"builds/{build['id']}/log/search?words=line {number} ").json()["items"]
        assert [each["line"] for each in found] == [number]
    page = pages.html(f"/builds/{build['id']}?step=train&line=9999")
    assert 'id="step-train-L9999"' in page
    assert "line 9999 x" in page
    assert "line 14000 x" in pages.html(f"/builds/{build['id']}")
    told_whole = "".join(
        each["text"] for _, news in _ended_stream(yard, build, agent) for each in news["texts"]
    )
    assert told_whole == whole
    # A second poll finds nothing to do, and the collector keeps the chunks.
    chunks = count(yard, build_log_chunks)
    yard.work()
    assert count(yard, build_log_chunks) == chunks
    yard.clock.pass_seconds(3 * DAY)
    retention.collect(yard.registry.db, yard.registry.blobs, yard.registry.root, dry_run=False)
    assert yard.log(build) == whole


def _ended_stream(yard: Yard, build: dict[str, Any], agent: Agent) -> list[tuple[str, dict[str, Any]]]:  # noqa: F811
    finish(yard, agent)
    return told(yard, f"builds/{build['id']}/log/stream")


def test_rows_that_change_meanwhile_are_not_replaced(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    build, agent = yard.started()
    whole = fill(agent, 14_000)
    put = yard.registry.blobs.put

    def redact_first(*args: Any) -> int:
        yard.registry.db.write(
            lambda tx: tx.execute(
                build_logs.update().values(text=sa.func.replace(build_logs.c.text, "line 7 ", "****** "))
            )
        )
        return put(*args)

    monkeypatch.setattr(yard.registry.blobs, "put", redact_first)
    packing.pack_log(yard.registry.db, yard.registry.blobs, _build_of(yard, build))
    assert count(yard, build_log_chunks) == 0
    monkeypatch.undo()
    packing.pack_log(yard.registry.db, yard.registry.blobs, _build_of(yard, build))
    assert count(yard, build_log_chunks) == 1
    assert yard.log(build) == whole.replace("line 7 ", "****** ")


def _build_of(yard: Yard, build: dict[str, Any]) -> Any:  # noqa: F811
    return yard.registry.db.read(lambda tx: find_build(tx, yard.registry.root, build["id"]))


def test_a_leaked_text_is_removed_from_chunks_and_over_their_borders(yard: Yard) -> None:  # noqa: F811
    build, agent = yard.started()
    whole = fill(agent, 14_000)
    yard.work()
    (first, *_) = yard.registry.db.read(
        lambda tx: tx.rows(sa.select(build_log_chunks.c.size_bytes, build_log_chunks.c.digest))
    )
    leaked = next(line for line in whole[: first[0]].splitlines() if "line 4242 " in line)
    space = yard.model.partition("/")[0]

    def redact(text: str) -> None:
        body = {"text": text, "reason": "a leak"}
        answer = yard.door.call("POST", f"namespaces/{space}/redactions", json=body)
        assert answer.status_code < 300, answer.text

    redact(leaked)
    expected = whole.replace(leaked, "*" * len(leaked))
    assert yard.log(build) == expected
    # The old bytes are collected at once, although they are young.
    retention.collect(yard.registry.db, yard.registry.blobs, yard.registry.root, dry_run=False)
    assert yard.registry.blobs.stat(first[1]) is None
    over = expected[first[0] - 9 : first[0] + 9]
    redact(over)
    assert yard.log(build) == expected.replace(over, "*" * len(over))


# --- what old builds leave -----------------------------------------------------------------------------------------


def test_bytes_of_builds_count_in_the_quota(yard: Yard) -> None:  # noqa: F811
    source = b"the source" * 100
    bundle = yard.door.send(source)["digest"]
    build = yard.submit(bundle=bundle)
    space = yard.model.partition("/")[0]

    def used() -> int:
        return int(yard.door.get(f"namespaces/{space}").json()["used_bytes"])

    assert used() == len(source)
    yard.work()
    agent = yard.agent(build)
    agent.claim()
    agent.send(said("train", "x" * 500 + "\n", "running"))
    finish(yard, agent)
    assert used() == len(source) + 501
    assert [*recount_use(yard.registry.db)] == []
    yard.registry.db.write(lambda tx: tx.execute(models.update().values(build_bytes=1)))
    assert [*recount_use(yard.registry.db)] != []
    assert used() == len(source) + 501
    body = {"quota_bytes": 100}
    assert yard.door.call("PATCH", f"namespaces/{space}", json=body).status_code == 200
    refused = yard.submit(bundle=bundle, expect=409)
    assert refused["code"] == "quota_exceeded"


def test_old_builds_go_and_what_a_version_needs_stays(yard: Yard) -> None:  # noqa: F811
    db = yard.registry.db
    made, agent = yard.started()
    fill(agent, 14_000)
    finish(yard, agent)
    yard.door.register(yard.model, b"weights")
    db.write(lambda tx: tx.execute(versions.update().values(build=made["id"])))
    failed, second = yard.started()
    second.send(said("train", "no rows\n", "running"))
    second.end("failed", reason="no rows")
    # Its agent takes too long for its last words.
    yard.work(20)
    yard.work()
    running, third = yard.started()
    third.send(said("train", "still here\n", "running"))
    assert not db.write(lambda tx: retiring.retire_builds(tx, 90))
    assert count(yard, builds) == 3, "none is old"
    yard.clock.pass_seconds(91 * DAY)
    assert not db.write(lambda tx: retiring.retire_builds(tx, 0))
    assert count(yard, builds) == 3, "0 keeps them for ever"
    assert not db.write(lambda tx: retiring.retire_builds(tx, 90))
    uids = set(db.read(lambda tx: [row[0] for row in tx.rows(sa.select(builds.c.uid))]))
    assert uids == {made["id"], running["id"]}
    assert (yard.log(made), yard.log(running)) == ("", "still here\n")
    assert yard.show(made)["recipe"] != ""
    assert (count(yard, build_log_chunks), count(yard, build_attempts)) == (0, 2)
    assert yard.door.get(f"builds/{failed['id']}").status_code == 404
    # Without its version, the build is of no use either.
    db.write(lambda tx: tx.execute(versions.update().values(state="deleted")))
    db.write(lambda tx: retiring.retire_builds(tx, 90))
    assert count(yard, builds) == 1


def test_the_rules_of_the_bounds_fit_together() -> None:
    assert rules.OPEN_BYTES >= 2 * rules.PIECE_BYTES, "the last lines of a failed step are read from rows"
    assert rules.CHUNK_BYTES > rules.PIECE_BYTES


# --- pages ---------------------------------------------------------------------------------------------------


def test_pools_say_what_runs_and_why_others_wait(yard: Yard, pages: Visitor) -> None:  # noqa: F811
    for _ in range(2):
        yard.started()
    waiting = yard.submit()
    page = pages.html("/pools")
    assert "2 of 2" in page
    assert "all places of the pool are taken" in page
    assert waiting["id"][:12] in page
    stranger = Visitor.of(pages.door, yard.registry.user()).html("/pools")
    assert waiting["id"][:12] not in stranger, "others see the numbers alone"
    assert "Builds of models that you may not see" in stranger


def test_home_shows_builds_that_failed_this_week(yard: Yard, pages: Visitor) -> None:  # noqa: F811
    build, agent = yard.started()
    agent.end("failed", reason="step train: no rows")
    assert build["id"] in pages.html("/")
    yard.clock.pass_seconds(8 * DAY)
    assert build["id"] not in pages.html("/")


def test_the_list_counts_the_week_and_shows_each_step(yard: Yard, pages: Visitor) -> None:  # noqa: F811
    _, agent = yard.started()
    agent.send(said("provision", "", "ok"), said("source", "", "failed"))
    agent.end("failed", reason="step source: gone")
    page = pages.html("/builds")
    assert "1 of 1" in page
    assert (page.count('class="known"'), page.count('class="broke"')) == (1, 1)


def test_a_form_makes_a_schedule_of_a_build(yard: Yard, pages: Visitor) -> None:  # noqa: F811
    build = yard.submit()
    place = f"/schedules/new?build={build['id']}"
    assert f'value="{build["id"]}" selected' in pages.html(place)
    wrong = pages.send(place, "/schedules/new", build=build["id"], kind="cron", value="often")
    assert (wrong.status_code, 'value="often"' in wrong.text) == (400, True)
    for params, words in (("depth", "is not of the form name=value"), ("dept=8", "did you mean")):
        wrong = pages.send(place, "/schedules/new", build=build["id"], kind="every", value="6h", params=params)
        assert (wrong.status_code, f">{params}</textarea>" in wrong.text, words in wrong.text) == (
            400,
            True,
            True,
        )
    made = pages.send(
        place,
        "/schedules/new",
        build=build["id"],
        kind="every",
        value="6h",
        zone="Europe/Berlin",
        pause_after="5",
        params="depth = 8\r\n\r\n",
    )
    assert made.status_code == 303, made.text
    found = yard.door.get("schedules").json()["items"][0]
    assert (found["words"], found["pause_after"], found["model"]) == ("every 6 hours", 5, yard.model)
    assert found["params"] == {"depth": 8}


def test_a_build_shows_what_changed_in_data_and_packages(yard: Yard) -> None:  # noqa: F811
    old, new = (
        {"python": "3.11", "packages": {"numpy": "1.26", "six": "1"}},
        {"python": "3.12", "packages": {"numpy": "2.0"}},
    )
    found = [(each.what, each.before, each.after) for each in rules.list_environment_changes(old, new)]
    assert found == [("python", "3.11", "3.12"), ("package numpy", "1.26", "2.0"), ("package six", "1", "")]
