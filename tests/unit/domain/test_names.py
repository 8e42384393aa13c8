from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain.digest import Digest
from modelyard.domain.errors import InvalidAlias, InvalidDigest, InvalidName, InvalidReference
from modelyard.domain.names import (
    MAX_NAME_LENGTH,
    RESERVED_NAMESPACES,
    Alias,
    ModelName,
    Ref,
    parse_namespace,
)

HEX = "a" * 64


@pytest.mark.parametrize(
    ("text", "namespace", "name"),
    [
        ("fraud/scorer", "fraud", "scorer"),
        ("Fraud/Scorer", "fraud", "scorer"),
        ("a.b_c-d/x1", "a.b_c-d", "x1"),
    ],
)
def test_lawful_model_names_fold_case(text: str, namespace: str, name: str) -> None:
    assert ModelName.parse(text) == ModelName(namespace, name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "a/",
        "/a",
        "a/b/c",
        "a--b/c",
        "a..b/c",
        "-a/b",
        "a/b-",
        "a/b.git",
        "a b/c",
        "a/ü",
        "../x",
        "a/" + "b" * (MAX_NAME_LENGTH + 1),
        "_x/y",
        "scorer",
    ],
)
def test_unlawful_model_names_come_with_a_lawful_proposal(text: str) -> None:
    with pytest.raises(InvalidName) as caught:
        ModelName.parse(text)
    proposal = caught.value.fields["proposal"]
    assert ModelName.parse(proposal, "team")


@pytest.mark.parametrize("word", sorted(RESERVED_NAMESPACES))
def test_reserved_namespaces_are_refused_with_a_lawful_proposal(word: str) -> None:
    with pytest.raises(InvalidName) as caught:
        parse_namespace(word)
    assert parse_namespace(caught.value.fields["proposal"])


@given(st.text(max_size=120))
def test_every_refusal_of_a_name_proposes_a_lawful_one(text: str) -> None:
    try:
        parsed = ModelName.parse(f"team/{text}")
    except InvalidName as error:
        assert ModelName.parse(error.fields["proposal"], "team")  # noqa: PT017 - both outcomes are valid
    else:
        assert ModelName.parse(str(parsed)) == parsed


@pytest.mark.parametrize("text", ["champion", "canary-2", "_x", "prod_eu", "0-shot"])
def test_lawful_aliases(text: str) -> None:
    assert Alias.parse(text) == text


@pytest.mark.parametrize(
    "text", ["", "-x", "a.b", "v1", "12", "main", "latest", "HEAD", "abcdef0", HEX, "x" * 65, "a b", "ä"]
)
def test_unlawful_aliases_come_with_a_lawful_proposal(text: str) -> None:
    with pytest.raises(InvalidAlias) as caught:
        Alias.parse(text)
    assert Alias.parse(caught.value.fields["proposal"])


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("a/b", None),
        ("a/b:12", 12),
        ("a/b:v12", 12),
        ("a/b:latest", None),
        ("a/b@champion", Alias("champion")),
        ("a/b@main", None),
        (f"a/b@sha256:{HEX}", Digest(f"sha256:{HEX}")),
    ],
)
def test_references(text: str, selector: object) -> None:
    ref = Ref.parse(text)
    assert ref.selector == selector
    assert Ref.parse(str(ref)) == ref


def test_a_reference_without_a_namespace_takes_the_default() -> None:
    assert Ref.parse("scorer:3", "fraud") == Ref(ModelName("fraud", "scorer"), 3)
    with pytest.raises(InvalidName):
        Ref.parse("scorer:3")


@pytest.mark.parametrize(
    "text", ["a/b:", "a/b:0", "a/b:-1", "a/b:1.5", "a/b:" + "9" * 5000, "a/b@sha256:12", "a/b:1@x"]
)
def test_wrong_references(text: str) -> None:
    with pytest.raises(InvalidReference):
        Ref.parse(text)


def test_a_stage_written_as_a_version_is_explained() -> None:
    with pytest.raises(InvalidReference) as caught:
        Ref.parse("fraud/scorer:production")
    assert "fraud/scorer@production" in caught.value.fix


@pytest.mark.parametrize(
    "text", ["", "sha256:", "sha256:" + "A" * 64, "md5:" + HEX, HEX[:-1], "sha256:" + HEX + "\n"]
)
def test_wrong_digests(text: str) -> None:
    with pytest.raises(InvalidDigest):
        Digest.parse(text)


def test_a_digest_reads_bare_hex_too() -> None:
    assert Digest.parse(HEX) == f"sha256:{HEX}"
    assert Digest.of(b"").commit == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4"
