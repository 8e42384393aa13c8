"""YAML as policies and front matter are written in it: a value, and the line of each of its parts.

Plain scalars read as in YAML 1.2 (`no` and `2026-03-03` are text). Anchors, aliases, tags and a key that
stands twice are refused, so a file means what a reader sees, and cannot grow by being read.
"""

from __future__ import annotations

import re
from typing import Any, cast

import yaml

from modelyard.domain.errors import InvalidPolicy

MAX_BYTES = 64 * 1024
MAX_DEPTH = 12
MAX_NODES = 5000

_INT = re.compile(r"[-+]?[0-9]{1,15}\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?\Z")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}

Path = tuple[str | int, ...]


class ReadYaml:
    """A value and where its parts stand."""

    def __init__(self, value: Any, lines: dict[Path, int]) -> None:
        self.value = value
        self._lines = lines

    def line_of(self, path: Path) -> int:
        """The line, from 1, of the part or of the nearest part around it."""
        while path not in self._lines and path:
            path = path[:-1]
        return self._lines.get(path, 1)


def read_yaml(text: str) -> ReadYaml:
    """Raises InvalidPolicy with the line."""
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise InvalidPolicy(line=1, reason=f"the policy is larger than {MAX_BYTES} bytes")
    loader = _CheckedLoader(text)
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise InvalidPolicy(line=line, reason=f"it is not YAML: {exc.problem or exc}") from None
    except yaml.YAMLError as exc:
        raise InvalidPolicy(line=1, reason=f"it is not YAML: {exc}") from None
    except RecursionError:
        raise InvalidPolicy(line=1, reason="it is nested too deeply") from None
    finally:
        loader.dispose()
    lines: dict[Path, int] = {}
    return ReadYaml(None if node is None else _value(node, (), lines), lines)


class _CheckedLoader(yaml.SafeLoader):
    """Composes nodes; refuses what would make a file mean more than it shows."""

    def __init__(self, text: str) -> None:
        try:
            super().__init__(text)
        except yaml.YAMLError as exc:
            raise InvalidPolicy(line=1, reason=f"it is not YAML: {exc}") from None
        self._depth = self._count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = cast(Any, self).peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise InvalidPolicy(line=line, reason="anchors and aliases (& and *) are not allowed")
        if getattr(event, "tag", None):
            raise InvalidPolicy(line=line, reason="tags (!) are not allowed")
        self._count += 1
        self._depth += 1
        if self._depth > MAX_DEPTH or self._count > MAX_NODES:
            raise InvalidPolicy(line=line, reason="it is too large or nested too deeply")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _value(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise InvalidPolicy(line=line, reason="a key is not text")
            key = key_node.value
            if key in found:
                raise InvalidPolicy(line=line, reason=f"the key {key!r} stands twice")
            lines[(*path, key)] = line
            found[key] = _value(value_node, (*path, key), lines)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), lines) for index, item in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode)
    return _scalar(node)


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style is not None:
        return text
    if text.lower() in _WORDS and text in (text.lower(), text.capitalize(), text.upper()):
        return _WORDS[text.lower()]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text
