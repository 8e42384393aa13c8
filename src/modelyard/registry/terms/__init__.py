"""Terms of use: a text of a model that each account accepts once before its first pull.

An acceptance names the digest of the text, so new terms ask again. Whatever gives the bytes of a model asks
`refuse_unaccepted`; what gives single bytes asks `refuse_unaccepted_bytes`. Doors: `api/terms.py`.
"""
