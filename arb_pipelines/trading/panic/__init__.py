"""How a holding gets to a stable currency: routes, and what the books give on them. No I/O."""
