"""Taking what leaked out of a namespace, for good and on record: texts from records, logs, cards, comments and events,
and whole files.

The digests that were given out stay: of a redacted record, comment or event only the `content.redacted` event
explains why the text no longer matches, by the digest of what is left. The bytes of a file cannot change, so they are
withheld: no door gives them, and they go from the store; `content.withheld` tells of it (withholding.py). `audit check`
and `audit verify` accept exactly that. Decision record 0024.
"""
