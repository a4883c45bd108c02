"""Orders at a venue: exact amounts, brokers that carry them, and balances that answer for them."""
