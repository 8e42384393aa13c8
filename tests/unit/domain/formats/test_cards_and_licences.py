"""Model cards, licence texts, configs and loader files: small texts, read in small words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelyard.domain.formats import BytesSource, FormatFacts, needs_reading, read_facts

CARD = """---
license: apache-2.0  # as the base
library_name: "transformers"
tags:
  - fraud
  - 'tabular: yes'
- top level dash
datasets: [org/one, "org/two"]
metrics:
base_model: org/base
model-index:
- name: x
  results: [{task: {type: a}}]
bomb: &a [*a, *a]
language: *a
---
# Title
license: mit
"""

MIT = """MIT License

Copyright (c) 2020 Somebody

Permission is hereby granted, free of charge, to any person obtaining a
copy of this software and associated documentation files (the "Software"), to deal in the Software ...

The above copyright notice and this permission notice shall be included in
all copies or substantial portions of the Software.
"""
BSD2 = """Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are met:"""
BSD3 = (
    BSD2
    + """ Neither the name of the copyright holder nor the names of its contributors
may be used to endorse or promote products derived from this software without
specific prior written permission."""
)


def read(path: str, content: str | dict[str, Any]) -> FormatFacts | None:
    text = content if isinstance(content, str) else json.dumps(content)
    return read_facts(path, BytesSource(text.encode()))


def test_card() -> None:
    facts = read("docs/README.md", CARD)
    assert facts is not None
    assert (facts.format, facts.licence, facts.problems) == ("model-card", "Apache-2.0", ())
    assert facts.details == {
        "license": "apache-2.0",
        "library_name": "transformers",
        "base_model": ["org/base"],
        "tags": ["fraud", "tabular: yes", "top level dash"],
        "datasets": ["org/one", "org/two"],
    }


@pytest.mark.parametrize("text", ["# only a title\n", "", "\n---\nlicense: mit\n---\n"])
def test_card_without_front_matter(text: str) -> None:
    facts = read("README.md", text)
    assert facts is not None
    assert (facts.licence, facts.details, facts.problems) == (None, {}, ())


def test_card_with_byte_order_mark_and_unknown_licence() -> None:
    facts = read("README.md", "\ufeff---\r\nlicense: llama3\r\n---\r\n")
    assert facts is not None
    assert facts.licence == "llama3"


def test_card_is_bounded() -> None:
    items = "".join(f"- tag{i}\n" for i in range(1500))
    facts = read("README.md", f"---\ntags:\n{items}---\n")
    assert facts is not None
    assert len(facts.details["tags"]) == 100
    huge = read("README.md", "---\ntags:\n" + "- x\n" * 90_000 + "---\n")
    assert huge is not None
    assert huge.problems == ("the front matter has no end",)


@pytest.mark.parametrize(
    ("text", "spdx"),
    [
        (MIT, "MIT"),
        (BSD2, "BSD-2-Clause"),
        (BSD3, "BSD-3-Clause"),
        ("                 Apache License\n           Version 2.0, January 2004", "Apache-2.0"),
        ("GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007", "GPL-3.0-only"),
        ("GNU GENERAL PUBLIC LICENSE\n Version 2, June 1991", "GPL-2.0-only"),
        ("GNU LESSER GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007", "LGPL-3.0-only"),
        ("GNU AFFERO GENERAL PUBLIC LICENSE\n Version 3, 19 November 2007", "AGPL-3.0-only"),
        ("Mozilla Public License Version 2.0", "MPL-2.0"),
        ("Creative Commons Attribution 4.0 International Public License", "CC-BY-4.0"),
        ("Attribution-NonCommercial 4.0 International", "CC-BY-NC-4.0"),
        ("CC0 1.0 Universal", "CC0-1.0"),
        ("All rights reserved. Ask our lawyers.", None),
        ("", None),
    ],
)
def test_licence_texts(text: str, spdx: str | None) -> None:
    facts = read("LICENSE", text)
    assert facts is not None
    assert facts.licence == spdx


def test_transformers_config() -> None:
    facts = read(
        "sub/config.json",
        {
            "model_type": "bert",
            "architectures": ["BertModel", 3],
            "torch_dtype": "float16",
            "auto_map": {"a": "b"},
        },
    )
    assert facts is not None
    assert (facts.framework, facts.architecture) == ("transformers", "BertModel")
    assert facts.details == {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "torch_dtype": "float16",
        "needs_own_code": True,
    }


@pytest.mark.parametrize("value", ["[]", "3", '{"a": 1}', "null"])
def test_another_config_is_no_model(value: str) -> None:
    assert read("config.json", value) is None
    assert read("modelyard.json", value) is None


def test_loader_file_carries_the_signature() -> None:
    signature = {"inputs": [{"name": "a", "dtype": "float64", "shape": [None]}], "outputs": []}
    spec = {"saver": "scikit-learn", "framework": "scikit-learn", "class": "a.b.C", "signature": signature}
    facts = read("modelyard.json", spec)
    assert facts is not None
    assert (facts.framework, facts.architecture, facts.signature) == ("scikit-learn", "C", signature)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("model.safetensors", True),
        ("A/B/MODEL.ONNX", True),
        ("m.pkl.gz", True),
        ("LICENSE", True),
        ("LICENSE-MIT.txt", True),
        ("README.md", True),
        ("pytorch_model.bin", True),
        ("saved_model.pb", True),
        ("tokenizer.json", False),
        ("model.safetensors.index.json", True),
        ("requirements.txt", False),
        ("train.py", False),
        ("data.parquet", False),
        ("noname", False),
        ("", False),
    ],
)
def test_names_that_are_worth_reading(path: str, expected: bool) -> None:
    assert needs_reading(path) is expected
    if not expected:
        assert read(path, "{}") is None


@pytest.mark.parametrize(
    ("path", "text"), [("a.json", "{}"), ("a.bin", "xyz"), ("a.txt", "words"), ("b.model", "\n")]
)
def test_contents_of_no_known_format(path: str, text: str) -> None:
    assert read(path, text) is None
