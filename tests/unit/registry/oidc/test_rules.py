"""Claims, publishers and groups, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.domain.errors import IdTokenRefused, Invalid
from modelyard.registry.oidc.rules import (
    GITHUB,
    Description,
    check_claims,
    check_issuer,
    describes,
    local_groups,
    parse_group_map,
    proposed_name,
    required_claims,
)

NOW = 1_800_000_000
GOOD: dict[str, Any] = {"iss": GITHUB, "aud": "https://r.test", "sub": "repo:x", "iat": NOW, "exp": NOW + 300}


def accepted(**changes: Any) -> bool:
    claims = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    try:
        check_claims(claims, issuer=GITHUB, audience="https://r.test", now=NOW)
    except IdTokenRefused:
        return False
    return True


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"aud": ["https://r.test"]}, True),
        ({"aud": ["https://r.test", "other"]}, False),
        ({"aud": []}, False),
        ({"aud": "https://r.test/"}, False),
        ({"aud": None}, False),
        ({"iss": "https://evil.test"}, False),
        ({"exp": NOW - 25}, True),
        ({"exp": NOW - 31}, False),
        ({"exp": None}, False),
        ({"exp": "soon"}, False),
        ({"exp": float("inf")}, False),
        ({"exp": True}, False),
        ({"exp": NOW + 10**9}, False),
        ({"iat": None}, False),
        ({"iat": NOW + 29}, True),
        ({"iat": NOW + 60}, False),
        ({"nbf": NOW + 60}, False),
        ({"nbf": NOW - 60}, True),
        ({"sub": None}, False),
        ({"sub": ""}, False),
        ({"sub": 7}, False),
        ({"sub": "x" * 256}, False),
    ],
)
def test_what_an_id_token_must_say(changes: dict[str, Any], good: bool) -> None:
    assert accepted(**changes) is good


JOB = {
    "repository": "acme/churn",
    "repository_owner_id": "4711",
    "ref": "refs/heads/main",
    "job_workflow_ref": "acme/churn/.github/workflows/train.yml@refs/heads/main",
    "environment": "prod",
}


@pytest.mark.parametrize(
    ("described", "changes", "matches"),
    [
        ({}, {}, True),
        ({}, {"repository": "Acme/Churn"}, True),
        ({}, {"repository": "acme/churn2"}, False),
        ({}, {"repository": "evil/churn"}, False),
        ({}, {"repository_owner_id": "4712"}, False),
        ({}, {"repository_owner_id": 4711}, False),
        ({}, {"ref": "refs/heads/dev"}, False),
        ({}, {"ref": "refs/pull/7/merge"}, False),
        ({}, {"ref": "refs/heads/main\n"}, False),
        ({}, {"job_workflow_ref": "acme/churn/.github/workflows/other.yml@refs/heads/main"}, False),
        ({}, {"job_workflow_ref": "evil/shared/.github/workflows/train.yml@refs/heads/main"}, False),
        ({}, {"job_workflow_ref": None}, False),
        ({"environment": "prod"}, {}, True),
        ({"environment": "prod"}, {"environment": "dev"}, False),
        ({"environment": "prod"}, {"environment": None}, False),
        (
            {"ref": "refs/tags/v*"},
            {
                "ref": "refs/tags/v1.2",
                "job_workflow_ref": "acme/churn/.github/workflows/train.yml@refs/tags/v1.2",
            },
            True,
        ),
        ({"ref": "refs/tags/v*"}, {}, False),
        ({"claims": {"runner_environment": "github-hosted"}}, {}, False),
        ({"claims": {"runner_environment": "github-hosted"}}, {"runner_environment": "github-hosted"}, True),
    ],
)
def test_whom_a_publisher_describes(described: dict[str, Any], changes: dict[str, Any], matches: bool) -> None:
    wanted = Description("github", repository="acme/churn", owner_id="4711", workflow="train.yml", **described)
    issuer, claims = required_claims(wanted)
    assert issuer == GITHUB
    assert describes(claims, {**JOB, **changes}) is matches


def test_a_pattern_is_no_regular_expression() -> None:
    assert describes({"sub": "a.c"}, {"sub": "a.c"})
    assert not describes({"sub": "a.c"}, {"sub": "abc"})
    assert not describes({"sub": "(a"}, {"sub": "a"})
    assert not describes({}, JOB)


def test_gitlab() -> None:
    issuer, claims = required_claims(
        Description("gitlab", repository="acme/ml/churn", owner_id="12", workflow=".gitlab-ci.yml")
    )
    job = {
        "project_path": "acme/ml/churn",
        "namespace_id": "12",
        "ref_path": "refs/heads/main",
        "ci_config_ref_uri": "gitlab.com/acme/ml/churn//.gitlab-ci.yml@refs/heads/main",
    }
    assert issuer == "https://gitlab.com"
    assert describes(claims, job)
    assert not describes(claims, {**job, "namespace_id": "13"})


@pytest.mark.parametrize(
    "wrong",
    [
        Description("jenkins"),
        Description("github", repository="acme", owner_id="1", workflow="a.yml"),
        Description("github", repository="acme/churn", workflow="a.yml"),
        Description("github", repository="acme/churn", owner_id="acme", workflow="a.yml"),
        Description("github", repository="acme/churn", owner_id="1"),
        Description("github", repository="acme/churn", owner_id="1", workflow="../a.yml"),
        Description("github", repository="acme/churn", owner_id="1", workflow="a.yml", ref="main"),
        Description("github", repository="acme/*", owner_id="1", workflow="a.yml"),
        Description("other", issuer="https://ci.test"),
        Description("other", issuer="https://ci.test", claims={"sub": "*"}),
        Description("other", claims={"sub": "x"}),
        Description("other", issuer="http://ci.test", claims={"sub": "x"}),
    ],
)
def test_what_describes_too_little_is_refused(wrong: Description) -> None:
    with pytest.raises(Invalid):
        required_claims(wrong)


@pytest.mark.parametrize(
    "issuer", ["https://id.test/", "http://id.test", "ftp://id.test", "", "https://a@b", "https://x?y"]
)
def test_wrong_issuers(issuer: str) -> None:
    with pytest.raises(Invalid):
        check_issuer(issuer)


def test_groups() -> None:
    mapping = parse_group_map("ml-admins=admin, data = science,data=risk")
    assert mapping == {"ml-admins": ["admin"], "data": ["science", "risk"]}
    assert local_groups(mapping, ["data", "other", 7]) == {"science", "risk"}
    assert local_groups(mapping, "ml-admins") == {"admin"}
    assert local_groups(mapping, {"data": True}) == set()
    with pytest.raises(Invalid):
        parse_group_map("ml-admins")


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"preferred_username": "Ada.Lovelace"}, "ada-lovelace"),
        ({"email": "ada@x.test", "sub": "1"}, "ada"),
        ({"preferred_username": "!!!", "sub": "A1"}, "a1"),
        ({"sub": "|||"}, "user"),
    ],
)
def test_names_of_new_accounts(claims: dict[str, Any], name: str) -> None:
    assert proposed_name(claims) == name
