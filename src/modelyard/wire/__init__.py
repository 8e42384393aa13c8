"""JSON shapes of the native API, shared by the server's door and the client.

Requests refuse unknown fields; answers may grow, so a client ignores fields it does not know. Times are
RFC 3339 in UTC, sizes in bytes.
"""
