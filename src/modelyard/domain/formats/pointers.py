"""Find missing parts of a model: files that are only pointers to others, and files that name absent ones.

A pointer of Git LFS or DVC is recognised by its content, whatever format its name promises. Sources: the Git LFS
specification, "The pointer"; DVC's documentation, ".dvc files".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

from modelyard.domain.formats.facts import Draft, FormatFacts
from modelyard.domain.formats.ranged import MIB, Source, load_json, read_exactly

MAX_POINTER_BYTES = 8 * 1024
_LFS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
_DVC_OUTPUTS = re.compile(rb"^outs:\s*$", re.MULTILINE)
_DVC_PATH = ("- path:", "  path:")
_DVC_HASH = re.compile(rb"^(?:- |  )(?:md5|etag|checksum|version_id): ", re.MULTILINE)
_SHARD = re.compile(r"-\d{5}-of-(\d{5})\.")
_MAX_INDEX_BYTES = 64 * MIB
_MAX_SHARDS = 10_000
_MAX_PROBLEMS = 20
_NUMBER_LENGTH = len("-00001")


def pointer_in(head: bytes) -> str | None:
    """Return `git-lfs-pointer` or `dvc-pointer`; None for any other content."""
    if head.startswith(_LFS) and b"\noid " in head:
        return "git-lfs-pointer"
    return "dvc-pointer" if _DVC_OUTPUTS.search(head) and _DVC_HASH.search(head) else None


def read_pointer(source: Source, draft: Draft) -> bool:
    """Return whether the file is a pointer, and note that in its facts."""
    if source.size_bytes > MAX_POINTER_BYTES:
        return False
    head = read_exactly(source, 0, source.size_bytes)
    kind = pointer_in(head)
    if kind is None:
        return False
    draft.format = kind
    if kind == "git-lfs-pointer":
        draft.problems.append(
            "it is a pointer of Git LFS, not the file itself; fetch the file with: git lfs pull, and push again"
        )
    else:
        text = head.decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if line.startswith(_DVC_PATH)]
        draft.details["names"] = [line.partition(":")[2].strip().strip("'\"") for line in lines]
    return True


def read_nothing(source: Source, draft: Draft) -> None:
    """Read a file that has facts only as a pointer."""
    draft.not_this_format = True


def read_index(source: Source, draft: Draft) -> None:
    """Read the index of a sharded model, which names the files."""
    draft.format = "shard-index"
    if source.size_bytes > _MAX_INDEX_BYTES:
        draft.note_truncated("header")
        return
    found = load_json(read_exactly(source, 0, source.size_bytes), "the index")
    shards = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(shards, dict):
        draft.not_this_format = True
        return
    draft.details["names"] = sorted({name for name in shards.values() if isinstance(name, str)})


def absent_parts(paths: Iterable[str], per_file: Mapping[str, FormatFacts]) -> list[str]:
    """Return the problems of a version whose files name others that it does not have.

    paths: all of its files. A problem names the missing file and how to add it.
    """
    present = set(paths)
    found: dict[str, str] = {}
    for path, facts in sorted(per_file.items()):
        for name in (*facts.details.get("names", ()), *facts.details.get("external_files", ())):
            part = posixpath.normpath(posixpath.join(posixpath.dirname(path), str(name)))
            if part in present:
                continue
            fix = "dvc pull, and push again" if facts.format == "dvc-pointer" else "push the whole folder"
            found.setdefault(
                part, f"{path}: it names {name}, which is not among the files; bring it with: {fix}"
            )
    for part, present_part in _absent_shards(present).items():
        found.setdefault(
            part,
            f"{present_part}: its part {part} is not among the files; bring it with: push the whole folder",
        )
    return [found[part] for part in sorted(found)][:_MAX_PROBLEMS]


def _absent_shards(present: set[str]) -> dict[str, str]:
    """Return missing shard → a shard that is present, for files like `model-00001-of-00003.safetensors`."""
    groups: dict[tuple[str, str, str], str] = {}
    for path in sorted(present):
        at = path.rfind("-of-")
        if at >= _NUMBER_LENGTH and (match := _SHARD.match(path[at - _NUMBER_LENGTH :])):
            end = at - _NUMBER_LENGTH + match.end()
            groups.setdefault((path[: at - _NUMBER_LENGTH], match[1], path[end - 1 :]), path)
    found: dict[str, str] = {}
    for (before, total, suffix), path in groups.items():
        for number in range(1, min(int(total), _MAX_SHARDS) + 1):
            part = f"{before}-{number:05d}-of-{total}{suffix}"
            if part not in present:
                found[part] = path
    return found
