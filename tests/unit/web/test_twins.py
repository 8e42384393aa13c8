"""What a form of a page does, the API, the SDK and the command line do too: no page has an action of its own."""

from __future__ import annotations

import click
import pytest

from modelyard.api.tables import TABLES as API
from modelyard.cli.main import cli as root
from modelyard.web.frame import Page
from modelyard.web.tables import TABLES

OPERATIONS = {spec.operation: spec for table in API for spec in table.specs}
FORMS = [page for table in TABLES for page in table.pages if page.method == "POST"]


def find_command(words: str) -> click.Command | None:
    found: click.Command | None = root
    for word in words.split():
        if not isinstance(found, click.Group):
            return None
        found = found.get_command(click.Context(found), word)
    return None if isinstance(found, click.Group) and not found.invoke_without_command else found


@pytest.mark.parametrize("page", FORMS, ids=lambda page: page.path)
def test_a_form_has_an_operation_and_a_command(page: Page) -> None:
    assert page.operation in OPERATIONS, f"{page.path}: the API has no operation {page.operation!r}"
    assert OPERATIONS[page.operation].method != "GET", f"{page.operation} changes nothing"
    # Commands reach the server through the SDK alone, which an import contract holds.
    assert find_command(page.command) is not None, f"{page.path}: there is no command {page.command!r}"


def test_a_wrong_name_is_noticed() -> None:
    assert "promote_it" not in OPERATIONS
    assert find_command("promote it") is None
    assert find_command("token") is None
    assert find_command("token create") is not None
