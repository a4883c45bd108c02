"""Tardis.dev: full days of recorded books of many exchanges, as files over HTTP.

Getting the files is here; reading them is for ``lake/readers``.
"""
