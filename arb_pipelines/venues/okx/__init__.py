"""OKX: its formats and nothing else's."""
