"""The client: everything that the API does, by feature."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from modelyard.sdk.session import Session

if TYPE_CHECKING:
    from modelyard.sdk import comparison, outbox, signatures
    from modelyard.sdk import convert as converting
    from modelyard.sdk import deployments as deploying
    from modelyard.sdk import load as loading
    from modelyard.sdk import pull as pulling
    from modelyard.sdk import push as pushing
    from modelyard.sdk import search as searching
    from modelyard.sdk.access import Accounts, Groups, Tokens
    from modelyard.sdk.aliases import Aliases
    from modelyard.sdk.attestations import Attestations
    from modelyard.sdk.audit import Audit
    from modelyard.sdk.builds import Builds
    from modelyard.sdk.bundles import Bundles
    from modelyard.sdk.cards import Cards
    from modelyard.sdk.catalog import Models, Namespaces
    from modelyard.sdk.checks import Checks
    from modelyard.sdk.comments import Comments, Inbox
    from modelyard.sdk.datasets.client import Datasets
    from modelyard.sdk.deployments import Deployments
    from modelyard.sdk.evaluations import Evaluations
    from modelyard.sdk.images import Images
    from modelyard.sdk.jobs import Jobs
    from modelyard.sdk.lineage import Lineage
    from modelyard.sdk.measures import Measures
    from modelyard.sdk.monitoring import Monitoring
    from modelyard.sdk.oidc import Publishers
    from modelyard.sdk.operations import Admin
    from modelyard.sdk.outbox import Subscriptions
    from modelyard.sdk.policy import Policies
    from modelyard.sdk.promotion import Promotions
    from modelyard.sdk.quarantine import Quarantine, Scans
    from modelyard.sdk.redaction import Redactions
    from modelyard.sdk.retention import Retention
    from modelyard.sdk.runs.reading import Runs
    from modelyard.sdk.schedules import Schedules
    from modelyard.sdk.signatures import Signatures
    from modelyard.sdk.stars import Stars
    from modelyard.sdk.terms import TermsOfUse
    from modelyard.sdk.versions import Versions
    from modelyard.wire import cards as cards_wire


class _Feature(cached_property[Any]):
    """A feature that is imported on first use, and then kept on the client."""

    def __init__(self, module: str, doc: str) -> None:
        super().__init__(self._make)
        self._module = module
        self.__doc__ = doc

    def _make(self, client: Client) -> Any:
        name = Client.__annotations__[str(self.attrname)]
        return getattr(import_module(f"modelyard.sdk.{self._module}"), name)(client)


def _feature(module: str, doc: str) -> Any:
    """Return the descriptor of a feature; the attribute's annotation names the class in the module."""
    return _Feature(module, doc)


class _Method:
    """A function that takes a session first, as a method; its module is imported on first use."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, client: Client | None, owner: type) -> Any:
        function = getattr(import_module(f"modelyard.sdk.{self._module}"), self._name)
        setattr(Client, self._name, function)
        return function.__get__(client, owner)


class Client(Session):
    """One server, as one account. Safe in threads; may be used as a context manager.

    It is a session with all features of the API, each under its own name, and with the most frequent calls of scripts.

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

    if TYPE_CHECKING:
        push = pushing.push
        pull = pulling.pull
        load = loading.load
        convert = converting.convert
        check_signature = signatures.check_signature
        compare = comparison.compare
        find = searching.find
        best = comparison.best
        metric_history = comparison.metric_history
        follow = outbox.follow
        deploy = deploying.deploy
    else:
        push = _Method("push")
        pull = _Method("pull")
        load = _Method("load")
        convert = _Method("convert")
        check_signature = _Method("signatures")
        compare = _Method("comparison")
        find = _Method("search")
        best = _Method("comparison")
        metric_history = _Method("comparison")
        follow = _Method("outbox")
        deploy = _Method("deployments")

    # --- features: each is loaded on first use, and uses this session ----------------------------

    accounts: Accounts = _feature("access", "Users, service accounts and groups.")
    admin: Admin = _feature("operations", "Work of operators: collection, checks of stored bytes, health.")
    aliases: Aliases = _feature("aliases", "Aliases: setting, removing, and their history.")
    attestations: Attestations = _feature("attestations", "Cryptographic signatures over versions.")
    audit: Audit = _feature("audit", "The event log: reading, exporting and checking it.")
    builds: Builds = _feature("builds", "Builds: training from a recipe, in steps.")
    bundles: Bundles = _feature("bundles", "Versions as single files, with their records.")
    cards: Cards = _feature("cards", "Model cards.")
    checks: Checks = _feature("checks", "Results of checks that CI, scanners or people report.")
    comments: Comments = _feature("comments", "Comments on models, versions and promotions.")
    datasets: Datasets = _feature("datasets.client", "Datasets: digests and profiles, never rows.")
    deployments: Deployments = _feature("deployments", "What serves where, since when and by whom.")
    evaluations: Evaluations = _feature("evaluations", "Metrics of versions, measured after registration.")
    groups: Groups = _feature("access", "Members of groups.")
    images: Images = _feature("images", "Container images of versions.")
    inbox: Inbox = _feature("comments", "Models that you watch, and your notifications.")
    jobs: Jobs = _feature("jobs", "Background jobs of the server.")
    measures: Measures = _feature("measures", "Lead times, promotions, rollbacks, completeness, by month.")
    monitoring: Monitoring = _feature(
        "monitoring", "What deployments observe, and whether they need retraining."
    )
    lineage: Lineage = _feature("lineage", "The graph of datasets, runs and versions, and recalls.")
    models: Models = _feature("catalog", "Models.")
    namespaces: Namespaces = _feature("catalog", "Namespaces and their members.")
    policies: Policies = _feature("policy", "Policies: the rules for entering stages.")
    promotions: Promotions = _feature("promotion", "Stages, promotions, votes and rollbacks.")
    publishers: Publishers = _feature("oidc", "CI jobs that act without a stored secret.")
    quarantine: Quarantine = _feature("quarantine", "Versions that are not served.")
    redactions: Redactions = _feature("redaction", "Removal of leaked texts and files.")
    retention: Retention = _feature("retention", "Retention rules of namespaces.")
    runs: Runs = _feature("runs.reading", "Runs, their series, logs and files.")
    scans: Scans = _feature("quarantine", "Scans: code that loading a version's files could run.")
    schedules: Schedules = _feature("schedules", "Builds that start at times, or when something happens.")
    signatures: Signatures = _feature("signatures", "Schemas of inputs and outputs.")
    stars: Stars = _feature("stars", "Your short list of models.")
    subscriptions: Subscriptions = _feature("outbox", "Subscriptions that send events to an address.")
    terms: TermsOfUse = _feature("terms", "Terms of use of models.")
    tokens: Tokens = _feature("access", "Tokens.")
    versions: Versions = _feature("versions", "Versions.")

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

    def set_card(self, ref: str, text: str, *, seen: int | None = None) -> cards_wire.Card:
        """Set the model card of a version. The same as `client.cards.set`.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the newest
                ready version.
            text: The card in Markdown.
            seen: Set it only if the newest card has this number; 0: only if none was set; None: in any case.

        Returns:
            The card.

        Raises:
            EditConflict: The newest card has another number than `seen`.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.set_card("fraud/scorer:12", Path("CARD.md").read_text()).number
            1
        """
        return self.cards.set(ref, text, seen=seen)

    def card_template(self, ref: str) -> str:
        """Return a first draft of a card. The same as `client.cards.template`.

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
