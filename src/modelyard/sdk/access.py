"""Accounts, groups and tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelyard.sdk.http import Transport, at
from modelyard.sdk.paging import items
from modelyard.wire import access as wire
from modelyard.wire.base import PageQuery


class AccountQuery(PageQuery, kw_only=True):
    kind: str | None = None


class TokenQuery(PageQuery, kw_only=True):
    everybody: bool = False


class Accounts:
    """`client.accounts`: users, service accounts and groups."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, kind: str | None = None, limit: int | None = None) -> Iterator[wire.Account]:
        """kind: user, service or group; None: all."""
        return items(self._transport, at("accounts"), AccountQuery(kind=kind), wire.AccountPage, limit)

    def get(self, name: str) -> wire.Account:
        found: wire.Account = self._transport.call("GET", at("accounts", name), returns=wire.Account)
        return found

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
        found: wire.Account = self._transport.call("POST", at("accounts"), body=body, returns=wire.Account)
        return found

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
        found: wire.Account = self._transport.call(
            "PATCH", at("accounts", name), body=body, returns=wire.Account
        )
        return found

    def sign_in_link(self, name: str) -> str:
        """An address that signs the account in on a browser, once, within ten minutes."""
        found: wire.SignInLink = self._transport.call(
            "POST", at("accounts", name, "sign-in-link"), returns=wire.SignInLink, repeatable=False
        )
        return found.url


class Groups:
    """`client.groups`: who is in a group."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def members(self, group: str) -> Sequence[str]:
        found: wire.NameList = self._transport.call(
            "GET", at("groups", group, "members"), returns=wire.NameList
        )
        return found.items

    def add(self, group: str, account: str) -> None:
        self._transport.call("PUT", at("groups", group, "members", account))

    def remove(self, group: str, account: str) -> None:
        self._transport.call("DELETE", at("groups", group, "members", account))


class Tokens:
    """`client.tokens`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, everybody: bool = False) -> Sequence[wire.Token]:
        """One's own, newest first, without secrets. everybody: of all accounts, for admins."""
        found: wire.TokenList = self._transport.call(
            "GET", at("tokens"), query=TokenQuery(everybody=everybody), returns=wire.TokenList
        )
        return found.items

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
        found: wire.CreatedToken = self._transport.call(
            "POST", at("tokens"), body=body, returns=wire.CreatedToken, repeatable=False
        )
        return found

    def revoke(self, token_id: int) -> None:
        """At once, with all that was made with it."""
        self._transport.call("DELETE", at("tokens", token_id))
