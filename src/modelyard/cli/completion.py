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
    # Built without click's check of the installed bash: the user's shell may have another version.
    maker = kind(cli, {}, "modelyard", "_MODELYARD_COMPLETE")
    script = maker.source_template % maker.source_vars()
    session.say({"shell": shell, "script": script}, script)
