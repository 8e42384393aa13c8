"""Pages in the browser, from the command line."""

from __future__ import annotations

import sys
import webbrowser

import click

from modelyard.cli.arguments import REF
from modelyard.cli.base import Session, command


@command("open", example="modelyard open fraud/scorer@production\nmodelyard open fraud/scorer --print")
@click.argument("ref", type=REF)
@click.option("--print", "only_print", is_flag=True, help="Print the address and open nothing.")
def open_page(session: Session, ref: str, only_print: bool) -> None:
    """Open the page of a model or a version in the browser, and print its address.

    In a pipe, only the address is printed.
    """
    from modelyard.sdk.pages import page_of

    address = page_of(session.client, ref)
    session.say({"url": address}, address)
    if only_print or session.as_json or not sys.stdout.isatty():
        return
    if not webbrowser.open(address):
        session.out.note("No browser could be started here; open the address yourself.")
