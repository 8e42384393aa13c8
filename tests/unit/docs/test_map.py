"""The map of the source leads where it says."""

from __future__ import annotations

import ast
from itertools import pairwise

import pytest

from tests.unit.docs.test_docs import MODULE

MAP = MODULE.source_map


def functions(file: str) -> set[str]:
    tree = ast.parse((MAP.SOURCE / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def calls(file: str, function: str) -> set[str]:
    """The names of what a function of the file calls, and of what the file's other functions call for it."""
    tree = ast.parse((MAP.SOURCE / file).read_text())
    bodies = {
        node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    found: set[str] = set()
    waiting, seen = [function], set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for node in ast.walk(bodies[name]):
            if isinstance(node, ast.Name | ast.Attribute):
                used = node.id if isinstance(node, ast.Name) else node.attr
                found.add(used)
                if used in bodies and used not in seen:
                    waiting.append(used)
    return found


@pytest.mark.parametrize("request_name", sorted(MAP.WAYS))
def test_a_request_is_followed_downwards_in_four_files(request_name: str) -> None:
    steps = MAP.WAYS[request_name]
    assert len(steps) == 4
    for file, name in steps:
        assert name in functions(file), f"{file} has no {name}"
    # Each of the first three asks the next by name; the commit follows when the last of them returns.
    for (file, name), (_, following) in pairwise(steps[:3]):
        assert following in calls(file, name), f"{file}: {name} does not ask {following}"


def test_every_room_and_feature_stands_in_the_tree() -> None:
    tree = MAP.tree()
    folders = [path.parent for path in MAP.SOURCE.glob("*/__init__.py")]
    assert {folder.name for folder in folders} == set(MAP.ROOMS)
    for folder in [*folders, *MAP.features()]:
        (line,) = [line for line in tree.splitlines() if f" {folder.name}/" in line]
        assert line.split("/", 1)[1].strip(), f"{folder} does not say what it is for"


def test_the_picture_is_a_graph_without_circles() -> None:
    arrows = MAP.arrows()
    left = set(arrows)
    while left:
        free = {room for room in left if not arrows[room] & left}
        assert free, f"these import one another: {sorted(left)}"
        left -= free
