"""Recognise a licence text: SPDX identifiers by sentences that only that licence has."""

from __future__ import annotations

from modelyard.domain.formats.facts import Draft
from modelyard.domain.formats.ranged import Source, read_exactly

MAX_LICENCE_BYTES = 128 * 1024

# The first licence whose sentences all occur wins. Texts are compared in lower case, with white space collapsed.
_SENTENCES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("AGPL-3.0-only", ("gnu affero general public license version 3",)),
    ("LGPL-3.0-only", ("gnu lesser general public license version 3",)),
    ("LGPL-2.1-only", ("gnu lesser general public license version 2.1",)),
    ("GPL-3.0-only", ("gnu general public license version 3",)),
    ("GPL-2.0-only", ("gnu general public license version 2",)),
    ("MPL-2.0", ("mozilla public license version 2.0",)),
    ("Apache-2.0", ("apache license version 2.0",)),
    ("EPL-2.0", ("eclipse public license - v 2.0",)),
    ("CC-BY-NC-SA-4.0", ("attribution-noncommercial-sharealike 4.0 international",)),
    ("CC-BY-NC-ND-4.0", ("attribution-noncommercial-noderivatives 4.0 international",)),
    ("CC-BY-NC-4.0", ("attribution-noncommercial 4.0 international",)),
    ("CC-BY-SA-4.0", ("attribution-sharealike 4.0 international",)),
    ("CC-BY-ND-4.0", ("attribution-noderivatives 4.0 international",)),
    ("CC-BY-4.0", ("attribution 4.0 international",)),
    ("CC0-1.0", ("cc0 1.0 universal",)),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",)),
    ("BSL-1.0", ("boost software license - version 1.0",)),
    (
        "BSD-3-Clause",
        (
            "redistribution and use in source and binary forms, with or without modification, are permitted",
            "may be used to endorse or promote products derived from this software without specific prior written",
        ),
    ),
    (
        "BSD-2-Clause",
        ("redistribution and use in source and binary forms, with or without modification, are permitted",),
    ),
    (
        "ISC",
        (
            "permission to use, copy, modify, and/or distribute this software for any purpose with or without fee",
        ),
    ),
    (
        "MIT",
        (
            "permission is hereby granted, free of charge, to any person obtaining a copy",
            "the above copyright notice and this permission notice shall be included in all copies",
        ),
    ),
)

SPDX_IDS = frozenset(spdx for spdx, _ in _SENTENCES)

# The words model cards use are the SPDX identifiers in lower case, and these.
_WORDS = {spdx.lower(): spdx for spdx, _ in _SENTENCES} | {
    "gpl-3.0": "GPL-3.0-only",
    "gpl-2.0": "GPL-2.0-only",
    "agpl-3.0": "AGPL-3.0-only",
    "lgpl-3.0": "LGPL-3.0-only",
    "lgpl-2.1": "LGPL-2.1-only",
    "apache 2.0": "Apache-2.0",
    "apache2": "Apache-2.0",
    "bsd-3": "BSD-3-Clause",
}


def spdx_of_word(word: str) -> str:
    """Return the SPDX identifier for the licence in a card; the word itself if it is not known."""
    return _WORDS.get(word.strip().lower(), word.strip())


def read(source: Source, draft: Draft) -> None:
    draft.format = "licence"
    data = read_exactly(source, 0, min(MAX_LICENCE_BYTES, source.size_bytes))
    text = " ".join(data.decode("utf-8", "replace").lower().replace(",", " , ").split()).replace(" , ", ", ")
    # "GNU … LICENSE, Version 3" and "GNU … LICENSE Version 3" are both in use.
    bare = text.replace("license, version", "license version")
    draft.licence = next(
        (spdx for spdx, sentences in _SENTENCES if all(s in text or s in bare for s in sentences)), None
    )
