"""The client: everything that the API does, by feature."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from modelyard.sdk import comparison
from modelyard.sdk.convert import convert
from modelyard.sdk.load import load
from modelyard.sdk.outbox import follow
from modelyard.sdk.pull import pull
from modelyard.sdk.push import push
from modelyard.sdk.session import Session
from modelyard.sdk.signatures import check_signature

if TYPE_CHECKING:
    from modelyard.sdk.access import Accounts, Groups, Tokens
    from modelyard.sdk.aliases import Aliases
    from modelyard.sdk.attestations import Attestations
    from modelyard.sdk.audit import Audit
    from modelyard.sdk.cards import Cards
    from modelyard.sdk.catalog import Models, Namespaces
    from modelyard.sdk.checks import Checks
    from modelyard.sdk.comments import Comments, Inbox
    from modelyard.sdk.datasets.client import Datasets
    from modelyard.sdk.evaluations import Evaluations
    from modelyard.sdk.jobs import Jobs
    from modelyard.sdk.lineage import Lineage
    from modelyard.sdk.oidc import Publishers
    from modelyard.sdk.operations import Admin
    from modelyard.sdk.outbox import Subscriptions
    from modelyard.sdk.policy import Policies
    from modelyard.sdk.promotion import Promotions
    from modelyard.sdk.quarantine import Quarantine, Scans
    from modelyard.sdk.redaction import Redactions
    from modelyard.sdk.runs.reading import Runs
    from modelyard.sdk.signatures import Signatures
    from modelyard.sdk.versions import Versions
    from modelyard.wire import cards as cards_wire


class Client(Session):
    """One server, as one account. Safe in threads; may be used as a context manager.

    It is a session with all features of the API, each under its own name, and with the calls that a script needs most.

    Example:
        >>> client = my.Client("http://127.0.0.1:8470")
        >>> client.models.get("fraud/scorer").newest_version
        12
    """

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- functions that take a session first, and so are methods of it ---------------------------

    push = push
    pull = pull
    load = load
    convert = convert
    check_signature = check_signature
    compare = comparison.compare
    best = comparison.best
    metric_history = comparison.metric_history
    follow = follow

    # --- features: each is loaded when it is first used, and stands on this session --------------

    @cached_property
    def accounts(self) -> Accounts:
        """Users, service accounts and groups."""
        from modelyard.sdk.access import Accounts

        return Accounts(self)

    @cached_property
    def admin(self) -> Admin:
        """Work of operators: collection, checks of stored bytes, health."""
        from modelyard.sdk.operations import Admin

        return Admin(self)

    @cached_property
    def aliases(self) -> Aliases:
        """Aliases: setting, removing, and their history."""
        from modelyard.sdk.aliases import Aliases

        return Aliases(self)

    @cached_property
    def attestations(self) -> Attestations:
        """Cryptographic signatures over versions."""
        from modelyard.sdk.attestations import Attestations

        return Attestations(self)

    @cached_property
    def audit(self) -> Audit:
        """The event log: reading, exporting and checking it."""
        from modelyard.sdk.audit import Audit

        return Audit(self)

    @cached_property
    def cards(self) -> Cards:
        """Model cards."""
        from modelyard.sdk.cards import Cards

        return Cards(self)

    @cached_property
    def checks(self) -> Checks:
        """Results of checks that CI, scanners or people report."""
        from modelyard.sdk.checks import Checks

        return Checks(self)

    @cached_property
    def comments(self) -> Comments:
        """Comments on models, versions and promotions."""
        from modelyard.sdk.comments import Comments

        return Comments(self)

    @cached_property
    def datasets(self) -> Datasets:
        """Datasets: digests and profiles, never rows."""
        from modelyard.sdk.datasets.client import Datasets

        return Datasets(self)

    @cached_property
    def evaluations(self) -> Evaluations:
        """Metrics of versions, measured after registration."""
        from modelyard.sdk.evaluations import Evaluations

        return Evaluations(self)

    @cached_property
    def groups(self) -> Groups:
        """Members of groups."""
        from modelyard.sdk.access import Groups

        return Groups(self)

    @cached_property
    def inbox(self) -> Inbox:
        """Models that you watch, and your notifications."""
        from modelyard.sdk.comments import Inbox

        return Inbox(self)

    @cached_property
    def jobs(self) -> Jobs:
        """Background jobs of the server."""
        from modelyard.sdk.jobs import Jobs

        return Jobs(self)

    @cached_property
    def lineage(self) -> Lineage:
        """The graph of datasets, runs and versions, and recalls."""
        from modelyard.sdk.lineage import Lineage

        return Lineage(self)

    @cached_property
    def models(self) -> Models:
        """Models."""
        from modelyard.sdk.catalog import Models

        return Models(self)

    @cached_property
    def namespaces(self) -> Namespaces:
        """Namespaces and their members."""
        from modelyard.sdk.catalog import Namespaces

        return Namespaces(self)

    @cached_property
    def policies(self) -> Policies:
        """Policies: the rules at the entrance to stages."""
        from modelyard.sdk.policy import Policies

        return Policies(self)

    @cached_property
    def promotions(self) -> Promotions:
        """Stages, promotions, votes and rollbacks."""
        from modelyard.sdk.promotion import Promotions

        return Promotions(self)

    @cached_property
    def publishers(self) -> Publishers:
        """CI jobs that act without a stored secret."""
        from modelyard.sdk.oidc import Publishers

        return Publishers(self)

    @cached_property
    def quarantine(self) -> Quarantine:
        """Versions that are not served."""
        from modelyard.sdk.quarantine import Quarantine

        return Quarantine(self)

    @cached_property
    def redactions(self) -> Redactions:
        """Taking out leaked texts and files."""
        from modelyard.sdk.redaction import Redactions

        return Redactions(self)

    @cached_property
    def runs(self) -> Runs:
        """Runs, their series, logs and files."""
        from modelyard.sdk.runs.reading import Runs

        return Runs(self)

    @cached_property
    def scans(self) -> Scans:
        """What loading the files of versions could run."""
        from modelyard.sdk.quarantine import Scans

        return Scans(self)

    @cached_property
    def signatures(self) -> Signatures:
        """Schemas of inputs and outputs."""
        from modelyard.sdk.signatures import Signatures

        return Signatures(self)

    @cached_property
    def subscriptions(self) -> Subscriptions:
        """Subscriptions that send events to an address."""
        from modelyard.sdk.outbox import Subscriptions

        return Subscriptions(self)

    @cached_property
    def tokens(self) -> Tokens:
        """Tokens."""
        from modelyard.sdk.access import Tokens

        return Tokens(self)

    @cached_property
    def versions(self) -> Versions:
        """Versions."""
        from modelyard.sdk.versions import Versions

        return Versions(self)

    # --- cards -----------------------------------------------------------------------------------

    def card(self, ref: str) -> cards_wire.Card:
        """Return the model card of a version. The same as `client.cards.get`.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the newest
                ready version.

        Returns:
            The card: its text, and the number of words in each section.

        Raises:
            FileNotFound: The version has no card.
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> print(client.card("fraud/scorer:12").text)
        """
        return self.cards.get(ref)

    def set_card(self, ref: str, text: str) -> cards_wire.Card:
        """Set the model card of a version. The same as `client.cards.set`.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the newest
                ready version.
            text: The card in Markdown.

        Returns:
            The card.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.set_card("fraud/scorer:12", Path("CARD.md").read_text()).number
            1
        """
        return self.cards.set(ref, text)

    def card_template(self, ref: str) -> str:
        """Return a card to begin with. The same as `client.cards.template`.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the newest
                ready version.

        Returns:
            The text of the card.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> Path("CARD.md").write_text(client.card_template("fraud/scorer:12"))
        """
        return self.cards.template(ref)
