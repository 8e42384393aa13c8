"""Shell completion."""

from __future__ import annotations

import click

from modelyard.cli.base import Session, command


@command(
    "completion",
    server=False,
    example='eval "$(modelyard completion bash)"\nmodelyard completion fish > ~/.config/fish/completions/modelyard.fish',
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(session: Session, shell: str) -> None:
    """Print the script that completes commands and options in your shell."""
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    from modelyard.cli.main import cli

    kind = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    # Built without click's look at the installed bash, whose version says nothing of the user's shell.
    maker = kind(cli, {}, "modelyard", "_MODELYARD_COMPLETE")
    script = maker.source_template % maker.source_vars()
    session.out.json({"shell": shell, "script": script}) if session.as_json else session.out.text(script)
