"""Promotion as a new team meets it: the command line and the HTTP door of a real server."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelyard.cli.errors import INTERRUPTED
from modelyard.domain.errors import Refused
from modelyard.sdk.client import Client
from modelyard.sdk.promotion import attempt_of
from tests.support.registry import unique
from tests.support.server import RunningServer

POLICY = """\
version: 1
promote:
  - {to: development, rules: []}
  - {to: staging, rules: []}
  - to: production
    rules:
      - metric: {name: f1, min: 0.7}
      - champion: {metric: f1, tolerance: 0.005}
      - check: {name: unit-tests}
      - check: {name: bias-report}
      - approvals: {count: 2}
      - approvals: {group: GROUP, count: 1}
      - card: {sections: [purpose, performance, limitations, intended use, ethics], min_words: 3}
"""
CARD = "\n".join(
    f"# {section}\nWords enough about the {section} of this model.\n"
    for section in ("Purpose", "Performance", "Limitations", "Intended use", "Ethics")
)


@dataclass
class People:
    """Accounts of a new team and their tokens."""

    server: RunningServer
    namespace: str
    group: str
    tokens: dict[str, str]

    def run(self, who: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {"MODELYARD_URL": self.server.url, "MODELYARD_TOKEN": self.tokens[who]}
        return self.server.run(*arguments, env=environment, cwd=cwd)

    def client(self, who: str) -> Client:
        return self.server.client(self.tokens[who])


@pytest.fixture
def people(server: RunningServer) -> Iterator[People]:
    admin = server.client()
    namespace, group = unique("team"), unique("risk")
    admin.namespaces.create(namespace)
    admin.accounts.create(group, kind="group")
    tokens = {"admin": server.token}
    for who, role in (
        ("owner", "owner"),
        ("lead", "maintainer"),
        ("dana", "contributor"),
        ("rick", "reader"),
        ("rita", None),
        ("eve", None),
    ):
        name = unique(who)
        admin.accounts.create(name)
        tokens[who] = admin.tokens.create("test", owner=name).token
        if role:
            admin.namespaces.grant(namespace, name, role)
        if who == "rita":
            admin.groups.add(group, name)
    yield People(server, namespace, group, tokens)
    admin.close()


def test_a_new_team_promotes_is_refused_and_rolls_back(people: People, tmp_path: Path) -> None:
    model = f"{people.namespace}/scorer"
    (tmp_path / "policy.yaml").write_text(POLICY.replace("GROUP", people.group))
    (tmp_path / "README.md").write_text(CARD)
    weights = tmp_path / "model"
    weights.mkdir()

    def run(who: str, *arguments: str, code: int = 0) -> str:
        done = people.run(who, *arguments, cwd=tmp_path)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done.stdout

    def push(f1: float) -> None:
        (weights / "w.bin").write_bytes(f"weights {f1}".encode())
        run("dana", "push", str(weights), model, "--metric", f"f1={f1}")

    run("owner", "policy", "set", people.namespace, "policy.yaml")
    push(0.8)

    # Refused, with five reasons, each with the command that meets it.
    attempt = json.loads(run("lead", "promote", f"{model}:1", "production", "--json", code=3))
    assert attempt["outcome"] == "refused"
    unmet = [r for r in attempt["verdict"]["results"] if r["outcome"] in ("fail", "unknown")]
    assert [r["rule"] for r in unmet] == [
        "check-unit-tests",
        "check-bias-report",
        "approvals",
        f"approvals-{people.group}",
        "card",
    ]
    assert run("rick", "stages", model).splitlines()[2].split("\t")[:2] == ["production", "-"]
    voters = iter(["owner", "rita"])
    for result in unmet:
        words = shlex.split(result["fix"])
        assert words[0] == "modelyard"
        run(next(voters) if words[1] == "approve" else "dana", *words[1:])
    again = run("lead", "promote", f"{model}:1", "production")
    assert again.splitlines()[-1].endswith("promoted")

    # A worse one is stored, and refused.
    push(0.75)
    refused = people.run("lead", "promote", f"{model}:2", "production", cwd=tmp_path)
    assert refused.returncode == 3
    assert "version 1 has 0.8, reported by " in refused.stdout
    assert run("rick", "resolve", f"{model}@production").startswith(f"{model}:1\t")

    # A better one goes in, and back out again.
    push(0.9)
    number = json.loads(run("dana", "promote", f"{model}:3", "production", "--request", "--json"))["promotion"][
        "id"
    ]
    for who in ("owner", "rita"):
        run(who, "approve", str(number))
    for name in ("unit-tests", "bias-report"):
        run("dana", "check", "report", f"{model}:3", name, "pass", "--url", "https://ci.example.org/3")
    run("dana", "card", "set", f"{model}:3", "README.md")
    run("lead", "promote", f"{model}:3", "production", "--reason", "better")
    assert run("rick", "resolve", f"{model}@production").startswith(f"{model}:3\t")
    back = run("lead", "rollback", model, "production", "--reason", "error rate doubled")
    assert f"3 → 1 (undid promotion {number})" in back
    assert run("rick", "resolve", f"{model}@production").startswith(f"{model}:1\t")

    history = [line.split("\t") for line in run("rick", "history", model, "--stage", "production").splitlines()]
    assert [line[1] for line in history] == [f"{model}:1", f"{model}:3", f"{model}:1"]
    at = history[1][0]
    then = json.loads(run("rick", "history", model, "--stage", "production", "--at", at, "--json"))
    assert (then[0]["after_primary"], len(then[0]["votes"])) == (3, 2)

    # What would a stricter policy have said?
    (tmp_path / "new.yaml").write_text(POLICY.replace("GROUP", people.group).replace("min: 0.7", "min: 0.85"))
    test = json.loads(run("rick", "policy", "test", people.namespace, "new.yaml", "--since", "1d", "--json"))
    differing = [item for item in test["items"] if item["differs"]]
    assert [(item["reference"], item["allowed_then"], item["allowed_now"]) for item in differing] == [
        (f"{model}:1", True, False)
    ]


def test_a_policy_to_begin_with_is_lawful(people: People, tmp_path: Path) -> None:
    assert people.run("owner", "policy", "init", cwd=tmp_path).returncode == 0
    assert people.run("owner", "policy", "init", cwd=tmp_path).returncode == 2
    told = people.run("owner", "policy", "set", people.namespace, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "The gate to production only warns and holds nothing back" in told.stderr
    file = next(tmp_path.glob("*.yaml"))
    file.write_text(file.read_text().replace("mode: warn", "mode: block"))
    assert (
        "holds nothing back" not in people.run("owner", "policy", "set", people.namespace, cwd=tmp_path).stderr
    )
    done = people.run("owner", "policy", "check", people.namespace, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "modelyard-policy.yaml").write_text("version: 1\npromote:\n  - to: production\n    rulez: []\n")
    wrong = people.run("owner", "policy", "check", people.namespace, cwd=tmp_path)
    assert wrong.returncode == 2
    assert "line 4" in wrong.stderr
    assert "did you mean 'rules'" in wrong.stderr


def test_waiting_ends_when_the_last_answer_comes_or_waiting_cannot_help(people: People) -> None:
    import threading

    model = f"{people.namespace}/waiting"
    owner, dana = people.client("owner"), people.client("dana")
    owner.policies.set(
        people.namespace,
        "version: 1\npromote:\n  - {to: development, rules: []}\n  - {to: staging, rules: []}\n"
        "  - to: production\n    rules: [{check: {name: ci}}, {metric: {name: f1, min: 0.5}}]\n",
    )
    one = _version(dana, model, 0.9)
    later = threading.Timer(1.0, lambda: people.client("dana").checks.report(one, "ci", "pass"))
    later.start()
    assert owner.promotions.promote(one, "production", wait_seconds=60).outcome == "done"
    later.join()
    two = _version(dana, model, 0.1)
    with pytest.raises(Refused) as refused:
        owner.promotions.promote(two, "production", wait_seconds=600)
    assert [r.rule for r in attempt_of(refused.value).verdict.results if r.outcome == "fail"] == ["metric-f1"]


def test_the_server_completes_by_itself_what_the_policy_completes(people: People) -> None:
    import time

    model = f"{people.namespace}/auto"
    owner, dana = people.client("owner"), people.client("dana")
    owner.policies.set(
        people.namespace,
        "version: 1\npromote:\n  - {to: development, rules: []}\n  - {to: staging, rules: []}\n"
        "  - {to: production, complete: automatically, rules: [{check: {name: ci}}]}\n",
    )
    reference = _version(dana, model, 0.9)
    assert owner.promotions.request(reference, "production").outcome == "open"
    dana.checks.report(reference, "ci", "pass")
    end = time.monotonic() + 30
    while owner.promotions.stages(model).items[2].primary is None and time.monotonic() < end:
        time.sleep(0.3)
    assert owner.promotions.stages(model).items[2].primary == 1


def _version(client: Client, model: str, f1: float) -> str:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "w.bin").write_bytes(unique("weights").encode())
        return client.push(folder, model, metrics={"f1": f1}, capture=False).reference


def test_signing_and_junit(people: People, tmp_path: Path) -> None:
    public = people.run("owner", "key", "create", str(tmp_path / "k.pem")).stdout.strip()
    assert (tmp_path / "k.pem").stat().st_mode & 0o777 == 0o600
    owner = people.client("owner")
    owner.policies.set(
        people.namespace,
        "version: 1\npromote:\n  - {to: development, rules: []}\n  - {to: staging, rules: []}\n"
        f"  - {{to: production, rules: [{{attestation: {{keys: {{release: {public}}}}}}}, {{check: {{name: unit}}}}]}}\n",
    )
    reference = _version(people.client("dana"), f"{people.namespace}/signed", 0.9)
    (tmp_path / "bad.xml").write_text(
        '<testsuites><testsuite><testcase classname="a" name="b"><failure/></testcase>'
        '<testcase name="c"/></testsuite></testsuites>'
    )
    (tmp_path / "good.xml").write_text('<testsuite><testcase name="c"/></testsuite>')
    (tmp_path / "empty.xml").write_text("<testsuite/>")
    (tmp_path / "bomb.xml").write_text('<!DOCTYPE x [<!ENTITY a "b">]><testsuite/>')
    for name, state in (("bad", "fail"), ("empty", "error"), ("good", "pass")):
        done = people.run("dana", "check", "junit", reference, "unit", str(tmp_path / f"{name}.xml"))
        assert done.stdout.split("\t")[1] == state, done.stderr
    assert people.run("dana", "check", "junit", reference, "unit", str(tmp_path / "bomb.xml")).returncode == 2
    assert people.run("lead", "promote", reference, "production").returncode == 3
    signed = people.run("dana", "attest", reference, "--key", str(tmp_path / "k.pem"))
    assert signed.returncode == 0, signed.stderr
    assert people.run("lead", "promote", reference, "production").returncode == 0


# --- no role and no door goes round a gate --------------------------------------------------------------

ROLES = ("eve", "rita", "rick", "dana", "lead", "owner", "admin")

# What each role is told, in the order of ROLES. 409 is the gate, or the protected alias, saying no; 202 is a
# request that waits, and moves nothing.
VERBS: dict[str, tuple[str, str, dict[str, Any] | None, tuple[int, ...]]] = {
    "promote": (
        "POST",
        "promotions",
        {"version": 1, "stage": "production"},
        (404, 404, 403, 403, 409, 409, 409),
    ),
    "request": (
        "POST",
        "promotions",
        {"version": 1, "stage": "production", "request": True},
        (404, 404, 403, 202, 202, 202, 202),
    ),
    "set alias": ("PUT", "aliases/production", {"version": 1}, (404, 404, 403, 409, 409, 409, 409)),
    "set alias by target": ("PUT", "aliases/production", {"target": "1"}, (404, 404, 403, 409, 409, 409, 409)),
    "remove alias": ("DELETE", "aliases/staging", None, (404, 404, 403, 409, 409, 409, 409)),
    "roll back to what never stood there": (
        "POST",
        "stages/production/rollback",
        {"reason": "x", "to": 1},
        (404, 404, 403, 403, 409, 409, 409),
    ),
    "promote for good": (
        "POST",
        "promotions",
        {"version": 1, "stage": "production", "keep_open": False},
        (404, 404, 403, 403, 409, 409, 409),
    ),
}


@pytest.mark.parametrize("verb", VERBS)
def test_no_role_goes_round_a_gate(people: People, verb: str) -> None:
    owner = people.client("owner")
    model = f"{people.namespace}/gated"
    _version(owner, model, 0.9)
    owner.policies.set(
        people.namespace,
        "version: 1\npromote:\n  - {to: development, rules: []}\n  - {to: staging, rules: []}\n"
        "  - {to: production, rules: [{check: {name: never, by: [nobody]}, waivable: false}]}\n",
    )
    owner.promotions.promote(f"{model}:1", "staging")
    method, path, body, expected = VERBS[verb]
    found = tuple(_status(people, who, method, f"/api/v1/models/{model}/{path}", body) for who in ROLES)
    assert found == expected
    registered = {"files": [], "aliases": ["production"]}
    files = owner.versions.files(f"{model}:1")
    registered["files"] = [{"path": f.path, "digest": f.digest, "size_bytes": f.size_bytes} for f in files]
    for who, status in zip(ROLES, (404, 404, 403, 409, 409, 409, 409), strict=True):
        assert _status(people, who, "POST", f"/api/v1/models/{model}/versions", registered) == status, who
    standing = {s.name: s.primary for s in owner.promotions.stages(model).items}
    assert standing == {"development": None, "staging": 1, "production": None}


def _status(people: People, who: str, method: str, path: str, body: Any) -> int:
    import urllib.error
    import urllib.request

    request = urllib.request.Request(
        people.server.url + path,
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={"authorization": f"Bearer {people.tokens[who]}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


# --- what on-call and voters see -------------------------------------------------------------------------


@pytest.fixture
def standing(people: People) -> str:
    """A model with an open gate whose versions 1, 2, 3 stood in production one after the other."""
    model = f"{people.namespace}/oncall"
    owner = people.client("owner")
    owner.policies.set(
        people.namespace,
        "version: 1\npromote:\n"
        + "".join(f"  - {{to: {s}, rules: []}}\n" for s in ("development", "staging", "production")),
    )
    for f1 in (0.7, 0.8, 0.9):
        owner.promotions.promote(_version(owner, model, f1), "production")
    return model


def test_a_rollback_shows_what_it_would_do_and_names_where_it_comes_from(people: People, standing: str) -> None:
    seen = people.run("owner", "rollback", standing, "production", "--dry-run")
    assert seen.stdout == f"{standing}@production\t3 → 2\n"
    assert people.run("owner", "rollback", standing, "production", "--from", "2").returncode == 1
    done = people.run("owner", "rollback", standing, "production", "--from", "3")
    assert f"{standing}@production\t3 → 2" in done.stdout
    assert people.run("owner", "rollback", standing, "production", "--from", "3").returncode == 1


@pytest.mark.parametrize("verb", ["rollback", "demote"])
def test_on_a_terminal_a_change_of_a_stage_is_shown_and_asked_for(
    people: People, standing: str, verb: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from modelyard.cli import main, promotion

    monkeypatch.setenv("MODELYARD_URL", people.server.url)
    monkeypatch.setenv("MODELYARD_TOKEN", people.tokens["owner"])
    monkeypatch.setattr(promotion, "asks", lambda _session, yes: not yes)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert main.run([verb, standing, "production"]) == INTERRUPTED
    told = "".join(capfd.readouterr())
    assert ("3 → 2" if verb == "rollback" else f"{standing}:3 leaves production") in told
    owner = people.client("owner")
    assert owner.promotions.stages(standing).items[2].primary == 3
    assert main.run([verb, standing, "production", "--yes"]) == 0
    assert owner.promotions.stages(standing).items[2].primary == (2 if verb == "rollback" else None)


def test_waiting_says_at_once_for_whom(people: People) -> None:
    model = f"{people.namespace}/waiting"
    owner = people.client("owner")
    owner.policies.set(
        people.namespace,
        "version: 1\npromote:\n  - {to: development, rules: []}\n  - {to: staging, rules: []}\n"
        f"  - {{to: production, rules: [{{approvals: {{group: {people.group}}}}}]}}\n",
    )
    reference = _version(people.client("dana"), model, 0.9)
    told: list[tuple[int, list[str]]] = []
    with pytest.raises(Refused):
        owner.promotions.promote(
            reference,
            "production",
            wait_seconds=0.5,
            on_wait=lambda attempt: told.append(
                (attempt.promotion.id, [r.who for r in attempt.verdict.results])  # type: ignore[union-attr]
            ),
        )
    assert told
    assert people.group in told[0][1][0]
    waited = people.run("owner", "promote", reference, "production", "--wait", "1s")
    assert f"Promotion {told[0][0]} of {reference} to production is waiting:" in waited.stderr
    assert f"modelyard approve {told[0][0]}" in waited.stderr
    own = people.run("owner", "approve", str(told[0][0]))
    assert "Your vote does not count: the account that asked for the promotion" in own.stderr
    listed = people.run("owner", "promotions", "ls", "--namespace", people.namespace, "--state", "open")
    assert listed.stdout.startswith(f"{told[0][0]}\topen\t")
