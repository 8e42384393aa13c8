"""Withheld bytes on both databases: no route gives them, none takes them, they go, and nothing else is accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.blobs.memory import MemoryStore
from modelyard.db.engine import Database
from modelyard.db.tables import blob_facts, blobs, events, withheld_bytes
from modelyard.db.tables.uploads import LIVE, WITHHELD
from modelyard.domain.digest import Digest
from modelyard.registry.quarantine import scanning
from modelyard.registry.redaction import withholding
from modelyard.registry.retention import usecases as retention
from modelyard.sdk.datasets import describe
from modelyard.server.backup import back_up, restore
from tests.contract.test_redaction import check, export, ok, verify
from tests.support.door import Door, assert_problem, digest_of
from tests.support.held import GIVING, gives_bytes, held_in, walk
from tests.support.jobs import finish_scans
from tests.support.registry import Registry, ref, unique

REASON = "an API key stands in it"
RUN = "ac" * 16


def push(door: Door, model: str, files: dict[str, bytes], **body: Any) -> Any:
    sent = [{**door.send(data), "path": path} for path, data in files.items()]
    return ok(door.call("POST", f"models/{model}/versions", json={"files": sent, **body}))


def withhold(door: Door, holder: str, path: str, reason: str = REASON) -> Any:
    return door.call("POST", "withheld", json={"holder": holder, "path": path, "reason": reason})


def put_back(door: Door, data: bytes) -> None:
    """The bytes lie in the store again, as after a kill before they were removed, or from a copy of the folder."""
    door.registry.blobs.put([data], Digest.of(data))


def change_directly(door: Door, statement: sa.Executable) -> None:
    """A change that the server knows nothing of."""
    with door.registry.db.connect_for_migration() as connection:
        assert connection.execute(statement).rowcount in (1, -1)  # type: ignore[attr-defined]


def collect(door: Door, *, dry_run: bool = False) -> retention.Collection:
    registry = door.registry
    return retention.collect(registry.db, registry.blobs, registry.root, dry_run=dry_run)


def new_event(door: Door) -> int:
    head = sa.select(sa.func.max(events.c.seq))
    return int(door.registry.db.read(lambda tx: tx.execute(head).scalar_one()))


def keeps_state(door: Door, digest: str) -> str | None:
    query = sa.select(blobs.c.state).where(blobs.c.digest == digest)
    return door.registry.db.read(lambda tx: tx.execute(query).scalar_one_or_none())


@pytest.fixture
def secret() -> bytes:
    return f"TOKEN={unique('leaked-word-')}\n".encode()


@pytest.fixture
def version(door: Door, model: str, secret: bytes) -> str:
    push(door, model, {"model.bin": unique("weights").encode(), "config/settings.env": secret})
    return f"{model}:1"


# --- what is given -----------------------------------------------------------------------------------


def test_no_route_gives_what_is_withheld(door: Door) -> None:
    """Every route that gives bytes, in all ways of asking, with the bytes still in the store."""
    marker, space = unique("leaked-marker-"), unique("leak")
    model = f"{space}/scorer"
    readme, data = (f"# Purpose\n{marker} {what}\n".encode() for what in ("readme", "data"))
    described = describe({marker: [1, 2, 3], "town": [marker] * 3}, name="rows")
    profile = described.profile
    assert profile is not None
    door.send(profile)
    entry = {"name": "rows", "digest": described.digest, "profile": digest_of(profile)}
    facts = {"data": [entry]}
    made = push(door, model, {"README.md": readme, "model.pkl": data}, aliases=["champion"], facts=facts)
    ok(door.call("PUT", f"runs/{RUN}", json={"experiment": f"{space}/training"}))
    artifacts = [{"path": "model.pkl", "digest": digest_of(data), "size_bytes": len(data)}]
    frame = {"artifacts": artifacts, "inputs": [entry]}
    ok(door.call("POST", f"runs/{RUN}/records", json={"writer": "w", "first": 1, "frames": [frame]}))
    finish_scans(door.registry.db, door.registry.blobs)
    named = [described.digest, described.digest[7:15]]
    held = held_in(space, marker, version=made["digest"], run=RUN, datasets=named)
    assert any("gives what is held" in line for line in walk(door, GIVING, held)), (
        "the walk finds what is given"
    )
    ok(withhold(door, f"{model}:1", "README.md"))
    assert ok(withhold(door, f"run:{RUN}", "model.pkl"))["also"] == [f"{model}:1 model.pkl"]
    ok(withhold(door, f"dataset:{space}/rows@{described.digest[7:15]}", "profile"))
    for each in (readme, data, profile):
        assert door.registry.blobs.stat(Digest.of(each)) is None, "the bytes went at once"
        put_back(door, each)
    assert walk(door, GIVING, held) == []
    paths = [
        f"models/{model}/versions/1/files/README.md",
        f"models/{model}/versions/1/card",
        f"runs/{RUN}/artifacts/model.pkl",
        f"namespaces/{space}/datasets/rows/newest/profile",
    ]
    for path in paths:
        answer = door.get(path)
        problem = assert_problem(answer, 410, "file_withheld")
        assert REASON in problem["detail"]
        assert problem["fields"]["by"] == "root"
        assert str(problem["fields"]["event"]) in problem["detail"]
    # The card is given as JSON, and bundles only to the agents of builds.
    giving = {spec.operation for spec in GIVING if gives_bytes(spec)} - {"get_bundle"}
    assert len(giving) == len(paths) - 1
    assert ok(door.get(f"models/{model}/versions/1/bom"))["bomFormat"] == "CycloneDX"


def test_what_is_not_withheld_is_served_and_the_manifest_stays(door: Door, version: str, secret: bytes) -> None:
    at = f"models/{version.replace(':', '/versions/')}"
    manifest = door.get(f"{at}/manifest")
    done = ok(withhold(door, version, "config/settings.env"))
    assert (done["digest"], done["size_bytes"], done["also"]) == (digest_of(secret), len(secret), [])
    event = new_event(door)
    again = door.get(f"{at}/manifest")
    assert (again.status_code, again.content) == (200, manifest.content)
    assert door.get(f"{at}/files/model.bin").status_code == 200
    shown = ok(door.get(at))
    (file,) = shown["withheld"]
    assert (file["path"], file["event"], file["by"]) == ("config/settings.env", event, "root")
    assert (file["digest"], file["reason"]) == (digest_of(secret), REASON)
    assert "1 of its files is withheld" in shown["warning"]
    resolved = ok(door.get("resolve", params={"ref": version}))
    assert resolved["withheld"] == shown["withheld"]
    assert "1 of its files is withheld" in resolved["warning"]
    (listed,) = ok(door.get(f"models/{version.partition(':')[0]}/versions"))["items"]
    assert "1 of its files is withheld" in listed["warning"]
    (kept,) = ok(door.get(f"namespaces/{version.partition('/')[0]}/withheld"))["items"]
    assert (kept["holder"], kept["path"], kept["event"]) == (version, "config/settings.env", event)
    history = ok(door.get(f"models/{version.partition(':')[0]}/history"))["items"]
    assert history[0]["kind"] == "content.withheld"
    assert history[0]["version"] == 1
    assert_problem(withhold(door, version, "config/settings.env"), 410, "file_withheld")


def test_a_withheld_card_is_found_by_no_search(door: Door, model: str) -> None:
    word = unique("zanzibar")
    push(door, model, {"README.md": f"# Purpose\n{word} in prose\n".encode()})
    found = ok(door.get("models", params={"q": word}))["items"]
    assert [each["name"] for each in found] == [model]
    ok(withhold(door, f"{model}:1", "README.md"))
    assert ok(door.get("models", params={"q": word}))["items"] == []
    assert door.registry.db.read(lambda tx: tx.rows(sa.select(blob_facts.c.facts))) == [
        row
        for row in door.registry.db.read(lambda tx: tx.rows(sa.select(blob_facts.c.facts)))
        if word not in row[0]
    ]
    at = f"models/{model}/versions/1"
    assert_problem(door.get(f"{at}/card"), 410, "file_withheld")
    ok(door.call("PUT", f"{at}/card", json={"text": "# Purpose\nwithout it\n"}))
    assert "without it" in door.get(f"{at}/card").text
    assert_problem(door.get(f"{at}/card", params={"number": 0}), 410, "file_withheld")


def test_a_card_that_took_its_place_is_still_searched(door: Door, model: str) -> None:
    word, other = unique("zanzibar"), unique("marmalade")
    push(door, model, {"README.md": f"# Purpose\n{word}\n".encode()})
    push(door, model, {"README.md": f"# Purpose\n{other}\n".encode()})
    ok(withhold(door, f"{model}:1", "README.md"))
    assert [each["name"] for each in ok(door.get("models", params={"q": other}))["items"]] == [model]


# --- what is taken -----------------------------------------------------------------------------------


def test_the_same_bytes_are_refused_on_every_way_in(door: Door, version: str, secret: bytes) -> None:
    digest, space = digest_of(secret), unique("other")
    started = ok(door.call("POST", "uploads", json={"digest": digest, "size_bytes": len(secret)}))
    sent = door.call("PATCH", f"uploads/{started['id']}", content=secret, headers={"upload-offset": "0"})
    assert sent.status_code < 300, sent.text
    ok(withhold(door, version, "config/settings.env"))
    user = door.registry.user()
    other = door.as_(door.token_of(user))
    known = {"digest": digest, "size_bytes": len(secret)}
    entry = {**known, "path": "again.env"}
    ok(other.call("POST", "namespaces", json={"name": space}))
    ok(other.call("PUT", f"runs/{'ef' * 16}", json={"experiment": f"{space}/training"}))
    frame = {"artifacts": [entry]}
    answers = [
        door.call("POST", f"uploads/{started['id']}/finish"),
        other.call("POST", "blobs/missing", json={"blobs": [known]}),
        other.call("PUT", f"blobs/{digest}", content=secret),
        other.call("POST", f"models/{space}/scorer/versions", json={"files": [entry]}),
    ]
    # A run goes on without the file: its metrics and its log are worth more.
    stored = ok(
        other.call("POST", f"runs/{'ef' * 16}/records", json={"writer": "w", "first": 1, "frames": [frame]})
    )
    assert any("'again.env' was left out" in note and REASON in note for note in stored["notes"])
    assert ok(other.get(f"runs/{'ef' * 16}"))["artifacts"] == []
    for answer in answers[1:]:
        problem = assert_problem(answer, 409, "bytes_withheld")
        assert REASON in problem["detail"]
        assert digest in problem["detail"]
        assert version not in answer.text, "where it was found is not for everybody"
    assert answers[0].status_code in (404, 409), answers[0].text
    assert door.registry.blobs.stat(Digest(digest)) is None
    assert keeps_state(door, digest) == WITHHELD
    collect(door)
    assert door.registry.blobs.stage(started["id"]).size() == 0, "what was on its way went too"
    later = ok(door.call("POST", "uploads", json={"digest": digest, "size_bytes": len(secret)}))
    ok(door.call("PATCH", f"uploads/{later['id']}", content=secret, headers={"upload-offset": "0"}))
    assert_problem(door.call("POST", f"uploads/{later['id']}/finish"), 409, "bytes_withheld")
    assert door.registry.blobs.stage(later["id"]).size() == 0, "nothing of it is kept"
    assert_problem(door.get(f"uploads/{later['id']}"), 404, "upload_not_found")


def test_bytes_that_came_while_they_were_withheld_are_not_known(
    door: Door, version: str, secret: bytes
) -> None:
    """The withholding commits between the first look at the digest and the end of the upload."""
    registry, put = door.registry, door.registry.blobs.put

    def put_and_withhold(*arguments: Any, **options: Any) -> int:
        ok(withhold(door, version, "config/settings.env"))
        return int(put(*arguments, **options))

    registry.blobs.put = put_and_withhold  # type: ignore[method-assign]
    try:
        answer = door.call("PUT", f"blobs/{digest_of(secret)}", content=secret)
    finally:
        del registry.blobs.put  # type: ignore[method-assign]
    assert_problem(answer, 409, "bytes_withheld")
    assert registry.blobs.stat(Digest.of(secret)) is not None
    assert collect(door).withheld == 1
    assert registry.blobs.stat(Digest.of(secret)) is None


def test_the_same_files_make_no_other_version(door: Door, version: str, secret: bytes) -> None:
    model = version.partition(":")[0]
    files = ok(door.get(f"models/{model}/versions/1/files"))["items"]
    entries = [{key: file[key] for key in ("path", "digest", "size_bytes")} for file in files]
    ok(withhold(door, version, "config/settings.env"))
    same = door.call("POST", f"models/{model}/versions", json={"files": entries})
    assert (same.status_code, same.json()["version"]) == (200, 1)
    other = {"files": entries, "facts": {"params": {"n": 1}}}
    assert_problem(door.call("POST", f"models/{model}/versions", json=other), 409, "bytes_withheld")
    assert_problem(
        door.call("POST", f"models/{model}/versions", json={"files": entries, "force_new": True}),
        409,
        "bytes_withheld",
    )


# --- who may -----------------------------------------------------------------------------------------


def test_who_may_and_what_is_refused(door: Door, version: str) -> None:
    space = version.partition("/")[0]
    assert_problem(withhold(door, version, "config/settings.env", " "), 400, "invalid")
    assert_problem(withhold(door, version, "nothing.env"), 404, "file_not_found")
    assert_problem(withhold(door, f"{space}/scorer:9", "model.bin"), 404, "version_not_found")
    assert_problem(withhold(door, f"run:{'0' * 32}", "model.bin"), 404, "run_not_found")
    push(door, f"{space}/empty", {"__init__.py": b""})
    assert_problem(withhold(door, f"{space}/empty:1", "__init__.py"), 400, "invalid")
    user = door.registry.user()
    other = door.as_(door.token_of(user))
    assert_problem(withhold(other, version, "config/settings.env"), 404, "model_not_found")
    ok(door.call("PUT", f"namespaces/{space}/members/{user.name}", json={"role": "maintainer"}))
    assert_problem(withhold(other, version, "config/settings.env"), 403, "denied")
    ok(door.call("PUT", f"namespaces/{space}/members/{user.name}", json={"role": "owner"}))
    ok(withhold(other, version, "config/settings.env"))


def test_an_owner_takes_no_bytes_from_others_and_an_admin_does(door: Door, secret: bytes) -> None:
    theirs, mine = f"{unique('theirs')}/scorer", f"{unique('mine')}/scorer"
    push(door, theirs, {"shared.env": secret})
    user = door.registry.user()
    other = door.as_(door.token_of(user))
    ok(other.call("POST", "namespaces", json={"name": mine.partition("/")[0]}))
    push(other, mine, {"copy.env": secret})
    refused = assert_problem(withhold(other, f"{mine}:1", "copy.env"), 403, "denied")
    assert f"modelyard redact {mine}:1 --file copy.env" in refused["fix"]
    assert theirs not in str(refused)
    assert door.get(f"models/{theirs}/versions/1/files/shared.env").content == secret
    assert keeps_state(door, digest_of(secret)) == LIVE
    assert ok(withhold(door, f"{mine}:1", "copy.env"))["also"] == [f"{theirs}:1 shared.env"]
    assert_problem(door.get(f"models/{theirs}/versions/1/files/shared.env"), 410, "file_withheld")
    ((body,),) = door.registry.db.read(
        lambda tx: tx.rows(sa.select(events.c.body).where(events.c.seq == new_event(door)))
    )
    assert theirs not in body, "the event is read by the auditors of the one namespace"


# --- what goes, and what counts as damage ------------------------------------------------------------


def test_bytes_that_were_not_removed_are_not_served_and_the_next_collection_takes_them(
    door: Door, version: str, secret: bytes
) -> None:
    """The process ended after the commit and before the bytes went."""
    registry = door.registry
    registry.db.write(
        lambda tx: withholding.withhold_file(tx, registry.root, version, "config/settings.env", REASON)
    )
    assert registry.blobs.stat(Digest.of(secret)) is not None
    at = f"models/{version.replace(':', '/versions/')}/files/config/settings.env"
    assert_problem(door.get(at), 410, "file_withheld")
    assert collect(door, dry_run=True).withheld == 1
    assert collect(door).withheld == 1
    assert registry.blobs.stat(Digest.of(secret)) is None
    assert collect(door).withheld == 0
    assert keeps_state(door, digest_of(secret)) == WITHHELD


def test_withheld_bytes_are_no_damage_and_no_quarantine(door: Door, model: str, secret: bytes) -> None:
    registry = door.registry
    push(door, model, {"model.bin": unique().encode(), "settings.env": secret})
    ok(withhold(door, f"{model}:1", "settings.env"))
    assert retention.verify_version(registry.db, registry.blobs, registry.root, ref(f"{model}:1")) == []
    *_, last = retention.scrub(registry.db, registry.blobs, registry.root)
    assert Digest.of(secret) not in [damage.digest for damage in last.damage]
    scanning.scan_again(registry.db, registry.blobs, registry.root, ref(f"{model}:1"))
    finish_scans(registry.db, registry.blobs)
    shown = ok(door.get(f"models/{model}/versions/1"))
    assert (shown["scan"], shown["quarantined"]) == ("no_code", False)


def test_a_scan_that_was_not_finished_holds_up_no_version(door: Door, version: str, secret: bytes) -> None:
    change_directly(door, blobs.update().where(blobs.c.digest == digest_of(secret)).values(scan=None))
    ok(withhold(door, version, "config/settings.env"))
    scanning.scan_again(door.registry.db, door.registry.blobs, door.registry.root, ref(version))
    assert ok(door.get(f"models/{version.replace(':', '/versions/')}"))["scan"] == "no_code"


# --- stages ------------------------------------------------------------------------------------------


def test_a_version_with_withheld_files_enters_no_stage_and_stays_where_it_stands(
    door: Door, model: str, secret: bytes
) -> None:
    for n in (1, 2):
        push(door, model, {"model.bin": unique().encode(), "settings.env": secret + bytes([n])})

    def promote(number: int, stage: str, **more: Any) -> Any:
        body = {"version": number, "stage": stage, **more}
        return door.call("POST", f"models/{model}/promotions", json=body)

    ok(promote(1, "staging"))
    for n in (1, 2):
        ok(withhold(door, f"{model}:{n}", "settings.env"))
    for answer in (promote(2, "staging"), promote(2, "staging", dry_run=True), promote(1, "production")):
        problem = assert_problem(answer, 409, "files_withheld")
        assert "settings.env" in problem["detail"]
    assert ok(door.get(f"models/{model}/aliases/staging"))["version"] == 1
    push(door, model, {"model.bin": unique().encode()})
    ok(promote(3, "staging"))
    back = door.call("POST", f"models/{model}/stages/staging/rollback", json={"reason": "back"})
    assert_problem(back, 409, "files_withheld")


# --- audit -------------------------------------------------------------------------------------------


def strange(door: Door, digest: str) -> list[str]:
    return [
        each["problem"] if isinstance(each, dict) else str(each) for each in check(door) if digest in str(each)
    ]


def test_audit_accepts_exactly_what_was_withheld(door: Door, version: str, secret: bytes) -> None:
    digest = digest_of(secret)
    before = check(door)
    queries = ({}, {"model": version.partition(":")[0]}, {"kind": ["content.withheld"]})
    # Other tests redact events of the same log.
    redacted = [verify(export(door, **query)).redacted for query in queries]
    ok(withhold(door, version, "config/settings.env"))
    assert check(door) == before
    for query, count in zip(queries, redacted, strict=True):
        report = verify(export(door, **query))
        assert report.ok, report.problems
        assert report.redacted == count
    proof = door.get(f"audit/events/{new_event(door)}/proof")
    assert verify(proof.content.splitlines(keepends=True)).ok
    row = withheld_bytes.c.digest == digest
    whole = door.registry.db.read(
        lambda tx: dict(tx.execute(sa.select(withheld_bytes).where(row)).mappings().one())
    )
    # Each of these is a change that bypasses the server: reported, and no longer reported when it is taken back.
    known = blobs.c.digest == digest
    changes: list[tuple[sa.Executable, sa.Executable, str]] = [
        (
            withheld_bytes.delete().where(row),
            withheld_bytes.insert().values(whole),
            f"row {digest} of withheld_bytes is gone",
        ),
        (
            withheld_bytes.update().where(row).values(reason="another"),
            withheld_bytes.update().where(row).values(reason=REASON),
            f"row {digest} of withheld_bytes is not what",
        ),
        (
            blobs.update().where(known).values(state=LIVE),
            blobs.update().where(known).values(state=WITHHELD),
            f"the bytes {digest} are withheld, but",
        ),
    ]
    for change, back, words in changes:
        change_directly(door, change)
        assert any(words in str(problem) for problem in check(door)), words
        change_directly(door, back)
        assert check(door) == before


def test_audit_finds_a_withholding_without_an_event_and_bytes_gone_without_one(
    door: Door, version: str, secret: bytes
) -> None:
    digest, before = digest_of(secret), check(door)
    row = {
        "digest": digest,
        "namespace": version.partition("/")[0],
        "holder": version,
        "path": "config/settings.env",
        "reason": "none",
        "at": 1,
        "actor_id": door.registry.root.id,
    }
    known = blobs.c.digest == digest
    change_directly(door, withheld_bytes.insert().values(row))
    change_directly(door, blobs.update().where(known).values(state=WITHHELD))
    assert any(f"row {digest} of withheld_bytes was written by no event" in str(each) for each in check(door))
    at = f"models/{version.replace(':', '/versions/')}"
    answer = assert_problem(door.get(f"{at}/files/config/settings.env"), 410, "file_withheld")
    assert answer["fields"]["event"] is None
    change_directly(door, withheld_bytes.delete().where(withheld_bytes.c.digest == digest))
    assert any(f"says that {digest} is withheld" in str(each) for each in check(door))
    assert_problem(door.get(f"{at}/files/config/settings.env"), 410, "file_withheld")
    saved = door.registry.db.read(lambda tx: dict(tx.execute(sa.select(blobs).where(known)).mappings().one()))
    change_directly(door, blobs.delete().where(known))
    assert any(f"config/settings.env of {version} are gone" in str(each) for each in check(door))
    change_directly(door, blobs.insert().values({**saved, "state": LIVE}))
    assert check(door) == before


# --- backup ------------------------------------------------------------------------------------------


def test_a_backup_carries_no_withheld_bytes_and_a_restored_one_withholds(
    registry: Registry, door: Door, version: str, secret: bytes, tmp_path: Path
) -> None:
    folder, hexadecimal = tmp_path / "backup", digest_of(secret).removeprefix("sha256:")
    back_up(registry.db, registry.blobs, folder)

    def copies() -> list[Path]:
        return [path for path in folder.rglob("*") if path.is_file() and hexadecimal in path.name]

    assert copies(), "the earlier backup has them"
    ok(withhold(door, version, "config/settings.env"))
    put_back(door, secret)
    back_up(registry.db, registry.blobs, folder)
    assert copies() == []
    assert not any(secret in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    db, store = Database(f"sqlite:///{tmp_path / 'restored.db'}"), MemoryStore()
    restore(folder, db, store)
    # A copy of the bytes comes into the folder of the restored registry: the row decides.
    store.put([secret], Digest.of(secret))
    assert retention.collect(db, store, registry.root, dry_run=False).withheld == 1
    assert store.stat(Digest.of(secret)) is None
    query = sa.select(blobs.c.state).where(blobs.c.digest == digest_of(secret))
    assert db.read(lambda tx: tx.execute(query).scalar_one()) == WITHHELD
    db.close()
