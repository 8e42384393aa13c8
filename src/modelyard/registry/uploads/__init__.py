"""Resumable uploads that end as blobs.

A client first asks which of its files are missing. Only bytes that it may already read count as present, so knowing a
hash gives no access. Bytes become a blob in three steps: a row of `uploads` holds the digest (so the collector leaves
it alone), the store verifies and publishes the bytes, and a row of `blobs` registers them. A crash between two steps
leaves a staged file that the next start sweeps, or bytes that the next upload of the same digest finds in place.
"""
