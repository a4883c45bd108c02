"""Kraken: its formats and nothing else's."""
