"""Signals from outside a session: their form on the wire, and the checks before they count."""
