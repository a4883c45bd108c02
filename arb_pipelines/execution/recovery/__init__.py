"""What an engine's death left on the account: found, settled, and brought to an end.

By the state file and the venue's own lists, before a strategy trades. Orders are those of
``orders.runner``, selling what is not worth finishing is ``panic``'s.
"""
