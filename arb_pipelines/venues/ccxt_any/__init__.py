"""Any exchange that ccxt knows, behind the protocols of ``venues.base``: breadth, not speed."""
