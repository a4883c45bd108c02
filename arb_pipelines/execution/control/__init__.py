"""People and programs at a session's socket: what they may ask, and what is told to them."""
