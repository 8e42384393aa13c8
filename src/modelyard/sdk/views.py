"""What the client gives back: the wire's shapes, which a notebook shows as tables.

All text comes from users of the registry, so all of it is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from modelyard.wire import catalog as catalog_wire
from modelyard.wire import versions as versions_wire
from modelyard.wire.base import Page

_SHOWN = 30
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size_text(size_bytes: int) -> str:
    """For people: 12.3 MiB."""
    value = float(size_bytes)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{size_bytes} B" if unit == "B" else f"{value:.1f} {unit}"


def metric_text(metric: Mapping[str, Any]) -> str:
    """`f1 (test) = 0.93`."""
    split = f" ({metric['split']})" if metric.get("split") else ""
    value = metric.get("value")
    return f"{metric.get('name')}{split} = {f'{value:.6g}' if isinstance(value, float) else value}"


def pairs_text(pairs: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in pairs.items())


def _table(title: str, rows: list[tuple[str, str]]) -> str:
    body = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:left'>{escape(text)}</td></tr>"
        for name, text in rows
        if text
    )
    return f"<table><caption><b>{escape(title)}</b></caption><tbody>{body}</tbody></table>"


def run_table(
    name: str, uid: str, status: str, experiment: str, params: Mapping[str, Any], metrics: Mapping[str, Any]
) -> str:
    """Return a run as a notebook shows it; all text is escaped."""
    rows = [("id", uid), ("status", status), ("experiment", experiment)]
    rows += [
        (f"metric {key}", f"{value:.6g}" if isinstance(value, float) else str(value))
        for key, value in metrics.items()
    ]
    rows += [(f"param {key}", str(value)[:200]) for key, value in params.items()]
    left_out = f"<p>and {len(rows) - _SHOWN} more</p>" if len(rows) > _SHOWN else ""
    return _table(name, rows[:_SHOWN]) + left_out


class Version(versions_wire.Version, kw_only=True):
    """A version of a model, as `my.push` and `client.versions` return it."""

    def _repr_html_(self) -> str:
        return _table(self.reference, self.rows())

    def rows(self) -> list[tuple[str, str]]:
        """Return the properties of the version that a person wants to see, in order; unknown ones are left out.

        Never raises.

        Returns:
            Name and text of each property.

        Example:
            >>> dict(client.versions.get("fraud/scorer:12").rows())["state"]
            'ready'
        """
        said = self.format
        rows = [
            ("state", f"{self.state}, in quarantine" if self.quarantined else self.state),
            ("scan", self.scan),
            *(("withheld", withheld_text(file)) for file in self.withheld),
            ("aliases", " ".join(f"@{alias}" for alias in self.aliases)),
            ("digest", self.digest),
            ("size", f"{size_text(self.size_bytes)} in {self.file_count} files"),
            ("framework", str(said.get("framework") or "")),
            ("licence", str(said.get("licence") or "")),
            ("metrics", ", ".join(metric_text(metric) for metric in self.metrics)),
            ("params", pairs_text(self.params)),
            ("tags", pairs_text(self.tags)),
            ("description", self.description),
            ("registered", f"{self.created_at} by {self.created_by}"),
            ("facts", f"{self.completeness:.0%} known" + _missing(self.missing)),
        ]
        return [(name, text) for name, text in rows if text]


def withheld_text(file: versions_wire.WithheldFile) -> str:
    event = "no event" if file.event is None else f"event {file.event}"
    return f"{file.path}, by {file.by} at {file.at} ({event}): {file.reason}"


def _missing(names: list[str]) -> str:
    return f"; missing: {', '.join(names)}" if names else ""


class Model(catalog_wire.Model, kw_only=True):
    """A registered model."""

    def _repr_html_(self) -> str:
        return _table(self.name, self.rows())

    def rows(self) -> list[tuple[str, str]]:
        """Return the properties of the model that a person wants to see, in order; unknown ones are left out.

        Never raises.

        Returns:
            Name and text of each property.

        Example:
            >>> dict(client.models.get("fraud/scorer").rows())["versions"]
            '12, newest 12'
        """
        rows = [
            ("name", self.display_name),
            ("description", self.description),
            ("versions", f"{self.version_count}, newest {self.newest_version or 'none'}"),
            ("aliases", " ".join(f"@{alias} → {number}" for alias, number in self.aliases.items())),
            ("framework", self.framework or ""),
            ("licence", self.licence or ""),
            ("task", self.task or ""),
            ("owners", ", ".join(self.owners)),
            ("tags", pairs_text(self.tags)),
            ("visibility", self.visibility),
            ("your role", self.role),
            ("state", "archived" if self.archived else ""),
            ("created", self.created_at),
            ("changed", self.updated_at),
        ]
        return [(name, text) for name, text in rows if text]


class ModelPage(Page, kw_only=True):
    items: list[Model]


class VersionPage(Page, kw_only=True):
    items: list[Version]
