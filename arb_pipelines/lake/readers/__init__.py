"""Readers of recorded books, one module a format.

A reader turns a file into Arrow tables of ``BOOK_ROWS`` and says which rows it
could not parse. It judges form, not meaning: NaN, crossed books, unknown
symbols and the like are the business of ``lake/ingest``.
"""
