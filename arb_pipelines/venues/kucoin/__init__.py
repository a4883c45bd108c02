"""KuCoin: its formats and nothing else's."""
