"""The writes of statements: the closing of a month, which numbers and seals them."""
