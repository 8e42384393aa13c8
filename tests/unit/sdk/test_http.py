"""How long a client goes on, and what it never says."""

from __future__ import annotations

import pytest

from modelyard.domain.errors import Unavailable
from modelyard.sdk.http import Patience, Transport


def test_files_get_four_times_the_patience_that_was_asked_for() -> None:
    assert Transport("http://127.0.0.1:1", None, patience_seconds=0.5).transfer_patience().seconds == 2.0
    assert Transport("http://127.0.0.1:1", None).transfer_patience().seconds == 120.0


def test_without_patience_the_first_failure_is_raised() -> None:
    error = Unavailable(what="it")
    with pytest.raises(Unavailable) as caught:
        Patience(0).wait(error)
    assert caught.value is error
