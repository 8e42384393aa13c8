"""The source of a policy that a CI job sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelyard.sdk.policy import ci_source

COMMIT = "9fceb02d0ae598e95dc970b74767f19372d61af8"


def github(folder: Path) -> dict[str, str]:
    return {
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "ml/gates",
        "GITHUB_SHA": COMMIT,
        "GITHUB_WORKSPACE": str(folder),
    }


def gitlab(folder: Path) -> dict[str, str]:
    return {
        "CI_PROJECT_URL": "https://gitlab.com/ml/gates",
        "CI_COMMIT_SHA": COMMIT,
        "CI_PROJECT_DIR": str(folder),
    }


def test_the_file_of_a_job(tmp_path: Path) -> None:
    file = tmp_path / "gates" / "my policy.yaml"
    for environment, at in (
        (github(tmp_path), f"https://github.com/ml/gates/blob/{COMMIT}/gates/my%20policy.yaml"),
        (gitlab(tmp_path), f"https://gitlab.com/ml/gates/-/blob/{COMMIT}/gates/my%20policy.yaml"),
    ):
        source = ci_source(file, environment)
        assert source is not None
        assert (source.url, source.commit) == (at, COMMIT)


@pytest.mark.parametrize("missing", ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA"])
def test_there_is_none_without_a_job(tmp_path: Path, missing: str) -> None:
    environment = github(tmp_path)
    del environment[missing]
    assert ci_source(tmp_path / "policy.yaml", environment) is None


def test_a_file_outside_the_repository_has_none(tmp_path: Path) -> None:
    assert ci_source(tmp_path / "policy.yaml", github(tmp_path / "checkout")) is None
