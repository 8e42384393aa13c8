"""Guesses spread over accounts or networks are slowed like many at one, and the owner of an account is not locked out."""

from __future__ import annotations

from modelyard.registry.access.attempts import (
    FORGOTTEN_AFTER_SECONDS,
    FREE_OF_ACCOUNT,
    FREE_OF_NETWORK,
    FREE_OF_PAIR,
    LONGEST_WAIT_SECONDS,
    Attempts,
)

NOW = 1000.0


def test_one_guess_at_each_of_many_accounts_slows_the_network() -> None:
    attempts = Attempts()
    for number in range(FREE_OF_NETWORK):
        assert attempts.wait_seconds(f"ann{number}", "here", NOW) == 0
        attempts.begin(f"ann{number}", "here", NOW)
    assert attempts.wait_seconds("another", "here", NOW) > 0
    assert attempts.wait_seconds("another", "elsewhere", NOW) == 0
    assert attempts.wait_seconds("another", "here", NOW + FORGOTTEN_AFTER_SECONDS + 1) == 0


def test_one_guess_from_each_of_many_networks_slows_the_account_but_not_its_owner() -> None:
    attempts = Attempts()
    attempts.begin("ann", "home", NOW)
    attempts.succeed("ann", "home")
    for number in range(FREE_OF_ACCOUNT):
        assert attempts.wait_seconds("ann", f"net{number}", NOW) == 0
        attempts.begin("ann", f"net{number}", NOW)
    assert attempts.wait_seconds("ann", "one more", NOW) > 0
    assert attempts.wait_seconds("ann", "home", NOW) == 0
    assert attempts.wait_seconds("bob", "one more", NOW) == 0


def test_a_success_forgets_the_failures_of_the_account_there() -> None:
    attempts = Attempts()
    for _ in range(FREE_OF_PAIR):
        attempts.begin("ann", "here", NOW)
    assert attempts.wait_seconds("ann", "here", NOW) > 0
    attempts.succeed("ann", "here")
    assert attempts.wait_seconds("ann", "here", NOW) == 0


def test_the_wait_grows_and_has_an_end() -> None:
    attempts = Attempts()
    waits = []
    for _ in range(40):
        attempts.begin("ann", "here", NOW)
        waits.append(attempts.wait_seconds("ann", "here", NOW))
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT_SECONDS
