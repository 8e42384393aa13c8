"""Rates: who counts as one client, what is remembered of clients, and how it stays bounded."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from modelyard.doors.limits import Bucket, Limits


def test_a_bucket_holds_ten_seconds_and_fills_again() -> None:
    bucket = Bucket(20, at=0)
    assert [bucket.take(2.0, 0) for _ in range(21)] == [True] * 20 + [False]
    assert [bucket.take(2.0, 0.5) for _ in range(2)] == [True, False]
    assert [bucket.take(2.0, 1000) for _ in range(21)] == [True] * 20 + [False]


class Client:
    """Requests of one address, as the edge shows them to the limits."""

    def __init__(self, limits: Limits, address: str = "192.0.2.1") -> None:
        self.limits, self.address = limits, address
        self.now = 0.0

    def ask(self, header: str | None = None, *, true: bool | None = False) -> bool:
        """Whether one request is let in. true: its token turns out to be one; None: no one asked for it."""
        headers = {} if header is None else {b"authorization": header.encode()}
        scope: dict[str, Any] = {"client": (self.address, 4711)}
        if not self.limits.admit(scope, headers, self.now):
            return False
        if header is not None and true is not None:
            scope["modelyard.proven"] = true
        self.limits.learn(scope, self.now)
        return True


def test_a_new_header_each_time_makes_no_new_client() -> None:
    client = Client(Limits(1.0))
    assert [client.ask(f"Bearer guess-{number}") for number in range(12)] == [True] * 10 + [False] * 2
    assert not client.ask()
    assert Client(client.limits, "192.0.2.2").ask()


def test_a_true_token_has_its_own_count_wherever_it_comes_from() -> None:
    here = Client(Limits(1.0))
    assert [here.ask("Bearer one", true=True) for _ in range(11)] == [True] * 10 + [False]
    # Nine are left at this address: the token took one until it was known.
    assert [here.ask() for _ in range(10)] == [True] * 9 + [False]
    assert not Client(here.limits, "192.0.2.2").ask("Bearer one", true=True)
    here.now = 1.5
    assert [here.ask("Bearer one", true=True) for _ in range(2)] == [True, False]


def test_one_token_in_several_forms_is_one_client() -> None:
    client = Client(Limits(1.0))
    assert client.ask("Bearer one", true=True)

    def basic(user: str) -> str:
        return "Basic " + base64.b64encode(f"{user}:one".encode()).decode()

    assert [client.ask(basic(f"user{number}"), true=True) for number in range(10)] == [True] * 9 + [False]


def test_a_token_that_no_longer_counts_is_anybody() -> None:
    client = Client(Limits(1.0))
    assert client.ask("Bearer one", true=True)
    assert client.ask("Bearer one")
    assert [client.ask("Bearer one") for _ in range(10)] == [True] * 9 + [False]


def test_what_fails_for_another_reason_gives_no_new_count() -> None:
    """As a sign-in with a wrong link does, which looks at no token."""
    client = Client(Limits(1.0))
    assert client.ask("Bearer one", true=True)
    assert [client.ask("Bearer one", true=None) for _ in range(10)] == [True] * 9 + [False]
    assert not client.ask("Bearer one", true=True)


@pytest.mark.parametrize("header", ["", "Bearer", "Basic !", "Digest x", "Basic " + "A" * 500])
def test_a_header_without_a_token_counts_for_the_address(header: str) -> None:
    client = Client(Limits(1.0))
    assert [client.ask(header) for _ in range(11)] == [True] * 10 + [False]


@pytest.mark.parametrize(
    ("address", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("no:address", "another:one", False),
    ],
)
def test_an_ipv6_network_is_one_client(address: str, other: str, same: bool) -> None:
    first = Client(Limits(1.0), address)
    assert [first.ask() for _ in range(11)] == [True] * 10 + [False]
    assert Client(first.limits, other).ask() is not same


def test_only_who_was_away_longest_is_forgotten() -> None:
    limits = Limits(1.0, most=100)
    busy = Client(limits)
    assert [busy.ask() for _ in range(11)] == [True] * 10 + [False]
    for number in range(500):
        assert Client(limits, f"198.51.100.{number}").ask()
        assert not busy.ask()
    assert len(limits.clients()) == 100
    for number in range(500):
        assert Client(limits, f"203.0.113.{number}").ask(f"Bearer {number}", true=True)
    assert len(limits.clients()) == 200


def test_no_secret_is_kept() -> None:
    limits = Limits(1.0)
    Client(limits).ask("Bearer mdy_user_secret", true=True)
    Client(limits).ask("Bearer mdy_user_guess")
    assert len(limits.clients()) == 2
    assert not any("mdy_user" in client for client in limits.clients())
