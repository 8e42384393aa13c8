"""`client.datasets`: datasets of the registry."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from modelyard.domain.digest import Digest
from modelyard.domain.errors import Invalid
from modelyard.domain.profile import Profile, read_profile
from modelyard.sdk.datasets.describing import Described, describe, name_of
from modelyard.sdk.files import LocalFile
from modelyard.sdk.http import Transport, at
from modelyard.sdk.progress import Silent
from modelyard.sdk.session import Feature, Session
from modelyard.sdk.transfer import send_missing
from modelyard.wire import datasets as wire
from modelyard.wire.base import PageQuery


def send_profiles(transport: Transport, described: Iterable[Described], parallel: int) -> None:
    """Send the bytes of profiles that the server does not have."""
    profiles = {Digest.of(one.profile): one.profile for one in described if one.profile}
    if not profiles:
        return
    with tempfile.TemporaryDirectory(prefix="modelyard-profiles-") as folder:
        files = []
        for digest, data in profiles.items():
            path = Path(folder) / digest.hex
            path.write_bytes(data)
            info = path.stat()
            files.append((LocalFile(path.name, path, info.st_size, info.st_mtime_ns), digest))
        send_missing(transport, files, parallel, Silent())


def describe_all(data: Any, unnamed: str = "data") -> list[Described]:
    """Describe everything that `push` accepts as data: descriptions, entries of a record, or {name: table}.

    unnamed: the name for a table that has none. Raises Invalid for a table without a name.
    """
    if isinstance(data, Described):
        return [data]
    if isinstance(data, dict):
        return [describe(table, name=name) for name, table in data.items()]
    if not isinstance(data, list | tuple):
        data = [data]
    found = []
    for index, one in enumerate(data):
        if isinstance(one, Described):
            found.append(one)
        elif isinstance(one, dict) and isinstance(one.get("name"), str) and "digest" in one:
            found.append(Described(dict(one), b""))
        elif isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str):
            found.append(describe(one[1], name=one[0]))
        elif isinstance(one, str | Path):
            found.append(describe(one, name=name_of_file(Path(one))))
        else:
            found.append(
                describe(one, name=name_of(one)[0] or (unnamed if index == 0 else f"{unnamed}-{index + 1}"))
            )
    return found


def name_of_file(path: Path) -> str:
    """Return a dataset's default name: the name of its file without endings, or of its folder."""
    name = path.name
    while path.suffix and not path.is_dir():
        path = path.with_suffix("")
        name = path.name
    return name


class Datasets(Feature):
    """A reference is `namespace/name` or `name`, optionally with `@sha256:…` or its first eight digits."""

    def _split(self, ref: str) -> tuple[str, str, str]:
        place, _, selector = ref.partition("@")
        namespace, slash, name = place.partition("/")
        if not slash:
            namespace, name = self._namespace(None), place
        if not name or "/" in name:
            raise Invalid(
                reason=f"{ref[:80]!r} is not a dataset reference", fix="Write namespace/dataset@sha256:…"
            )
        return namespace, name, selector or "newest"

    def _namespace(self, namespace: str | None) -> str:
        found = namespace or self._session.default_namespace
        if found is None:
            raise Invalid(
                reason="no namespace is given and your account has no default one",
                fix="Write namespace/dataset, or give namespace=…",
            )
        return found

    def push(
        self, data: Any, name: str | None = None, *, namespace: str | None = None, **how: Any
    ) -> wire.DatasetVersion:
        """Register a dataset: its digest and its profile, but none of its rows.

        Args:
            data: Anything that `my.describe` takes or returned.
            name: Name of the dataset, with or without its namespace; needed unless the data was described
                before.
            namespace: Namespace of the dataset; None: the one in the name, otherwise your default one.
            how: Other arguments of `my.describe`.

        Returns:
            The dataset at this content.

        Raises:
            Invalid: The name or the namespace is missing.
            DatasetMismatch: The data does not have the digest in `expect`.
            ExtraMissing: Describing data needs the packages of `modelyard[data]`.
            Denied: Your role does not allow this.

        Example:
            >>> client.datasets.push(frame, "fraud/transactions").rows
            120000
        """
        if name is not None and "/" in name:
            namespace, _, name = name.partition("/")
        if not isinstance(data, Described):
            if name is None:
                raise Invalid(reason="a dataset needs a name", fix='Give one: push(table, "transactions")')
            data = describe(data, name=name, **how)
        space = self._namespace(namespace)
        send_profiles(self._transport, [data], self._session.parallel)
        return self._post(
            at("namespaces", space, "datasets"), wire.DatasetVersion, wire.PushDataset(entry=data.entry)
        )

    def list(
        self, namespace: str | None = None, *, word: str | None = None, limit: int | None = None
    ) -> Iterator[wire.Dataset]:
        """Return the datasets of a namespace, most recently changed first.

        Args:
            namespace: Name of the namespace; None: your default one.
            word: Only datasets whose name contains this word; None: all.
            limit: Return at most this many; None: all.

        Returns:
            One dataset at a time.

        Raises:
            NamespaceNotFound: There is no such namespace, or you may not see it.

        Example:
            >>> [dataset.name for dataset in client.datasets.list("fraud")]
            ['transactions']
        """
        path = at("namespaces", self._namespace(namespace), "datasets")
        return self._items(path, wire.DatasetQuery(q=word), wire.DatasetPage, limit)

    def versions(self, name: str, limit: int | None = None) -> Iterator[wire.DatasetVersion]:
        """Return the contents that a dataset has had, newest first.

        Args:
            name: Name of the dataset, with or without its namespace.
            limit: Return at most this many; None: all.

        Returns:
            One content at a time.

        Raises:
            DatasetNotFound: There is no such dataset, or you may not see it.

        Example:
            >>> [content.digest for content in client.datasets.versions("fraud/transactions", limit=1)]
            ['sha256:5f70…']
        """
        namespace, dataset, _ = self._split(name)
        path = at("namespaces", namespace, "datasets", dataset)
        return self._items(path, PageQuery(), wire.DatasetVersionPage, limit)

    def get(self, ref: str) -> wire.ShownDataset:
        """Return one content of a dataset: its columns, the versions trained on it, and its readers.

        Args:
            ref: `namespace/name` or `name`, optionally with `@sha256:…` or at least eight digits of it; without
                it, the newest content.

        Returns:
            The content.

        Raises:
            DatasetNotFound: There is no such dataset, or you may not see it.

        Example:
            >>> client.datasets.get("fraud/transactions").rows
            120000
        """
        return self._get(self._at(ref), wire.ShownDataset)

    def _at(self, ref: str, *more: str) -> str:
        namespace, dataset, selector = self._split(ref)
        return at("namespaces", namespace, "datasets", dataset, selector, *more)

    def profile(self, ref: str) -> Profile:
        """Return the profile of a dataset's content.

        The profile is not checked against its digest, which is in `get(ref).dataset.profile`.

        Args:
            ref: A reference, as `get` takes it.

        Returns:
            The distribution of each column.

        Raises:
            DatasetNotFound: There is no such dataset, or you may not see it.

        Example:
            >>> client.datasets.profile("fraud/transactions").rows
            120000
        """
        return read_profile(self._transport.send("GET", self._at(ref, "profile")).data)

    def compare(self, before: str, after: str) -> wire.Drift:
        """Compare two contents: schema, distribution of each column, shared keys.

        Args:
            before: A reference, as `get` takes it.
            after: Another one.

        Returns:
            The differences between the contents.

        Raises:
            DatasetNotFound: There is no such dataset, or you may not see it.

        Example:
            >>> client.datasets.compare("fraud/transactions@5f70c2aa", "fraud/transactions").same
            False
        """
        pair: Sequence[str] = [
            f"{namespace}/{name}" + ("" if selector == "newest" else f"@{selector}")
            for namespace, name, selector in map(self._split, (before, after))
        ]
        return self._get(at("dataset-drift"), wire.Drift, wire.DatasetPair(before=pair[0], after=pair[1]))


def log_dataset(session: Session, /, data: Any, name: str | None = None, **how: Any) -> wire.DatasetVersion:  # noqa: D417
    """Register a dataset: its digest and its profile, but none of its rows.

    Args:
        data: Anything that `my.describe` takes or returned.
        name: Name of the dataset, with or without its namespace; needed unless the data was described before.
        how: Other arguments of `my.describe`.

    Returns:
        The dataset at this content.

    Raises:
        Invalid: The name is missing, or no namespace is known.
        DatasetMismatch: The data does not have the digest in `expect`.
        ExtraMissing: Describing data needs the packages of `modelyard[data]`.
        Denied: Your role does not allow this.

    Example:
        >>> my.log_dataset(frame, "fraud/transactions", keys=["transaction_id"]).rows
        120000
    """
    return Datasets(session).push(data, name, **how)
