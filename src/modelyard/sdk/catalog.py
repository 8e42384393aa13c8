"""Namespaces and models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from modelyard.sdk.http import at, if_match
from modelyard.sdk.paging import items
from modelyard.sdk.session import Feature
from modelyard.sdk.views import Model, ModelPage
from modelyard.wire import access as access_wire
from modelyard.wire import catalog as wire
from modelyard.wire import versions as versions_wire
from modelyard.wire.base import PageQuery, Reason


class Namespaces(Feature):
    """`client.namespaces`."""

    def list(self, limit: int | None = None) -> Iterator[wire.Namespace]:
        """Those the caller may see, by name."""
        return items(self._transport, at("namespaces"), PageQuery(), wire.NamespacePage, limit)

    def create(
        self,
        name: str,
        *,
        display_name: str = "",
        description: str = "",
        visibility: str = "private",
        naming_pattern: str | None = None,
        reserved_names: Sequence[str] = (),
    ) -> wire.Namespace:
        """visibility: private, signed-in or public. Whoever makes it owns it."""
        body = wire.CreateNamespace(
            name=name,
            display_name=display_name,
            description=description,
            visibility=visibility,
            naming_pattern=naming_pattern,
            reserved_names=list(reserved_names),
        )
        return self._transport.call("POST", at("namespaces"), body=body, returns=wire.Namespace)

    def get(self, name: str) -> wire.Namespace:
        return self._transport.call("GET", at("namespaces", name), returns=wire.Namespace)

    def edit(
        self,
        name: str,
        *,
        display_name: str | None = None,
        description: str | None = None,
        visibility: str | None = None,
        naming_pattern: str | None = None,
        reserved_names: Sequence[str] | None = None,
        revision: int | None = None,
    ) -> wire.Namespace:
        """What is None stays. revision: what was seen; EditConflict when it is no longer so."""
        body = wire.EditNamespace(
            display_name=display_name,
            description=description,
            visibility=visibility,
            naming_pattern=naming_pattern,
            reserved_names=None if reserved_names is None else [*reserved_names],
        )
        return self._transport.call(
            "PATCH", at("namespaces", name), body=body, headers=if_match(revision), returns=wire.Namespace
        )

    def delete(self, name: str) -> None:
        """Only one that never held a model."""
        self._transport.call("DELETE", at("namespaces", name))

    def members(self, name: str) -> Sequence[access_wire.Member]:
        return self._transport.call(
            "GET", at("namespaces", name, "members"), returns=access_wire.MemberList
        ).items

    def grant(self, name: str, account: str, role: str) -> None:
        """role: reader, contributor, maintainer or owner. account: a user, service account or group."""
        body = access_wire.GrantRole(role=role)
        self._transport.call("PUT", at("namespaces", name, "members", account), body=body)

    def revoke(self, name: str, account: str) -> None:
        self._transport.call("DELETE", at("namespaces", name, "members", account))


class Models(Feature):
    """`client.models`. Every name may lack its namespace when the account has a default one."""

    def search(
        self,
        words: str = "",
        *,
        namespace: str | None = None,
        tags: Sequence[str] = (),
        owner: str | None = None,
        framework: str | None = None,
        licence: str | None = None,
        task: str | None = None,
        alias: str | None = None,
        metrics: Sequence[str] = (),
        archived: bool = False,
        limit: int | None = None,
    ) -> Iterator[Model]:
        """All conditions hold at once; the most recently changed come first.

        tags: `key=value` or `key`; metrics: `f1>=0.7`, of the newest version.
        """
        query = wire.ModelQuery(
            q=words,
            namespace=namespace,
            tag=list(tags),
            owner=owner,
            framework=framework,
            licence=licence,
            task=task,
            alias=alias,
            metric=list(metrics),
            archived=archived,
        )
        return items(self._transport, at("models"), query, ModelPage, limit)

    def page(self, query: wire.ModelQuery) -> ModelPage:
        """One page, with the total when the query asks for it."""
        return self._transport.call("GET", at("models"), query=query, returns=ModelPage)

    def create(
        self,
        name: str,
        *,
        display_name: str = "",
        description: str = "",
        visibility: str | None = None,
        tags: Mapping[str, str] | None = None,
        owners: Sequence[str] = (),
    ) -> Model:
        """A model without versions; a push makes one too. visibility None: as its namespace."""
        body = wire.CreateModel(
            name=name,
            display_name=display_name,
            description=description,
            visibility=visibility,
            tags=dict(tags or {}),
            owners=list(owners),
        )
        return self._transport.call("POST", at("models"), body=body, returns=Model)

    def get(self, name: str) -> Model:
        return self._transport.call("GET", self._session.model_path(name), returns=Model)

    def edit(
        self,
        name: str,
        *,
        display_name: str | None = None,
        description: str | None = None,
        visibility: str | None = None,
        owners: Sequence[str] | None = None,
        tags: Mapping[str, str] | None = None,
        task: str | None = None,
        archived: bool | None = None,
        revision: int | None = None,
    ) -> Model:
        """What is None stays; owners and tags are the whole new set."""
        body = wire.EditModel(
            display_name=display_name,
            description=description,
            visibility=visibility,
            owners=None if owners is None else [*owners],
            tags=None if tags is None else dict(tags),
            task=task,
            archived=archived,
        )
        return self._transport.call(
            "PATCH", self._session.model_path(name), body=body, headers=if_match(revision), returns=Model
        )

    def rename(self, name: str, to: str) -> Model:
        """Inside its namespace; the old name goes on working."""
        body = wire.RenameModel(to=to)
        return self._transport.call("POST", self._session.model_path(name, "rename"), body=body, returns=Model)

    def delete(self, name: str, reason: str | None = None) -> None:
        """The model and all its versions; HasDependents while something needs one."""
        self._transport.call("DELETE", self._session.model_path(name), query=Reason(reason=reason))

    def history(
        self, name: str, query: versions_wire.EventQuery | None = None, limit: int | None = None
    ) -> Iterator[versions_wire.Event]:
        """Everything that happened to the model, newest first."""
        return items(
            self._transport,
            self._session.model_path(name, "history"),
            query or versions_wire.EventQuery(),
            versions_wire.EventPage,
            limit,
        )

    def members(self, name: str) -> Sequence[access_wire.Member]:
        """Who holds a role on the model itself, in place of the one on its namespace."""
        return self._transport.call(
            "GET", self._session.model_path(name, "members"), returns=access_wire.MemberList
        ).items

    def grant(self, name: str, account: str, role: str) -> None:
        """role `none` hides the model from the account."""
        self._transport.call(
            "PUT", self._session.model_path(name, "members", account), body=access_wire.GrantRole(role=role)
        )

    def revoke(self, name: str, account: str) -> None:
        self._transport.call("DELETE", self._session.model_path(name, "members", account))
