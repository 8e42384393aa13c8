"""Puts the server's rooms, which lie outside of this project, into its distributions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Rooms(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """An editable installation brings nothing: the client's, next to it, already leads to the source of all rooms."""
        if version == "editable":
            return
        # A source distribution brings them along.
        own = Path(self.root, "src")
        source = own if own.is_dir() else Path(self.root).parent / "src"
        prefix = "src/" if self.target_name == "sdist" else ""
        for room in self.config["rooms"]:
            build_data["force_include"][str(source / "modelyard" / room)] = f"{prefix}modelyard/{room}"
