"""Where a policy is kept: under hand, or as a file in a repository that CI sets it from."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec

from modelyard.domain.errors import Conflict, Invalid
from modelyard.domain.texts import is_web_address
from modelyard.registry.catalog import rules as catalog_rules

MAX_URL_LENGTH = 2000
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


class PolicySource(msgspec.Struct, frozen=True):
    """A file in a repository. url: its address, at the commit if that is known. commit: None: not known."""

    url: str
    commit: str | None = None

    @property
    def file(self) -> str:
        """Return the address without the commit: the same for each commit of the file."""
        return self.url.replace(self.commit, "") if self.commit else self.url


def check_source(source: PolicySource) -> PolicySource:
    """Return the source as it is stored. Raises Invalid."""
    url, commit = source.url.strip(), source.commit.strip().lower() if source.commit else None
    if not is_web_address(url) or "@" in urlsplit(url).netloc or len(url) > MAX_URL_LENGTH:
        raise Invalid(
            reason="the source of a policy is not the address of a file",
            fix="Give one that begins with https:// or http://, without a user name or password, of at most "
            f"{MAX_URL_LENGTH} characters",
        )
    if commit is not None and not _COMMIT.fullmatch(commit):
        raise Invalid(reason=f"{commit[:80]!r} is not a commit", fix="Give 7 to 64 hex digits")
    return PolicySource(catalog_rules.check_text(url, "the source", MAX_URL_LENGTH), commit)


def refuse_by_hand(name: str, source: PolicySource | None) -> None:
    """Raise Conflict if the policy of that name comes from a repository, which would overwrite an edit by hand."""
    if source is not None:
        raise Conflict(
            reason=f"the policy of {name} is set from {source.url}",
            fix="Change it in the repository, or take it back under hand: "
            f"modelyard policy set {name} FILE --no-source",
        )
