"""Namespaces and models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from modelyard.sdk.http import at, if_match
from modelyard.sdk.paging import Items
from modelyard.sdk.session import Feature
from modelyard.sdk.views import Model, ModelPage
from modelyard.wire import access as access_wire
from modelyard.wire import catalog as wire
from modelyard.wire import versions as versions_wire
from modelyard.wire.base import PageQuery, Reason


class Namespaces(Feature):
    """`client.namespaces`."""

    def list(self, limit: int | None = None) -> Iterator[wire.Namespace]:
        """Return the namespaces that you may see, by name.

        Args:
            limit: Return at most this many; None: all.

        Returns:
            One namespace at a time.

        Raises:
            ServerUnreachable: The server does not answer.

        Example:
            >>> [namespace.name for namespace in client.namespaces.list()]
            ['fraud', 'search']
        """
        return self._items(at("namespaces"), PageQuery(), wire.NamespacePage, limit)

    def create(
        self,
        name: str,
        *,
        display_name: str = "",
        description: str = "",
        visibility: str = "private",
        naming_pattern: str | None = None,
        reserved_names: Sequence[str] = (),
        naming_mode: str = "refuse",
    ) -> wire.Namespace:
        """Create a namespace; you become its owner.

        Args:
            name: Name of the namespace.
            display_name: Full name, for people.
            description: Purpose of the namespace.
            visibility: `private` (its members), `signed-in` (every account) or `public` (everyone may read).
            naming_pattern: Regular expression that the names of its models must match; None: no pattern.
            reserved_names: Names that no model in it may have.
            naming_mode: `refuse` other names, or accept them and `warn`.

        Returns:
            The new namespace.

        Raises:
            AlreadyExists: The name is taken.
            InvalidName: The name is not valid; the message proposes the nearest valid one.
            Denied: Your role does not allow this.

        Example:
            >>> client.namespaces.create("fraud", display_name="Fraud detection").role
            'owner'
        """
        body = wire.CreateNamespace(
            name=name,
            display_name=display_name,
            description=description,
            visibility=visibility,
            naming_pattern=naming_pattern,
            reserved_names=list(reserved_names),
            naming_mode=naming_mode,
        )
        return self._post(at("namespaces"), wire.Namespace, body)

    def get(self, name: str) -> wire.Namespace:
        """Return one namespace.

        Args:
            name: Name of the namespace.

        Returns:
            The namespace, with your role in it.

        Raises:
            NamespaceNotFound: There is no such namespace, or you may not see it.

        Example:
            >>> client.namespaces.get("fraud").visibility
            'private'
        """
        return self._get(at("namespaces", name), wire.Namespace)

    def edit(
        self,
        name: str,
        *,
        display_name: str | None = None,
        description: str | None = None,
        visibility: str | None = None,
        naming_pattern: str | None = None,
        reserved_names: Sequence[str] | None = None,
        naming_mode: str | None = None,
        quota_bytes: int | None = None,
        revision: int | None = None,
    ) -> wire.Namespace:
        """Change a namespace; parameters that are None leave their fields unchanged.

        Args:
            name: Name of the namespace.
            display_name: Full name, for people.
            description: Purpose of the namespace.
            visibility: `private`, `signed-in` or `public`.
            naming_pattern: Regular expression that the names of its models must match.
            reserved_names: Names that no model in it may have; they replace the old ones.
            naming_mode: `refuse` other names, or accept them and `warn`.
            quota_bytes: Most bytes that its versions may have together; 0 removes the quota. Only admins set it.
            revision: Change it only while it has this revision; None: in any case.

        Returns:
            The namespace as it is now.

        Raises:
            EditConflict: Someone else changed it in the meantime.
            NamespaceNotFound: There is no such namespace, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.namespaces.edit("fraud", visibility="signed-in").visibility
            'signed-in'
        """
        body = wire.EditNamespace(
            display_name=display_name,
            description=description,
            visibility=visibility,
            naming_pattern=naming_pattern,
            reserved_names=None if reserved_names is None else [*reserved_names],
            naming_mode=naming_mode,
            quota_bytes=quota_bytes,
        )
        return self._call(
            "PATCH", at("namespaces", name), body=body, headers=if_match(revision), returns=wire.Namespace
        )

    def delete(self, name: str) -> None:
        """Delete a namespace that never held a model.

        Args:
            name: Name of the namespace.

        Raises:
            HasDependents: The namespace holds or held a model.
            NamespaceNotFound: There is no such namespace, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.namespaces.delete("trial")
        """
        self._call("DELETE", at("namespaces", name))

    def members(self, name: str) -> Sequence[access_wire.Member]:
        """Return the accounts that have a role in a namespace.

        Args:
            name: Name of the namespace.

        Returns:
            The members with their roles.

        Raises:
            NamespaceNotFound: There is no such namespace, or you may not see it.

        Example:
            >>> {member.name: member.role for member in client.namespaces.members("fraud")}
            {'ada': 'owner', 'release-bot': 'maintainer'}
        """
        return self._get(at("namespaces", name, "members"), access_wire.MemberList).items

    def grant(self, name: str, account: str, role: str) -> None:
        """Give an account a role in a namespace; it replaces the role it had there.

        Args:
            name: Name of the namespace.
            account: Name of a user, service account or group.
            role: `reader`, `contributor`, `maintainer` or `owner`.

        Raises:
            Conflict: The namespace would lose its last owner.
            NamespaceNotFound: There is no such namespace, or you may not see it.
            ActorNotFound: There is no such account.
            Denied: Your role does not allow this.

        Example:
            >>> client.namespaces.grant("fraud", "ada", "maintainer")
        """
        body = access_wire.GrantRole(role=role)
        self._call("PUT", at("namespaces", name, "members", account), body=body)

    def revoke(self, name: str, account: str) -> None:
        """Remove the role of an account in a namespace.

        Args:
            name: Name of the namespace.
            account: Name of a user, service account or group.

        Raises:
            Conflict: The namespace would lose its last owner.
            NamespaceNotFound: There is no such namespace, or you may not see it.
            ActorNotFound: There is no such account.
            Denied: Your role does not allow this.

        Example:
            >>> client.namespaces.revoke("fraud", "ada")
        """
        self._call("DELETE", at("namespaces", name, "members", account))


class Models(Feature):
    """`client.models`. A name may omit its namespace if the account has a default one."""

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
        stage: str | None = None,
        metrics: Sequence[str] = (),
        semver: str | None = None,
        pull_request: str | None = None,
        archived: bool = False,
        limit: int | None = None,
    ) -> Items[Model]:
        """Find models by words, tags, metrics and other properties; all conditions must hold.

        Args:
            words: Words to look for in names, descriptions, tags and cards of the model, of its newest version and
                of those in its stages, and in comments; empty: no condition.
            namespace: Only models of this namespace; None: of all that you may see.
            tags: `key=value`, or `key` for any value; of the model, or of a version that is the newest or that an
                alias points at.
            owner: Only models of this account.
            framework: Only models of this framework, for example `pytorch`.
            licence: Only models under this licence, in upper or lower case.
            task: Only models for this task.
            alias: Only models that have this alias.
            stage: Only models with a version in this stage.
            metrics: Conditions such as `f1>=0.7`, on the metrics of the newest version as measured last.
            semver: Only models that have a version with this semantic version, or one that begins so: `2.1`.
            pull_request: Only models that have a version from the pull request with this address.
            archived: Include archived models.
            limit: Return at most this many; None: all.

        Returns:
            One model at a time, most recently changed first.

        Raises:
            Invalid: A condition cannot be read.

        Example:
            >>> [model.name for model in client.models.search("fraud", metrics=["f1>=0.7"])]
            ['fraud/scorer']
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
            stage=stage,
            metric=list(metrics),
            semver=semver,
            pull_request=pull_request,
            archived=archived,
        )
        return self._items(at("models"), query, ModelPage, limit)

    def facets(self, query: wire.ModelQuery) -> dict[str, dict[str, int]]:
        """Count the models that a search finds by their properties.

        Args:
            query: The conditions; its page size and cursor are ignored.

        Returns:
            Property (namespace, framework, licence, task, alias, tag) → value → number of models, most frequent
            first.

        Raises:
            Invalid: A condition cannot be read.

        Example:
            >>> client.models.facets(ModelQuery(namespace="fraud"))["framework"]
            {'scikit-learn': 12, 'pytorch': 3}
        """
        found = self._get(at("model-facets"), wire.Facets, query).facets
        return {facet: {each.value: each.count for each in values} for facet, values in found.items()}

    def page(self, query: wire.ModelQuery) -> ModelPage:
        """Return one page of models, with the total if the query asks for it.

        Args:
            query: The conditions, the page size and the cursor.

        Returns:
            The page; its `next_cursor` is for the next query.

        Raises:
            Invalid: A condition or the cursor cannot be read.

        Example:
            >>> client.models.page(ModelQuery(namespace="fraud", total=True)).total
            14
        """
        return self._get(at("models"), ModelPage, query)

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
        """Create a model without versions. A push does this too if the model does not exist.

        Args:
            name: Name of the model; the namespace may be omitted if your account has a default one.
            display_name: Full name, for people.
            description: Purpose of the model.
            visibility: `private`, `signed-in` or `public`; None: the visibility of its namespace.
            tags: Tags of the model.
            owners: Accounts or groups responsible for the model.

        Returns:
            The new model.

        Raises:
            AlreadyExists: The name is taken.
            InvalidName: The name is not valid; the message proposes the nearest valid one.
            NamespaceNotFound: There is no such namespace, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.models.create("fraud/scorer", tags={"team": "risk"}).version_count
            0
        """
        body = wire.CreateModel(
            name=name,
            display_name=display_name,
            description=description,
            visibility=visibility,
            tags=dict(tags or {}),
            owners=list(owners),
        )
        return self._post(at("models"), Model, body)

    def get(self, name: str) -> Model:
        """Return one model.

        Args:
            name: Name of the model; an old name of a renamed model works too.

        Returns:
            The model, with its aliases and your role.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> client.models.get("fraud/scorer").newest_version
            12
        """
        return self._get(self._model(name), Model)

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
        reason: str | None = None,
        revision: int | None = None,
    ) -> Model:
        """Change a model; parameters that are None leave their fields unchanged.

        Args:
            name: Name of the model.
            display_name: Full name, for people.
            description: Purpose of the model.
            visibility: `private`, `signed-in` or `public`.
            owners: New owners; they replace the old ones.
            tags: New tags; they replace the old ones.
            task: The task that the model solves.
            archived: True: archive the model; False: restore it.
            reason: Reason, kept in the event log.
            revision: Change it only while it has this revision; None: in any case.

        Returns:
            The model as it is now.

        Raises:
            ModelArchived: The model is archived; restore it first.
            HasDependents: A version is in a stage, so the model cannot be archived.
            EditConflict: Someone else changed it in the meantime.
            ModelNotFound: There is no such model, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.models.edit("fraud/scorer", owners=["risk"]).owners
            ['risk']
        """
        body = wire.EditModel(
            display_name=display_name,
            description=description,
            visibility=visibility,
            owners=None if owners is None else [*owners],
            tags=None if tags is None else dict(tags),
            task=task,
            archived=archived,
            reason=reason,
        )
        return self._call("PATCH", self._model(name), body=body, headers=if_match(revision), returns=Model)

    def rename(self, name: str, to: str) -> Model:
        """Rename a model inside its namespace; the old name keeps working.

        Args:
            name: Name of the model.
            to: The new name, without the namespace.

        Returns:
            The model under its new name.

        Raises:
            AlreadyExists: The new name is taken.
            InvalidName: The new name is not valid.
            ModelNotFound: There is no such model, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.models.rename("fraud/scorer", "card-scorer").name
            'fraud/card-scorer'
        """
        body = wire.RenameModel(to=to)
        return self._post(self._model(name, "rename"), Model, body)

    def delete(self, name: str, reason: str | None = None) -> None:
        """Delete a model and all its versions.

        Args:
            name: Name of the model.
            reason: Reason, kept in the event log.

        Raises:
            HasDependents: Something still needs one of its versions; the message names it.
            ModelNotFound: There is no such model, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.models.delete("fraud/trial", reason="an experiment")
        """
        self._call("DELETE", self._model(name), query=Reason(reason=reason))

    def history(
        self, name: str, query: versions_wire.EventQuery | None = None, limit: int | None = None
    ) -> Iterator[versions_wire.Event]:
        """Return all events of a model, newest first.

        Args:
            name: Name of the model.
            query: Conditions, for example one account or one kind; None: all events.
            limit: Return at most this many; None: all.

        Returns:
            One event at a time.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> [event.kind for event in client.models.history("fraud/scorer", limit=2)]
            ['alias.moved', 'version.registered']
        """
        return self._items(
            self._model(name, "history"), query or versions_wire.EventQuery(), versions_wire.EventPage, limit
        )

    def members(self, name: str) -> Sequence[access_wire.Member]:
        """Return the accounts with a role on the model itself, which replaces their role in its namespace.

        Args:
            name: Name of the model.

        Returns:
            The members with their roles.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> {member.name: member.role for member in client.models.members("fraud/scorer")}
            {'intern': 'reader'}
        """
        return self._get(self._model(name, "members"), access_wire.MemberList).items

    def grant(self, name: str, account: str, role: str) -> None:
        """Give an account a role on a model, which replaces its role in the namespace.

        Args:
            name: Name of the model.
            account: Name of a user, service account or group.
            role: `reader`, `contributor`, `maintainer` or `owner`; `none` hides the model from the account.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.
            ActorNotFound: There is no such account.
            Denied: Your role does not allow this.

        Example:
            >>> client.models.grant("fraud/scorer", "intern", "reader")
        """
        self._call("PUT", self._model(name, "members", account), body=access_wire.GrantRole(role=role))

    def revoke(self, name: str, account: str) -> None:
        """Remove the role of an account on a model; its role in the namespace counts again.

        Args:
            name: Name of the model.
            account: Name of a user, service account or group.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.
            ActorNotFound: There is no such account.
            Denied: Your role does not allow this.

        Example:
            >>> client.models.revoke("fraud/scorer", "intern")
        """
        self._call("DELETE", self._model(name, "members", account))
