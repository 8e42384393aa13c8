"""Accounts, tokens, groups and roles."""

from __future__ import annotations

from modelyard.wire.base import Answer, Items, Page, PageQuery, Request, Text


class WhoAmI(Answer, kw_only=True):
    name: str
    kind: str
    is_admin: bool
    default_namespace: str | None = None
    groups: list[str] = []
    token_permissions: list[str] | None = None
    """None: everything the account may do."""
    token_namespace: str | None = None
    token_model: str | None = None
    token_id: int | None = None
    """None for a browser session."""
    is_auditor: bool = False
    is_full_sign_in: bool = False
    """Whether it may change the account's credentials: password, links, tokens."""
    server: str = ""
    """Release of the server."""


class Account(Answer, kw_only=True):
    name: str
    kind: str
    display_name: str
    email: str | None
    """Shown to the account itself and to admins."""
    is_admin: bool
    default_namespace: str | None
    created_at: str
    disabled: bool
    is_auditor: bool = False
    made_by: str | None = None
    """Account that created it; where a rule needs two people, both count as one person."""
    deleted_at: str | None = None
    """When it was deleted; null: it is not deleted."""


class AccountQuery(PageQuery, kw_only=True):
    """kind: user, service or group."""

    kind: str | None = None


class AccountPage(Page, kw_only=True):
    items: list[Account]


class CreateAccount(Request, kw_only=True):
    """kind: user, service or group."""

    name: Text
    kind: Text = "user"
    display_name: Text = ""
    email: Text | None = None
    password: Text | None = None
    is_admin: bool = False
    default_namespace: Text | None = None
    is_auditor: bool = False


class EditAccount(Request, kw_only=True):
    """Fields left out stay unchanged."""

    display_name: Text | None = None
    email: Text | None = None
    password: Text | None = None
    is_admin: bool | None = None
    default_namespace: Text | None = None
    disabled: bool | None = None
    is_auditor: bool | None = None


class SignInLink(Answer, kw_only=True):
    """A sign-in link; it works once, within ten minutes."""

    url: str


class SignIn(Request, kw_only=True):
    """Either name and password, or the secret of a sign-in link."""

    name: Text = ""
    password: Text = ""
    link: Text = ""


class CreateToken(Request, kw_only=True):
    """permissions None: all of the owner's. form: 'modelyard', or 'hf' for Hugging Face clients that require it."""

    name: Text
    owner: Text | None = None
    permissions: Items[Text] | None = None
    namespace: Text | None = None
    model: Text | None = None
    expires_in_days: float | None = 90
    form: Text = "modelyard"


class CreatedToken(Answer, kw_only=True):
    """`token` is shown only once, and stored only as a hash."""

    id: int
    token: str
    expires_at: str | None


class Token(Answer, kw_only=True):
    id: int
    name: str
    hint: str
    owner: str
    permissions: list[str] | None
    namespace: str | None
    model: str | None
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class TokenQuery(PageQuery, kw_only=True):
    everybody: bool = False
    """Tokens of all accounts, for admins."""


class TokenList(Answer, kw_only=True):
    items: list[Token]


class Member(Answer, kw_only=True):
    name: str
    kind: str
    role: str


class MemberList(Answer, kw_only=True):
    items: list[Member]


class GrantRole(Request, kw_only=True):
    """role: none, auditor, reader, contributor, maintainer or owner."""

    role: Text


class NameList(Answer, kw_only=True):
    items: list[str]
