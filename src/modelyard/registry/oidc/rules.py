"""Check the claims of ID tokens, and match them with trusted publishers. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from modelyard.domain.actor import MAX_DISPLAY_NAME_LENGTH, MAX_EMAIL_LENGTH
from modelyard.domain.errors import EmailNotAccepted, IdTokenRefused, Invalid, InvalidFact
from modelyard.domain.globs import glob_problem, matches_stars
from modelyard.domain.texts import check_text

LEEWAY_SECONDS = 30
LONGEST_TOKEN = 16 * 1024
LONGEST_LIFE_SECONDS = 24 * 3600
GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.com"
KINDS = ("github", "gitlab", "other")
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}(?:/[A-Za-z0-9_.-]{1,100}){1,10}\Z")
_WORKFLOW = re.compile(r"[A-Za-z0-9_.-][A-Za-z0-9_./-]{0,200}\.ya?ml\Z")
_DOMAIN = re.compile(r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,10}")
_CLAIM = re.compile(r"[A-Za-z0-9_.:/-]{1,100}\Z")


def check_issuer(issuer: str) -> str:
    """Raise Invalid for an issuer that is not an https address without a query; http is allowed only on loopback."""
    parts = urlsplit(issuer)
    is_local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if parts.query or parts.fragment or parts.username or not parts.hostname or issuer.endswith("/"):
        pass
    elif parts.scheme == "https" or (parts.scheme == "http" and is_local):
        return issuer
    raise Invalid(
        reason=f"{issuer[:100]!r} is not a valid issuer",
        fix="An issuer is an https address without a closing slash, as its discovery document names it",
    )


# --- tokens --------------------------------------------------------------------------------------


def check_claims(claims: Mapping[str, Any], *, issuer: str, audience: str, now: int) -> None:
    """Check the standard claims. now: whole seconds. Raises IdTokenRefused."""
    if claims.get("iss") != issuer:
        raise IdTokenRefused(reason="it comes from another issuer")
    given = claims.get("aud")
    # Exactly one audience: otherwise another recipient of the token could present it here.
    if given != audience and given != [audience]:
        raise IdTokenRefused(reason=f"its audience is not exactly {audience}")
    issued, expires, begins = (_seconds(claims, name) for name in ("iat", "exp", "nbf"))
    if issued is None or expires is None:
        raise IdTokenRefused(reason="it lacks iat or exp")
    if expires + LEEWAY_SECONDS <= now:
        raise IdTokenRefused(reason="it has expired")
    if issued - LEEWAY_SECONDS > now or (begins is not None and begins - LEEWAY_SECONDS > now):
        raise IdTokenRefused(reason="it is not valid yet")
    if expires - issued > LONGEST_LIFE_SECONDS:
        raise IdTokenRefused(reason="it is valid for more than a day")
    if not isinstance(claims.get("sub"), str) or not 0 < len(claims["sub"]) <= 255:
        raise IdTokenRefused(reason="it names no subject")


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        raise IdTokenRefused(reason=f"its {name} is not a time")
    return float(value)


# --- trusted publishers --------------------------------------------------------------------------


class Description(msgspec.Struct, frozen=True):
    """A CI job as people describe it. owner_id: the owner's number, which differs if the name is registered again."""

    kind: str
    issuer: str | None = None
    repository: str | None = None
    owner_id: str | None = None
    workflow: str | None = None
    ref: str | None = None
    environment: str | None = None
    claims: Mapping[str, str] | None = None
    """The claims for the kind `other`, and additional ones for every kind."""


def required_claims(described: Description) -> tuple[str, dict[str, str]]:
    """Return (issuer, claim → value with * for any text). Raises Invalid for too vague a description."""
    if described.kind not in KINDS:
        raise Invalid(
            reason=f"{described.kind[:40]!r} is not a known kind of CI system", fix=f"Use {', '.join(KINDS)}"
        )
    claims = {**(described.claims or {})}
    for name, value in claims.items():
        if not _CLAIM.match(name) or not isinstance(value, str) or not 0 < len(value) <= 500:
            raise Invalid(reason=f"the claim {name[:60]!r} cannot be required", fix="Give a name and a value")
        problem = glob_problem(value)
        if problem is not None:
            raise Invalid(reason=f"the claim {name}: {problem}", fix="Write for example refs/tags/v*")
    if described.kind == "other":
        if described.issuer is None or not any(value.strip("*") for value in claims.values()):
            raise Invalid(
                reason="the kind other needs an issuer and at least one claim with a value",
                fix="Give for example --issuer https://… --claim sub=…",
            )
        return check_issuer(described.issuer), claims
    repository, owner_id, workflow = described.repository, described.owner_id, described.workflow
    if repository is None or not _REPOSITORY.match(repository):
        raise Invalid(reason="the repository is missing or malformed", fix="Give it as owner/name")
    if owner_id is None or not (owner_id.isascii() and owner_id.isdigit()):
        raise Invalid(
            reason="the owner's number is missing: a name can pass to somebody else, a number cannot",
            fix="GitHub: api.github.com/users/OWNER shows `id`; GitLab: the group's page shows its id",
        )
    if workflow is None or not _WORKFLOW.match(workflow) or ".." in workflow:
        raise Invalid(reason="the workflow file is missing or malformed", fix="Give for example train.yml")
    ref = described.ref or "refs/heads/main"
    if (not ref.startswith("refs/") and ref != "*") or glob_problem(ref) is not None:
        raise Invalid(reason=f"{ref[:60]!r} is not a valid ref", fix="Write refs/heads/main or refs/tags/v*")
    if described.environment is not None:
        claims["environment"] = described.environment
    if described.kind == "github":
        issuer = check_issuer(described.issuer or GITHUB)
        claims |= {
            "repository": repository,
            "repository_owner_id": owner_id,
            "ref": ref,
            "job_workflow_ref": f"{repository}/.github/workflows/{workflow}@{ref}",
        }
    else:
        issuer = check_issuer(described.issuer or GITLAB)
        host = urlsplit(issuer).netloc
        claims |= {
            "project_path": repository,
            "namespace_id": owner_id,
            "ref_path": ref,
            "ci_config_ref_uri": f"{host}/{repository}//{workflow}@{ref}",
        }
    return issuer, claims


_FOLDED = {"repository", "job_workflow_ref", "project_path", "ci_config_ref_uri"}
"""Repository names are compared without case; refs have a separate claim."""


def describes(wanted: Mapping[str, str], claims: Mapping[str, Any]) -> bool:
    """Return whether every claim is present as text and matches. An empty description matches no one."""
    return bool(wanted) and all(_matches(name, value, claims.get(name)) for name, value in wanted.items())


def _matches(name: str, wanted: str, given: Any) -> bool:
    if not isinstance(given, str) or len(given) > 2000:
        return False
    if name in _FOLDED:
        return matches_stars(wanted.casefold(), given.casefold())
    return matches_stars(wanted, given)


TOLD = (
    "sub",
    "repository",
    "ref",
    "sha",
    "job_workflow_ref",
    "environment",
    "run_id",
    "actor",
    "project_path",
    "ref_path",
    "pipeline_id",
    "user_login",
)


def told(claims: Mapping[str, Any]) -> dict[str, str]:
    """Return the claims of a CI job that the log keeps."""
    return {name: str(claims[name])[:300] for name in TOLD if isinstance(claims.get(name), str | int)}


# --- people --------------------------------------------------------------------------------------


def parse_group_map(text: str) -> dict[str, list[str]]:
    """Parse `provider-group=local-group, …`; the local name `admin` means the server's admins. Raises Invalid."""
    found: dict[str, list[str]] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        theirs, equals, ours = (word.strip() for word in part.partition("="))
        if not equals or not theirs or not ours:
            raise Invalid(
                reason=f"oidc_groups has {part[:60]!r}", fix="Write PROVIDER_GROUP=GROUP, separated by commas"
            )
        found.setdefault(theirs, []).append(ours)
    return found


def local_groups(mapping: Mapping[str, Sequence[str]], claim: Any) -> set[str]:
    """Map the provider's groups to groups here. A value that is not a list of texts maps to none."""
    given = [claim] if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return {ours for each in given if isinstance(each, str) for ours in mapping.get(each, ())}


def proposed_name(claims: Mapping[str, Any]) -> str:
    """Return a valid account name derived from the provider's claims."""
    for name in ("preferred_username", "nickname", "email", "name", "sub"):
        value = claims.get(name)
        if isinstance(value, str):
            text = value.partition("@")[0].lower()
            made = re.sub(r"[^a-z0-9]+", "-", text).strip("-")[:60].strip("-")
            if made:
                return made
    return "user"


def display_name(claims: Mapping[str, Any]) -> str:
    """Return the provider's name for the person, cut to the limit; empty if it cannot be stored."""
    value = claims.get("name")
    return _storable(value[:MAX_DISPLAY_NAME_LENGTH], MAX_DISPLAY_NAME_LENGTH) if isinstance(value, str) else ""


def email(claims: Mapping[str, Any]) -> str | None:
    """Return the person's address; None if it cannot be stored, since a cut address would be wrong."""
    value = claims.get("email")
    return _storable(value, MAX_EMAIL_LENGTH) or None if isinstance(value, str) else None


def parse_domains(text: str) -> tuple[str, ...]:
    """`example.org, example.com`, in lower case. Raises Invalid."""
    found = tuple(part.strip().removeprefix("@").lower() for part in text.split(",") if part.strip())
    for domain in found:
        if not _DOMAIN.fullmatch(domain):
            raise Invalid(
                reason=f"oidc_email_domains has {domain[:60]!r}",
                fix="Write domains such as example.org, separated by commas",
            )
    return found


def check_domain(claims: Mapping[str, Any], domains: Sequence[str]) -> None:
    """Raise EmailNotAccepted unless the provider has verified an address at one of the domains; none: all are accepted.

    A subdomain counts only if it is named itself. An address that the provider did not verify could be anybody's.
    """
    if not domains:
        return
    address = email(claims) or ""
    verified = claims.get("email_verified") in (True, "true")
    if not verified or address.rpartition("@")[2].lower() not in domains:
        said = (
            "no e-mail address"
            if not address
            else address
            if verified
            else f"{address} without having verified it"
        )
        raise EmailNotAccepted(email=said, domains=", ".join(domains))


def _storable(value: str, limit: int) -> str:
    try:
        return check_text(value, "the claim", limit)
    except InvalidFact:
        # The form of a name at the provider never prevents a sign-in.
        return ""
