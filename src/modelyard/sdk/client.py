"""The client: everything that the API does, by feature."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.domain.errors import NotSignedIn
from modelyard.domain.names import ModelName, Ref
from modelyard.sdk import credentials
from modelyard.sdk.access import Accounts, Groups, Tokens
from modelyard.sdk.aliases import Aliases
from modelyard.sdk.attestations import Attestations
from modelyard.sdk.audit import Audit
from modelyard.sdk.cache import Cache
from modelyard.sdk.cards import Cards
from modelyard.sdk.catalog import Models, Namespaces
from modelyard.sdk.checks import Checks
from modelyard.sdk.comments import Comments, Inbox
from modelyard.sdk.datasets.client import Datasets
from modelyard.sdk.evaluations import Evaluations
from modelyard.sdk.http import Transport, at
from modelyard.sdk.lineage import Lineage
from modelyard.sdk.oidc import Publishers
from modelyard.sdk.operations import Admin
from modelyard.sdk.outbox import StreamedEvent, Subscriptions, follow
from modelyard.sdk.policy import Policies
from modelyard.sdk.progress import Progress
from modelyard.sdk.promotion import Promotions
from modelyard.sdk.quarantine import Quarantine, Scans
from modelyard.sdk.redaction import Redactions
from modelyard.sdk.run_reading import Runs
from modelyard.sdk.signatures import Signatures
from modelyard.sdk.versions import Versions
from modelyard.sdk.views import Version
from modelyard.wire import access as access_wire
from modelyard.wire import cards as cards_wire
from modelyard.wire import comparison as comparison_wire
from modelyard.wire import versions as versions_wire

if TYPE_CHECKING:
    from modelyard.domain.signature import Problem
    from modelyard.sdk.savers.base import Trust

DEFAULT_PARALLEL = 4


class Client:
    """One server, as one account. Safe in threads; may be used as a context manager.

    url, token: else MODELYARD_URL and MODELYARD_TOKEN, else what `modelyard login` or `serve` stored.
    timeout_seconds: the longest silence of the server. patience_seconds: how long to repeat what may
    succeed later (a restart, a busy database); four times as long for each file's bytes. parallel: files
    moved at once. insecure: send the token over http:// to another machine too.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout_seconds: float = 60.0,
        patience_seconds: float = 30.0,
        parallel: int = DEFAULT_PARALLEL,
        cache: Cache | None = None,
        insecure: bool = False,
    ) -> None:
        url, token = credentials.choose(url, token)
        self.parallel = max(1, parallel)
        self.transport = Transport(
            url,
            token,
            timeout_seconds=timeout_seconds,
            patience_seconds=patience_seconds,
            max_connections=max(16, 2 * self.parallel),
            insecure=insecure or credentials.is_insecure(url),
        )
        self.cache = cache or Cache.default()
        self.namespaces = Namespaces(self.transport)
        self.models = Models(self)
        self.versions = Versions(self)
        self.aliases = Aliases(self)
        self.promotions = Promotions(self)
        self.policies = Policies(self)
        self.checks = Checks(self)
        self.evaluations = Evaluations(self)
        self.attestations = Attestations(self)
        self.cards = Cards(self)
        self.runs = Runs(self)
        self.signatures = Signatures(self)
        self.scans = Scans(self)
        self.quarantine = Quarantine(self)
        self.datasets = Datasets(self)
        self.lineage = Lineage(self)
        self.accounts = Accounts(self.transport)
        self.groups = Groups(self.transport)
        self.tokens = Tokens(self.transport)
        self.admin = Admin(self.transport)
        self.audit = Audit(self.transport)
        self.redactions = Redactions(self.transport)
        self.comments = Comments(self)
        self.inbox = Inbox(self)
        self.publishers = Publishers(self.transport)
        self.subscriptions = Subscriptions(self.transport)

    def __repr__(self) -> str:
        return f"<Client of {self.url}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.transport.close()

    @property
    def url(self) -> str:
        return self.transport.url

    # --- who and what ----------------------------------------------------------------------------

    def whoami(self) -> access_wire.WhoAmI:
        """Raises NotSignedIn without a token."""
        if not self.transport.has_token:
            raise NotSignedIn(url=self.url)
        found: access_wire.WhoAmI = self.transport.call("GET", at("whoami"), returns=access_wire.WhoAmI)
        return found

    @cached_property
    def _default_namespace(self) -> str | None:
        return self.whoami().default_namespace if self.transport.has_token else None

    @property
    def default_namespace(self) -> str | None:
        """The account's own; None without one, and for nobody."""
        return self._default_namespace

    def model_name(self, name: str) -> ModelName:
        """With the account's default namespace when it lacks one. Raises InvalidName."""
        return ModelName.parse(name, None if "/" in name else self._default_namespace)

    def ref(self, ref: str) -> Ref:
        """A reference, parsed but not resolved."""
        return Ref.parse(ref, None if "/" in ref else self._default_namespace)

    def resolve(self, ref: str, *, serving: bool = False) -> versions_wire.Resolved:
        """What a reference means now. serving: `warning` says when that may change by itself."""
        query = versions_wire.ResolveQuery(ref=ref, serving=serving)
        found: versions_wire.Resolved = self.transport.call(
            "GET", at("resolve"), query=query, returns=versions_wire.Resolved
        )
        return found

    def compare(
        self, *refs: str, directions: Mapping[str, str] | None = None, curves: bool = True
    ) -> comparison_wire.Comparison:
        """Two to eight versions or runs (`run:<id>`) beside each other; the others differ from the first.

        directions: metric → higher or lower, where which is better is not known. curves False: without series.
        """
        from modelyard.sdk.comparison import compare

        return compare(self, refs, directions=directions, curves=curves)

    def best(
        self, model: str, metric: str, *, split: str | None = None, direction: str | None = None
    ) -> comparison_wire.Best:
        """The ready version with the best value of a metric, and all that were weighed."""
        from modelyard.sdk.comparison import best

        return best(self, model, metric, split=split, direction=direction)

    def metric_history(
        self, model: str, metric: str, *, split: str | None = None
    ) -> comparison_wire.MetricHistory:
        """A metric over the versions of a model: what records say, and what was reported later."""
        from modelyard.sdk.comparison import metric_history

        return metric_history(self, model, metric, split=split)

    def follow(
        self,
        model: str | None = None,
        *,
        namespace: str | None = None,
        kinds: Sequence[str] = (),
        after: int | None = None,
    ) -> Iterator[StreamedEvent]:
        """Events as they happen, without end, also across restarts of the server.

        after: number of the last event that was seen; None begins with what happens from now on.
        """
        name = None if model is None else str(self.model_name(model))
        return follow(self.transport, model=name, namespace=namespace, kinds=kinds, after=after)

    # --- cards -----------------------------------------------------------------------------------

    def card(self, ref: str) -> cards_wire.Card:
        """The model card of a version: its text, and how many words each section has."""
        return self.cards.get(ref)

    def set_card(self, ref: str, text: str) -> cards_wire.Card:
        """Set the card of a version; earlier ones are kept, and its files stay as they are."""
        return self.cards.set(ref, text)

    def card_template(self, ref: str) -> str:
        """A card to begin with: standard front matter and sections, filled with what is known."""
        return self.cards.template(ref)

    # --- bytes -----------------------------------------------------------------------------------

    def push(
        self,
        what: Any,
        model: str,
        *,
        alias: str | Sequence[str] = (),
        tags: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        params: Mapping[str, Any] | None = None,
        description: str = "",
        facts: Mapping[str, Any] | None = None,
        data: Any = None,
        example: Any = None,
        card: str | None = None,
        force_new: bool = False,
        allow_pickle: bool = False,
        allow_secrets: bool = False,
        capture: bool = True,
        progress: Progress | None = None,
    ) -> Version:
        """Register a folder, a file or a live model object as the model's next version.

        what: a path, or an object of a framework that a saver knows. metrics: `{"f1": 0.9}` or
        `[{"name", "value", "split", "dataset"}]`. facts: further frozen facts, stronger than what is
        captured. data: what it was trained on, as tables, paths, {name: table}, or what `describe` returned; needs
        the packages of modelyard[data] unless it was described before. example: input rows that an object's signature is taken from. card: text of a README.md
        beside an object. allow_secrets: push files that are known to hold credentials, which are refused else. capture False: no facts of the code, environment and image are gathered.
        The same bytes with the same facts answer with the version that exists, unless force_new.
        """
        from modelyard.sdk.push import push

        return push(
            self,
            what,
            model,
            aliases=[alias] if isinstance(alias, str) else [*alias],
            tags=tags,
            metrics=metrics,
            params=params,
            description=description,
            facts=facts,
            data=data,
            example=example,
            card=card,
            force_new=force_new,
            allow_pickle=allow_pickle,
            allow_secrets=allow_secrets,
            capture=capture,
            progress=progress,
        )

    def pull(
        self,
        ref: str,
        to: str | os.PathLike[str] | None = None,
        *,
        link: bool = False,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Path:
        """Put a version's files into a folder, every byte verified; returns the folder.

        to: None means a folder of the model's name here. link: hard links to the cache instead of copies;
        such files must not be edited. force: overwrite what no earlier pull put there.
        Files that are withheld are left out, with a warning for each.
        """
        from modelyard.sdk.pull import left_out_text, pull

        pulled = pull(self, ref, to, link=link, force=force, progress=progress)
        for file in pulled.left_out:
            warnings.warn(left_out_text(file), stacklevel=2)
        return pulled.folder

    def load(
        self,
        ref: str,
        *,
        trust: Trust = False,
        check: bool = True,
        progress: Progress | None = None,
        **options: Any,
    ) -> Any:
        """The live object that was pushed. Without trust, nothing in it runs code.

        trust: True takes a pickle that only rebuilds data, by the rules of the registry's scan; a list of names takes
        those too (["my_corp.utils.Helper"]); "unsafe" runs whatever the file holds.
        check: where the version has a signature, `predict` says which column does not fit (SignatureMismatch).
        """
        from modelyard.sdk.load import load

        return load(self, ref, trust=trust, check=check, progress=progress, **options)

    def convert(
        self, ref: str, *, to: str = "safetensors", description: str = "", progress: Progress | None = None
    ) -> Version:
        """A child version whose torch files are safetensors, with tensors equal bit by bit; needs torch here.

        The files are read with weights_only and run nothing. Raises Invalid for what holds more than tensors.
        """
        from modelyard.sdk.convert import convert

        return convert(self, ref, to=to, description=description, progress=progress)

    def check_signature(self, ref: str, data: Any) -> Sequence[Problem]:
        """What of the data does not fit the version's signature; empty when all does. No row leaves this machine.

        data: a pandas or polars DataFrame, an array, a dict of arrays, or the path of a CSV or JSON file.
        Raises Invalid for data that tells no names, types or shapes, NotFound without a signature.
        """
        return self.signatures.check(ref, data)


_shared: dict[tuple[str, str | None], Client] = {}
_shared_lock = threading.Lock()


def shared_client() -> Client:
    """The client behind `my.push` and its like: one for each server and account in use."""
    key = credentials.choose(None, None)
    with _shared_lock:
        if key not in _shared:
            _shared[key] = Client(*key)
        return _shared[key]
