"""What is said of a version after it was registered: checks, evaluations, attestations, its card."""

from __future__ import annotations

import base64
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelyard.domain.errors import ExtraMissing, FileNotFound, Invalid
from modelyard.sdk.session import Feature
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
        """Report the result of a check: a test, a scanner, a person.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            name: Name of the check.
            state: `pass`, `fail`, `error` or `pending`.
            url: Address with more about the result; empty: none.
            summary: One line for people.
            details: Further values, for example counts.

        Returns:
            All checks of the version, the newest first.

        Raises:
            VersionDeleted: The version was deleted.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.checks.report("fraud/scorer:12", "bias", "pass", summary="no gap above 1%")[0].state
            'pass'
        """
        body = wire.ReportCheck(name=name, state=state, url=url, summary=summary, details=dict(details or {}))
        return self._transport.call(
            "POST", self._session.version_path(ref, "checks"), body=body, returns=wire.CheckList
        ).items

    def report_junit(self, ref: str, name: str, path: str | Path, *, url: str = "") -> Sequence[wire.Check]:
        """Report what a JUnit XML file says: `pass` when tests ran and none failed, `error` when none ran.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            name: Name of the check.
            path: The JUnit XML file.
            url: Address with more about the result; empty: none.

        Returns:
            All checks of the version, the newest first.

        Raises:
            Invalid: The file is not a JUnit XML file.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.checks.report_junit("fraud/scorer:12", "tests", "junit.xml")[0].summary
            '12 passed, 0 failed, 1 skipped'
        """
        state, summary, details = read_junit(Path(path))
        return self.report(ref, name, state, url=url, summary=summary, details=details)

    def list(self, ref: str) -> Sequence[wire.Check]:
        """Return the checks of a version, the newest first. The first one of each name counts.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The checks.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> {check.name: check.state for check in client.checks.list("fraud/scorer:12")}
            {'tests': 'pass', 'bias': 'pass'}
        """
        return self._transport.call(
            "GET", self._session.version_path(ref, "checks"), returns=wire.CheckList
        ).items


class Evaluations(Feature):
    """`client.evaluations`: metrics of a version, measured on a dataset split."""

    def report(
        self, ref: str, metrics: Mapping[str, float | str], *, split: str = "", dataset: str = ""
    ) -> wire.Evaluation:
        """Report metrics of a version, measured on a split of a dataset.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            metrics: Metric → value; also `"NaN"`, `"Infinity"` and `"-Infinity"`.
            split: Name of the split; empty: none is named.
            dataset: Name of the dataset; empty: none is named.

        Returns:
            The evaluation.

        Raises:
            VersionDeleted: The version was deleted.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.evaluations.report("fraud/scorer:12", {"f1": 0.92}, split="test", dataset="cards").by
            'ada'
        """
        return self._transport.call(
            "POST",
            self._session.version_path(ref, "evaluations"),
            body=wire.ReportEvaluation(metrics=dict(metrics), split=split, dataset=dataset),
            returns=wire.Evaluation,
        )

    def list(self, ref: str) -> Sequence[wire.Evaluation]:
        """Return the evaluations of a version, the newest first.

        Metrics that were frozen at registration are in its record instead.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The evaluations.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> [evaluation.metrics for evaluation in client.evaluations.list("fraud/scorer:12")]
            [{'f1': 0.92}]
        """
        return self._transport.call(
            "GET", self._session.version_path(ref, "evaluations"), returns=wire.EvaluationList
        ).items


class Cards(Feature):
    """`client.cards`."""

    def get(self, ref: str, *, number: int | None = None) -> wire.Card:
        """Return the model card of a version.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            number: 0 for the README.md among its files, or 1, 2, … in the order in which cards were set;
                None: the newest.

        Returns:
            The card: its text, and the number of words in each section.

        Raises:
            FileNotFound: The version has no card.
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> print(client.cards.get("fraud/scorer:12").text)
        """
        return self._transport.call(
            "GET",
            self._session.version_path(ref, "card"),
            query=wire.CardQuery(number=number),
            returns=wire.Card,
        )

    def set(self, ref: str, text: str) -> wire.Card:
        """Set the model card of a version. Its files, and earlier cards, stay as they are.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            text: The card in Markdown.

        Returns:
            The card.

        Raises:
            VersionDeleted: The version was deleted.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.cards.set("fraud/scorer:12", Path("CARD.md").read_text()).number
            1
        """
        return self._transport.call(
            "PUT", self._session.version_path(ref, "card"), body=wire.SetCard(text=text), returns=wire.Card
        )

    def template(self, ref: str) -> str:
        """Return a card to begin with, filled with the known facts; comments show what people must write.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The text of the card.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> Path("CARD.md").write_text(client.cards.template("fraud/scorer:12"))
        """
        return self._transport.call(
            "GET", self._session.version_path(ref, "card", "template"), returns=wire.CardTemplate
        ).text

    def history(self, ref: str) -> Sequence[wire.CardEntry]:
        """Return the cards that were set for a version, the newest first.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The cards, without their text.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> [(entry.number, entry.by) for entry in client.cards.history("fraud/scorer:12")]
            [(1, 'ada')]
        """
        return self._transport.call(
            "GET", self._session.version_path(ref, "card", "history"), returns=wire.CardHistory
        ).items

    def problems(self, ref: str) -> Sequence[wire.CardProblem]:
        """Return what is wrong with a card: missing or empty sections, and front matter that cannot be read.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The problems; empty when there are none.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> [problem.where for problem in client.cards.problems("fraud/scorer:12")]
            ['Limitations']
        """
        return self._transport.call(
            "GET", self._session.version_path(ref, "card", "problems"), returns=wire.CardCheck
        ).problems

    def html(self, ref: str) -> str:
        """Return a card as sanitised HTML, without its author's own markup, scripts and images.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The HTML.

        Raises:
            FileNotFound: The version has no card.
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> client.cards.html("fraud/scorer:12")
            '<h1>Card scorer</h1>…'
        """
        return self._transport.call(
            "GET", self._session.version_path(ref, "card", "html"), returns=wire.CardHtml
        ).html

    def diff(self, ref: str, other: str | None = None) -> str:
        """Return the difference between two cards in unified form.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            other: The version whose card is the older side; None: the card that `ref` had before.

        Returns:
            The difference; empty when the cards are equal.

        Raises:
            FileNotFound: A version has no card.
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> print(client.cards.diff("fraud/scorer:12", "fraud/scorer:11"))
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


class Attestations(Feature):
    """`client.attestations`: Ed25519 signatures over a version's two digests."""

    def list(self, ref: str) -> wire.AttestationList:
        """Return the cryptographic signatures over a version, and the statement that they sign.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The statement and the signatures.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> [attestation.by for attestation in client.attestations.list("fraud/scorer:12").items]
            ['ada']
        """
        return self._transport.call(
            "GET", self._session.version_path(ref, "attestations"), returns=wire.AttestationList
        )

    def sign(self, ref: str, key_file: str | Path) -> wire.Attestation:
        """Sign a version's digests with a private key.

        The statement is built here from the digests, so the key never signs a text of the server.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            key_file: A PEM file with an Ed25519 private key without a password.

        Returns:
            The attestation.

        Raises:
            ExtraMissing: Signing needs the packages of `modelyard[audit]`.
            Invalid: The file does not hold such a key, or your account has not registered its public half.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.attestations.sign("fraud/scorer:12", "ada.pem").by
            'ada'
        """
        from modelyard.domain.attested import attested_bytes

        key = _private_key(Path(key_file))
        version = self._transport.call("GET", self._session.version_path(ref), returns=Version)
        signature = key.sign(attested_bytes(version.digest, version.record_digest))
        return self.add(version.reference, base64.b64encode(signature).decode())

    def add(self, ref: str, signature: str) -> wire.Attestation:
        """Add a signature that was made elsewhere over the statement of `list`.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            signature: The Ed25519 signature in base64.

        Returns:
            The attestation.

        Raises:
            VersionDeleted: The version was deleted.
            Invalid: The signature does not hold.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.attestations.add("fraud/scorer:12", signature).by
            'ada'
        """
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
