"""What is said of a version after it was registered: checks, evaluations, attestations, its card."""

from __future__ import annotations

import base64
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelyard.domain.errors import ExtraMissing, FileNotFound, Invalid
from modelyard.sdk.session import Feature, Session
from modelyard.sdk.views import Version
from modelyard.wire import reports as wire

MAX_REPORT_BYTES = 64 * 1024 * 1024


class Checks(Feature):
    """`client.checks`: named results that CI, scanners or people report."""

    def report(
        self,
        ref: str,
        name: str,
        state: str,
        *,
        url: str = "",
        summary: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> Sequence[wire.Check]:
        """state: pass, fail, error or pending. Returns all checks of the version, newest first."""
        body = wire.ReportCheck(name=name, state=state, url=url, summary=summary, details=dict(details or {}))
        return self._transport.call(
            "POST", self._session.version_path(ref, "checks"), body=body, returns=wire.CheckList
        ).items

    def report_junit(self, ref: str, name: str, path: str | Path, *, url: str = "") -> Sequence[wire.Check]:
        """Report what a JUnit XML file says: pass when tests ran and none failed, error when none ran."""
        state, summary, details = read_junit(Path(path))
        return self.report(ref, name, state, url=url, summary=summary, details=details)

    def list(self, ref: str) -> Sequence[wire.Check]:
        """Newest first; the first of each name counts."""
        return self._transport.call(
            "GET", self._session.version_path(ref, "checks"), returns=wire.CheckList
        ).items


class Evaluations(Feature):
    """`client.evaluations`: metrics of a version, measured on a dataset split."""

    def report(
        self, ref: str, metrics: Mapping[str, float | str], *, split: str = "", dataset: str = ""
    ) -> wire.Evaluation:
        return self._transport.call(
            "POST",
            self._session.version_path(ref, "evaluations"),
            body=wire.ReportEvaluation(metrics=dict(metrics), split=split, dataset=dataset),
            returns=wire.Evaluation,
        )

    def list(self, ref: str) -> Sequence[wire.Evaluation]:
        """Newest first; metrics frozen at registration are in the version's record."""
        return self._transport.call(
            "GET", self._session.version_path(ref, "evaluations"), returns=wire.EvaluationList
        ).items


class Cards(Feature):
    """`client.cards`."""

    def get(self, ref: str, *, number: int | None = None) -> wire.Card:
        """number: 0 for the README.md among the files, 1, 2, … as they were set; None: the newest."""
        return self._transport.call(
            "GET",
            self._session.version_path(ref, "card"),
            query=wire.CardQuery(number=number),
            returns=wire.Card,
        )

    def set(self, ref: str, text: str) -> wire.Card:
        """It stands before the README.md among the files, which stay as they are."""
        return self._transport.call(
            "PUT", self._session.version_path(ref, "card"), body=wire.SetCard(text=text), returns=wire.Card
        )

    def template(self, ref: str) -> str:
        """A card to begin with, filled with what is known; what people must write stands in comments."""
        return self._transport.call(
            "GET", self._session.version_path(ref, "card", "template"), returns=wire.CardTemplate
        ).text

    def history(self, ref: str) -> Sequence[wire.CardEntry]:
        """The cards that were set, newest first."""
        return self._transport.call(
            "GET", self._session.version_path(ref, "card", "history"), returns=wire.CardHistory
        ).items

    def problems(self, ref: str) -> Sequence[wire.CardProblem]:
        """Sections that are missing or empty, and front matter that cannot be read as it is meant."""
        return self._transport.call(
            "GET", self._session.version_path(ref, "card", "problems"), returns=wire.CardCheck
        ).problems

    def html(self, ref: str) -> str:
        """Sanitised: without its author's own markup, scripts and images."""
        return self._transport.call(
            "GET", self._session.version_path(ref, "card", "html"), returns=wire.CardHtml
        ).html

    def diff(self, ref: str, other: str | None = None) -> str:
        """Unified, from the card of `other` to that of `ref`; None: from the card that `ref` had before.

        Empty when they are equal.
        """
        after = self.get(ref)
        if other is not None:
            before_text, name = self.get(other).text, other
        elif after.number:
            number = after.number - 1
            before_text, name = self._text_of(ref, number), f"{ref} card {number}"
        else:
            before_text, name = "", "nothing"
        lines = difflib.unified_diff(
            before_text.splitlines(), after.text.splitlines(), name, f"{ref} card {after.number}", lineterm=""
        )
        return "\n".join(lines)

    def _text_of(self, ref: str, number: int) -> str:
        try:
            return self.get(ref, number=number).text
        except FileNotFound:
            # The first card of a version without a README.md.
            return ""


def card(session: Session, /, ref: str) -> wire.Card:
    """Same as `client.cards.get`."""
    return Cards(session).get(ref)


def set_card(session: Session, /, ref: str, text: str) -> wire.Card:
    """Same as `client.cards.set`."""
    return Cards(session).set(ref, text)


def card_template(session: Session, /, ref: str) -> str:
    """Same as `client.cards.template`."""
    return Cards(session).template(ref)


class Attestations(Feature):
    """`client.attestations`: Ed25519 signatures over a version's two digests."""

    def list(self, ref: str) -> wire.AttestationList:
        return self._transport.call(
            "GET", self._session.version_path(ref, "attestations"), returns=wire.AttestationList
        )

    def sign(self, ref: str, key_file: str | Path) -> wire.Attestation:
        """Sign what the version's digests say with a private key in a PEM file. Raises ExtraMissing, Invalid.

        The statement is made here from the digests, so the key never signs what a server hands it.
        """
        from modelyard.domain.attested import attested_bytes

        key = _private_key(Path(key_file))
        version = self._transport.call("GET", self._session.version_path(ref), returns=Version)
        signature = key.sign(attested_bytes(version.digest, version.record_digest))
        return self.add(version.reference, base64.b64encode(signature).decode())

    def add(self, ref: str, signature: str) -> wire.Attestation:
        """signature: base64, made elsewhere over the statement that `list` gives."""
        return self._transport.call(
            "POST",
            self._session.version_path(ref, "attestations"),
            body=wire.Attest(signature=signature),
            returns=wire.Attestation,
        )


def _cryptography() -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as exc:
        raise ExtraMissing(what="signing", package="cryptography", extra="audit") from exc
    return serialization, ed25519


def _private_key(path: Path) -> Any:
    serialization, ed25519 = _cryptography()
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as exc:
        raise Invalid(
            reason=f"{path} holds no private key in PEM without a password: {exc}",
            fix="Make one with: modelyard key create FILE",
        ) from exc
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise Invalid(reason=f"{path} holds no Ed25519 key", fix="Make one with: modelyard key create FILE")
    return key


def create_key(path: Path) -> str:
    """Write a new private key, for its owner's eyes alone; returns the public half as policies hold it."""
    import os

    serialization, ed25519 = _cryptography()
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode()


def read_junit(path: Path) -> tuple[str, str, dict[str, Any]]:
    """(state, summary, details) of a JUnit XML file. Raises Invalid for what is none."""
    from xml.etree import ElementTree

    raw = path.read_bytes()
    if len(raw) > MAX_REPORT_BYTES or b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        raise Invalid(reason=f"{path} is too large or declares entities", fix="Send a plain JUnit XML file")
    try:
        root = ElementTree.fromstring(raw)  # noqa: S314 - no entities, checked above
    except ElementTree.ParseError as exc:
        raise Invalid(
            reason=f"{path} is not XML: {exc}", fix="Name the JUnit XML file of the test run"
        ) from exc
    if root.tag not in ("testsuites", "testsuite"):
        raise Invalid(reason=f"{path} begins with <{root.tag}>, not <testsuites>", fix="Name a JUnit XML file")
    cases = list(root.iter("testcase"))
    bad: dict[str, list[str]] = {"failure": [], "error": []}
    skipped = 0
    for case in cases:
        name = ".".join(part for part in (case.get("classname"), case.get("name")) if part)
        for kind in bad:
            if case.find(kind) is not None:
                bad[kind].append(name)
        skipped += case.find("skipped") is not None
    failed, broken = len(bad["failure"]), len(bad["error"])
    ran = len(cases) - skipped
    details: dict[str, Any] = {"tests": len(cases), "failures": failed, "errors": broken, "skipped": skipped}
    details |= {"failed": [*bad["failure"], *bad["error"]][:100]}
    if ran == 0:
        return "error", "no test ran", details
    summary = f"{ran - failed - broken} passed, {failed + broken} failed, {skipped} skipped"
    first = [*bad["failure"], *bad["error"]][:1]
    return (
        ("fail" if failed or broken else "pass"),
        summary + (f"; first: {first[0]}" if first else ""),
        details,
    )
