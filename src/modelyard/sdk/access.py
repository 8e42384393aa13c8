"""Accounts, groups and tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelyard.sdk.http import at
from modelyard.sdk.paging import items
from modelyard.sdk.session import Feature
from modelyard.wire import access as wire
from modelyard.wire.base import PageQuery


class AccountQuery(PageQuery, kw_only=True):
    kind: str | None = None


class TokenQuery(PageQuery, kw_only=True):
    everybody: bool = False


class Accounts(Feature):
    """`client.accounts`: users, service accounts and groups."""

    def list(self, kind: str | None = None, limit: int | None = None) -> Iterator[wire.Account]:
        """kind: user, service or group; None: all."""
        return items(self._transport, at("accounts"), AccountQuery(kind=kind), wire.AccountPage, limit)

    def get(self, name: str) -> wire.Account:
        return self._transport.call("GET", at("accounts", name), returns=wire.Account)

    def create(
        self,
        name: str,
        *,
        kind: str = "user",
        display_name: str = "",
        email: str | None = None,
        password: str | None = None,
        is_admin: bool = False,
        default_namespace: str | None = None,
        is_auditor: bool = False,
    ) -> wire.Account:
        body = wire.CreateAccount(
            name=name,
            kind=kind,
            display_name=display_name,
            email=email,
            password=password,
            is_admin=is_admin,
            default_namespace=default_namespace,
            is_auditor=is_auditor,
        )
        # The request is remembered by its hash only, so the password stays here.
        return self._transport.call("POST", at("accounts"), body=body, returns=wire.Account)

    def edit(
        self,
        name: str,
        *,
        display_name: str | None = None,
        email: str | None = None,
        password: str | None = None,
        is_admin: bool | None = None,
        default_namespace: str | None = None,
        disabled: bool | None = None,
        is_auditor: bool | None = None,
    ) -> wire.Account:
        """What is None stays."""
        body = wire.EditAccount(
            display_name=display_name,
            email=email,
            password=password,
            is_admin=is_admin,
            default_namespace=default_namespace,
            disabled=disabled,
            is_auditor=is_auditor,
        )
        return self._transport.call("PATCH", at("accounts", name), body=body, returns=wire.Account)

    def sign_in_link(self, name: str) -> str:
        """An address that signs the account in on a browser, once, within ten minutes."""
        return self._transport.call(
            "POST", at("accounts", name, "sign-in-link"), returns=wire.SignInLink, repeatable=False
        ).url


class Groups(Feature):
    """`client.groups`: who is in a group."""

    def members(self, group: str) -> Sequence[str]:
        return self._transport.call("GET", at("groups", group, "members"), returns=wire.NameList).items

    def add(self, group: str, account: str) -> None:
        self._transport.call("PUT", at("groups", group, "members", account))

    def remove(self, group: str, account: str) -> None:
        self._transport.call("DELETE", at("groups", group, "members", account))


class Tokens(Feature):
    """`client.tokens`."""

    def list(self, *, everybody: bool = False) -> Sequence[wire.Token]:
        """One's own, newest first, without secrets. everybody: of all accounts, for admins."""
        return self._transport.call(
            "GET", at("tokens"), query=TokenQuery(everybody=everybody), returns=wire.TokenList
        ).items

    def create(
        self,
        name: str,
        *,
        owner: str | None = None,
        permissions: Sequence[str] | None = None,
        namespace: str | None = None,
        model: str | None = None,
        expires_in_days: float | None = 90,
        form: str = "modelyard",
    ) -> wire.CreatedToken:
        """permissions None: all that the owner may. The secret is in the answer, this once.

        Takes a full sign-in, and the new token ends no later than the one that this client uses."""
        body = wire.CreateToken(
            name=name,
            owner=owner,
            permissions=None if permissions is None else [*permissions],
            namespace=namespace,
            model=model,
            expires_in_days=expires_in_days,
            form=form,
        )
        return self._transport.call(
            "POST", at("tokens"), body=body, returns=wire.CreatedToken, repeatable=False
        )

    def revoke(self, token_id: int) -> None:
        """At once, with all that was made with it."""
        self._transport.call("DELETE", at("tokens", token_id))
