"""Binance: its formats and nothing else's."""
