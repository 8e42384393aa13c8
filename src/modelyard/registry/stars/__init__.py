"""Starred models: each account's own short list of models, in the order of their names.

A star notifies no one and changes no right, so it writes no event, as a watch does not.
"""
