"""Results of the client: the wire's shapes, shown as tables in a notebook.

All text comes from users of the registry, so all of it is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from modelyard.domain.sizes import size_words
from modelyard.sdk.paging import html_table
from modelyard.wire import catalog as catalog_wire
from modelyard.wire import comparison as comparison_wire
from modelyard.wire import overview as overview_wire
from modelyard.wire import promotion as promotion_wire
from modelyard.wire import versions as versions_wire
from modelyard.wire.base import Page
from modelyard.wire.comparison import Metric
from modelyard.wire.promotion import Promotion

_SHOWN = 30


def files_text(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def metric_text(metric: Mapping[str, Any]) -> str:
    """Return a text such as `f1 (test) = 0.93`."""
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
    """Return a run as HTML for a notebook; all text is escaped."""
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

    def __str__(self) -> str:
        return f"{self.reference} {self.digest}" + (f" ({self.status})" if self.flags else "")

    def _repr_html_(self) -> str:
        return _table(self.reference, self.rows())

    def cells(self) -> dict[str, object]:
        """Return the cells of a row in a list.

        Never raises.

        Returns:
            Name and value of each cell.

        Example:
            >>> next(client.versions.list("fraud/scorer")).cells()["state"]
            'ready'
        """
        return {
            "version": self.version,
            "state": self.status,
            "aliases": " ".join(f"@{alias}" for alias in self.aliases),
            "semver": self.semver or "",
            "metrics": ", ".join(metric_text(metric) for metric in self.metrics),
            "size": size_words(self.size_bytes),
            "registered": self.created_at[:19],
            "by": self.created_by,
        }

    @property
    def status(self) -> str:
        """Status of the version: `ready`, or its problems, gravest first."""
        return ", ".join(self.flags) or self.state

    def rows(self) -> list[tuple[str, str]]:
        """Return the main properties of the version, in order; unknown ones are left out.

        Never raises.

        Returns:
            Name and text of each property.

        Example:
            >>> dict(client.versions.get("fraud/scorer:12").rows())["state"]
            'ready'
        """
        said = self.format
        rows = [
            ("state", self.status),
            ("warning", self.warning or ""),
            ("semver", self.semver or ""),
            ("pull request", self.pull_request or ""),
            ("image", " ".join(filter(None, (self.image.reference, self.image.digest))) if self.image else ""),
            ("must be kept", f"{self.kept.reason} ({self.kept.by}, {self.kept.at})" if self.kept else ""),
            ("scan", self.scan),
            *(("withheld", withheld_text(file)) for file in self.withheld),
            ("aliases", " ".join(f"@{alias}" for alias in self.aliases)),
            ("digest", self.digest),
            ("size", f"{size_words(self.size_bytes)} in {files_text(self.file_count)}"),
            ("framework", str(said.get("framework") or "")),
            ("licence", str(said.get("licence") or "")),
            ("metrics", ", ".join(metric_text(metric) for metric in self.metrics)),
            ("params", pairs_text(self.params)),
            ("tags", pairs_text(self.tags)),
            ("description", self.description),
            ("registered", f"{self.created_at} by {self.created_by}"),
            ("built by", f"build {self.build}" if self.build else ""),
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

    def __str__(self) -> str:
        return self.name

    def cells(self) -> dict[str, object]:
        """Return the cells of a row in a list.

        Never raises.

        Returns:
            Name and value of each cell.

        Example:
            >>> next(client.models.search("fraud")).cells()["newest"]
            12
        """
        return {
            "model": self.name,
            "newest": self.newest_version or "",
            "aliases": " ".join(f"@{alias}:{number}" for alias, number in self.aliases.items()),
            "framework": self.framework or "",
            "changed": self.updated_at[:19],
            "description": self.description,
        }

    def rows(self) -> list[tuple[str, str]]:
        """Return the main properties of the model, in order; unknown ones are left out.

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
            ("terms of use", f"read them with: modelyard terms show {self.name}" if self.terms_digest else ""),
            ("tags", pairs_text(self.tags)),
            ("visibility", self.visibility),
            ("your role", self.role),
            ("state", "archived" if self.archived else ""),
            ("created", self.created_at),
            ("changed", self.updated_at),
        ]
        return [(name, text) for name, text in rows if text]


class Overview(overview_wire.Overview, kw_only=True):
    """A version with its origin, its metrics against the champion, checks, promotions, card and scan."""

    version: Version

    def __str__(self) -> str:
        return str(self.version)

    def _repr_html_(self) -> str:
        return _table(self.version.reference, self.rows())

    def rows(self) -> list[tuple[str, str]]:
        """Return the overview of the version, in order; unknown properties are left out.

        Never raises.

        Returns:
            Name and text of each property.

        Example:
            >>> dict(client.versions.overview("fraud/scorer:12").rows())["stages"]
            'staging since 2026-05-01T10:00:00Z'
        """
        version, origin = self.version, self.origin
        code, environment = _fact(origin, "code"), _fact(origin, "environment")
        known = dict(version.rows())
        metrics = known.pop("metrics", "")
        if self.licence:
            known["licence"] = self.licence
        rows = [
            *(
                (name, known.pop(name, ""))
                for name in ("state", "warning", "semver", "pull request", "must be kept")
            ),
            *(("held because of", finding_text(finding)) for finding in self.findings),
            ("stages", ", ".join(_position(position) for position in self.stages)),
            ("aliases", known.pop("aliases", "")),
            ("scan", known.pop("scan", "")),
            *(
                (f"metric {metric_name(row)}", versus_text(row, self.champion) + _frozen_text(row, version))
                for row in self.metrics
            ),
            ("metrics", "" if self.metrics else metrics),
            ("checks", ", ".join(f"{check.name} {check.state}" for check in self.checks)),
            ("reproduced", next((check.summary for check in self.checks if check.build is not None), "")),
            *((f"promotion {one.id}", _promotion_text(one)) for one in self.promotions),
            ("code", _code_text(code)),
            ("data", ", ".join(_data_text(entry) for entry in origin.get("data") or ())),
            ("python", str(environment.get("python") or "")),
            ("packages", str(len(environment.get("packages") or ()) or "")),
            ("run", str(_fact(origin, "run").get("id") or "")),
            ("parents", ", ".join(_parent_text(parent) for parent in origin.get("parents") or ())),
            ("citation", self._citation_text()),
            ("card", "none" if self.card is None else ", ".join(self.card) or "no sections"),
            *known.items(),
        ]
        return [(name, text) for name, text in rows if text]

    def _citation_text(self) -> str:
        cited = self.citation
        return " ".join((cited.text or cited.bibtex).split()) if cited else ""

    def use(self) -> list[str]:
        """Return lines that use the version, for the shell and for Python. Empty if the version is not served.

        Never raises.

        Returns:
            The lines.

        Example:
            >>> client.versions.overview("fraud/scorer:12").use()[0]
            'modelyard pull fraud/scorer:12'
        """
        if {"deleted", "recalled", "quarantined", "not scanned yet"} & {*self.version.flags}:
            return []
        reference = self.version.reference
        return [f"modelyard pull {reference}", f'my.load("{reference}")']


def finding_text(finding: overview_wire.Finding) -> str:
    """Return a text such as `evil.pkl names posix.system`."""
    return f"{finding.path} names {finding.name}" if finding.name else f"{finding.path}: {finding.why}"


def metric_name(row: Metric) -> str:
    """Return a text such as `f1 (test/holdout)`."""
    where = "/".join(word for word in (row.split, row.dataset) if word)
    return f"{row.name} ({where})" if where else row.name


def _frozen_text(row: Metric, version: Version) -> str:
    """Return the value frozen at registration, if a later one is shown in its place."""
    for metric in version.metrics:
        place = (metric.get("name"), metric.get("split") or "", metric.get("dataset") or "")
        if place == (row.name, row.split, row.dataset) and metric.get("value") != row.values[-1]:
            return f" ({_number_text(metric.get('value'))} at registration)"
    return ""


def versus_text(row: Metric, champion: str | None) -> str:
    """Return the value of a version, with its difference to the champion and the certainty of that."""
    value = _number_text(row.values[-1])
    if champion is None or len(row.values) < 2:
        return value
    if row.values[-1] is None:
        return f"not measured; {champion} has {_number_text(row.values[0])}"
    delta = row.deltas[-1]
    if not isinstance(delta, float | int):
        return f"{value}; {champion} has none"
    sure = row.significance[-1]
    if sure is not None:
        words = sure.words
    elif delta == 0:
        words = "equal"
    elif row.direction is None:
        words = "better direction not known"
    else:
        words = "better" if (delta > 0) == (row.direction == "higher") else "worse"
        words += ", measured once, so chance is not ruled out"
    return f"{value}, {delta:+.4g} against {champion}: {words}"


def _number_text(value: float | str | None) -> str:
    return "none" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _fact(origin: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = origin.get(name)
    return found if isinstance(found, Mapping) else {}


def _position(position: overview_wire.StagePosition) -> str:
    return f"{position.stage} since {position.since}" + ("" if position.primary else " (not the primary)")


def _promotion_text(found: Promotion) -> str:
    votes = [
        f"{'approved' if vote.approves else 'rejected'} by {vote.by}" for vote in found.votes if vote.counts
    ]
    return ", ".join([f"{found.kind} to {found.stage}: {found.state}", *votes])


def _code_text(code: Mapping[str, Any]) -> str:
    place = " ".join(str(code[name]) for name in ("repository", "commit") if code.get(name))
    extra = " with uncommitted changes" if code.get("diff") or code.get("dirty") else ""
    script = str(code.get("entry_point") or code.get("script") or "")
    return ", ".join(text for text in (place + extra if place else "", script) if text)


def _data_text(entry: Mapping[str, Any]) -> str:
    digest = str(entry.get("digest") or "")
    return " ".join(
        text for text in (str(entry.get("name") or ""), digest[:19] + "…" if digest else "") if text
    )


def _parent_text(parent: Mapping[str, Any]) -> str:
    reference = parent.get("ref") or parent.get("reference") or parent.get("model") or ""
    return f"{reference} ({parent.get('relation') or 'parent'})"


class Comparison(comparison_wire.Comparison, kw_only=True):
    """Two to eight versions or runs side by side."""

    def _repr_html_(self) -> str:
        names = [side.reference for side in self.sides]
        rows = [
            [
                metric_name(row),
                row.direction or "?",
                *(
                    _number_text(value) + (" (best)" if position in row.best else "")
                    for position, value in enumerate(row.values)
                ),
                "; ".join(
                    f"{names[position]}: {sure.words}"
                    for position, sure in enumerate(row.significance)
                    if sure is not None
                ),
            ]
            for row in self.metrics
        ]
        rows += [[param.name, "param", *map(str, param.values), ""] for param in self.params if not param.same][
            :_SHOWN
        ]
        table = html_table(["metric", "better", *names, "verdict"], rows)
        return f"<p><b>{escape(self.lead.sentence)}</b></p>{table}"


class Best(comparison_wire.Best, kw_only=True):
    """The version with the best value of a metric, and a page of all candidates."""

    def _repr_html_(self) -> str:
        rows = [
            [
                point.reference,
                ", ".join(point.flags) or "ready",
                _number_text(point.value),
                point.split,
                point.at,
            ]
            for point in self.ranking[:_SHOWN]
        ]
        return html_table(["version", "state", self.metric, "split", "at"], rows)


class Attempt(promotion_wire.Attempt, kw_only=True):
    """The outcome of a request to promote a version, with the verdict."""

    def _repr_html_(self) -> str:
        rows = [[r.rule, r.outcome, r.measured, r.needed, r.who, r.fix] for r in self.verdict.results]
        title = f"<p><b>{escape(self.reference)} → {escape(self.stage)}: {escape(self.outcome)}</b></p>"
        return title + html_table(["rule", "result", "measured", "needed", "who", "what to do"], rows)


class ModelPage(Page, kw_only=True):
    items: list[Model]


class VersionPage(Page, kw_only=True):
    items: list[Version]
