"""Taking a text out of what a namespace keeps, for good and on record: records, logs, cards, comments, events.

The digests that were given out stay: of a redacted record, comment or event only the `content.redacted` event
explains why the text no longer matches, by the digest of what is left. `audit check` and `audit verify` accept
exactly that. The bytes of files are never changed: a version whose files hold a secret is deleted.
Decision record 0024.
"""
