"""Selling what a cycle left in hand for a stable currency, at the venue, through every delay."""
