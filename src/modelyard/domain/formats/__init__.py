"""Read format facts from a model file without loading or executing it.

`needs_reading(path)` tells from the name alone whether a file is worth opening; `read_facts(path,
source)` reads its structure through ranged reads; `summarise(facts by path)` makes the one summary that
a version carries. A hostile, truncated or lying file gives facts with `problems`; only the source's own
errors (a store that does not answer) are raised. Every reader has caps on bytes, depth and counts.
Why by hand and with the standard library only: decision record 0005.
"""

from modelyard.domain.formats.detect import needs_reading, read_facts, reader_of
from modelyard.domain.formats.facts import FormatFacts, TensorFact
from modelyard.domain.formats.ranged import BytesSource, Source
from modelyard.domain.formats.summary import summarise

__all__ = [
    "BytesSource",
    "FormatFacts",
    "Source",
    "TensorFact",
    "needs_reading",
    "read_facts",
    "reader_of",
    "summarise",
]
