"""The client: everything that the API does, by feature."""

from __future__ import annotations

from functools import cached_property

from modelyard.sdk import comparison
from modelyard.sdk.access import Accounts, Groups, Tokens
from modelyard.sdk.aliases import Aliases
from modelyard.sdk.audit import Audit
from modelyard.sdk.catalog import Models, Namespaces
from modelyard.sdk.comments import Comments, Inbox
from modelyard.sdk.convert import convert
from modelyard.sdk.datasets.client import Datasets
from modelyard.sdk.lineage import Lineage
from modelyard.sdk.load import load
from modelyard.sdk.operations import Admin
from modelyard.sdk.policy import Policies
from modelyard.sdk.promotion import Promotions
from modelyard.sdk.publishers import Publishers
from modelyard.sdk.pull import pull
from modelyard.sdk.push import push
from modelyard.sdk.quarantine import Quarantine, Scans
from modelyard.sdk.redaction import Redactions
from modelyard.sdk.reports import Attestations, Cards, Checks, Evaluations, card, card_template, set_card
from modelyard.sdk.runs.reading import Runs
from modelyard.sdk.session import Session
from modelyard.sdk.signatures import Signatures, check_signature
from modelyard.sdk.subscriptions import Subscriptions, follow
from modelyard.sdk.versions import Versions


class Client(Session):
    """One server, as one account. Safe in threads; may be used as a context manager.

    It is a session with all features of the API, each under its own name, and with the calls that a script needs most.

    Example:
        >>> client = my.Client("http://127.0.0.1:8470")
        >>> client.models.get("fraud/scorer").newest_version
        12
    """

    # A feature is made when it is first used, and stands on this session.
    accounts = cached_property(Accounts)
    admin = cached_property(Admin)
    aliases = cached_property(Aliases)
    attestations = cached_property(Attestations)
    audit = cached_property(Audit)
    cards = cached_property(Cards)
    checks = cached_property(Checks)
    comments = cached_property(Comments)
    datasets = cached_property(Datasets)
    evaluations = cached_property(Evaluations)
    groups = cached_property(Groups)
    inbox = cached_property(Inbox)
    lineage = cached_property(Lineage)
    models = cached_property(Models)
    namespaces = cached_property(Namespaces)
    policies = cached_property(Policies)
    promotions = cached_property(Promotions)
    publishers = cached_property(Publishers)
    quarantine = cached_property(Quarantine)
    redactions = cached_property(Redactions)
    runs = cached_property(Runs)
    scans = cached_property(Scans)
    signatures = cached_property(Signatures)
    subscriptions = cached_property(Subscriptions)
    tokens = cached_property(Tokens)
    versions = cached_property(Versions)

    # A function that takes a session first is a method of every session.
    push = push
    pull = pull
    load = load
    convert = convert
    check_signature = check_signature
    compare = comparison.compare
    best = comparison.best
    metric_history = comparison.metric_history
    follow = follow
    card = card
    set_card = set_card
    card_template = card_template

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
