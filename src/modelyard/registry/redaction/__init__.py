"""Remove leaked content from a namespace, for good and on record: texts in records, logs, cards, comments and events,
and whole files.

The published digests stay: for a redacted record, comment or event, only the `content.redacted` event explains why the
text no longer matches, by the digest of the remaining content. The bytes of a file cannot change, so they are withheld:
no door serves them, and they are deleted from the store; `content.withheld` records it (withholding.py).
`audit check` and `audit verify` accept exactly that. Decision record 0024.
"""
