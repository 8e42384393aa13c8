"""Resumable uploads that end as blobs.

A client first asks which of its files are missing; only bytes that it may already read count as present,
so that knowing a hash buys nothing. Bytes become a blob in three steps: a row of `uploads` holds the
digest (so the collector leaves it alone), the store verifies and publishes the bytes, a row of `blobs`
makes them known. A crash between any two leaves a staged file that the next start sweeps, or bytes that
the next upload of the same digest finds in place.
"""
