"""Accounts, groups and tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelyard.sdk.http import at
from modelyard.sdk.session import Feature
from modelyard.wire import access as wire


class Accounts(Feature):
    """`client.accounts`: users, service accounts and groups."""

    def list(self, kind: str | None = None, limit: int | None = None) -> Iterator[wire.Account]:
        """Return the accounts of the server.

        Args:
            kind: `user`, `service` or `group`; None: all three.
            limit: Return at most this many; None: all.

        Returns:
            One account at a time; further pages are fetched as they are needed.

        Raises:
            NotSignedIn: There is no token.

        Example:
            >>> [account.name for account in client.accounts.list("service")]
            ['release-bot']
        """
        return self._items(at("accounts"), wire.AccountQuery(kind=kind), wire.AccountPage, limit)

    def get(self, name: str) -> wire.Account:
        """Return one account.

        Args:
            name: Name of the account.

        Returns:
            The account; its e-mail address is shown to itself and to admins only.

        Raises:
            ActorNotFound: There is no such account.

        Example:
            >>> client.accounts.get("ada").is_admin
            False
        """
        return self._get(at("accounts", name), wire.Account)

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
        """Create a user, a service account or a group; only admins may.

        Args:
            name: Name of the account, as people type it.
            kind: `user`, `service` or `group`.
            display_name: Full name, for people.
            email: Address for notifications; None: none.
            password: First password of a user; None: the account signs in by a link or a token.
            is_admin: Give all rights on the whole server.
            default_namespace: Namespace of names without one; None: none.
            is_auditor: Allow reading and exporting the event log of the whole server.

        Returns:
            The new account.

        Raises:
            AlreadyExists: The name is taken.
            InvalidName: The name is not valid; the message proposes the nearest valid one.
            Denied: Your role does not allow this.

        Example:
            >>> client.accounts.create("release-bot", kind="service").name
            'release-bot'
        """
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
        # Only a hash of the request is kept, so the password is not stored.
        return self._post(at("accounts"), wire.Account, body)

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
        """Change an account; parameters that are None leave their fields unchanged.

        Args:
            name: Name of the account.
            display_name: Full name, for people.
            email: Address for notifications.
            password: New password.
            is_admin: Whether the account has all rights on the whole server.
            default_namespace: Namespace of names without one.
            disabled: True: the account can no longer sign in, and its tokens stop working.
            is_auditor: Whether the account may read and export the whole event log.

        Returns:
            The account as it is now.

        Raises:
            Conflict: The server would be left without an admin.
            ActorNotFound: There is no such account.
            Denied: Your role does not allow this.

        Example:
            >>> client.accounts.edit("ada", display_name="Ada Lovelace").display_name
            'Ada Lovelace'
        """
        body = wire.EditAccount(
            display_name=display_name,
            email=email,
            password=password,
            is_admin=is_admin,
            default_namespace=default_namespace,
            disabled=disabled,
            is_auditor=is_auditor,
        )
        return self._call("PATCH", at("accounts", name), body=body, returns=wire.Account)

    def delete(self, name: str) -> wire.Account:
        """Delete the account of a person: your own, or as an admin any one.

        Name, display name and e-mail address are taken away; its tokens, sessions, roles, memberships and
        subscriptions end. What it did stays, under the name `deleted-ID`. The event log keeps the name under which
        the account acted.

        Args:
            name: Name of the account.

        Returns:
            What is left of the account.

        Raises:
            Invalid: It is a service account or a group.
            Conflict: It is the last admin, or the last owner of a namespace.
            ActorNotFound: There is no such account.
            Denied: Your role does not allow this.

        Example:
            >>> client.accounts.delete("ada").name
            'deleted-7'
        """
        return self._call("DELETE", at("accounts", name), returns=wire.Account)

    def sign_in_link(self, name: str) -> str:
        """Create an address that signs the account in with a browser, once, within ten minutes.

        Args:
            name: Name of the account.

        Returns:
            The address. Treat it like a password.

        Raises:
            FullSignInNeeded: This client's token is not from a full sign-in.
            ActorNotFound: There is no such account.
            Denied: Your role does not allow this.

        Example:
            >>> print(client.accounts.sign_in_link("ada"))
        """
        return self._post(at("accounts", name, "sign-in-link"), wire.SignInLink, repeatable=False).url


class Groups(Feature):
    """`client.groups`: the members of groups."""

    def members(self, group: str) -> Sequence[str]:
        """Return the names of the members of a group.

        Args:
            group: Name of the group.

        Returns:
            The names of the accounts in it.

        Raises:
            ActorNotFound: There is no such group.

        Example:
            >>> client.groups.members("risk")
            ['ada', 'grace']
        """
        return self._get(at("groups", group, "members"), wire.NameList).items

    def add(self, group: str, account: str) -> None:
        """Add an account to a group. Adding a member again changes nothing.

        Args:
            group: Name of the group.
            account: Name of a user or service account.

        Raises:
            ActorNotFound: There is no such group or account.
            Denied: Your role does not allow this.

        Example:
            >>> client.groups.add("risk", "ada")
        """
        self._call("PUT", at("groups", group, "members", account))

    def remove(self, group: str, account: str) -> None:
        """Remove an account from a group.

        Args:
            group: Name of the group.
            account: Name of the member.

        Raises:
            ActorNotFound: There is no such group or account.
            Denied: Your role does not allow this.

        Example:
            >>> client.groups.remove("risk", "ada")
        """
        self._call("DELETE", at("groups", group, "members", account))


class Tokens(Feature):
    """`client.tokens`."""

    def list(self, *, everybody: bool = False) -> Sequence[wire.Token]:
        """Return tokens, newest first, without their secrets.

        Args:
            everybody: Return the tokens of all accounts; only admins may. False: your own.

        Returns:
            The tokens; `hint` shows the end of each secret.

        Raises:
            NotSignedIn: There is no token.
            Denied: Your role does not allow this.

        Example:
            >>> [token.name for token in client.tokens.list()]
            ['laptop', 'ci']
        """
        return self._get(at("tokens"), wire.TokenList, wire.TokenQuery(everybody=everybody)).items

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
        """Create a token and return its secret, which is shown only once.

        This needs a full sign-in, and the new token expires no later than this client's token.

        Args:
            name: What the token is for, for example `ci`.
            owner: Account that the token acts for; None: yourself.
            permissions: Permissions of the token; None: all of its owner's.
            namespace: Limit the token to this namespace; None: no limit.
            model: Limit the token to this model; None: no limit.
            expires_in_days: Days until the token expires; None: it does not expire.
            form: `modelyard`, or `hf` for clients that expect a Hugging Face token.

        Returns:
            The new token with its secret in `token`.

        Raises:
            FullSignInNeeded: This client's token is not from a full sign-in.
            Denied: Your role does not allow this.

        Example:
            >>> secret = client.tokens.create("ci", namespace="fraud", expires_in_days=30).token
        """
        body = wire.CreateToken(
            name=name,
            owner=owner,
            permissions=None if permissions is None else [*permissions],
            namespace=namespace,
            model=model,
            expires_in_days=expires_in_days,
            form=form,
        )
        return self._post(at("tokens"), wire.CreatedToken, body, repeatable=False)

    def revoke(self, token_id: int) -> None:
        """Revoke a token at once, with every token that was created with it.

        Args:
            token_id: Number of the token, as `list` shows it.

        Raises:
            TokenNotFound: There is no such token.
            Denied: Your role does not allow this.

        Example:
            >>> client.tokens.revoke(7)
        """
        self._call("DELETE", at("tokens", token_id))
