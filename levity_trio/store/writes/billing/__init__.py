"""The writes of statements: drafts, and the closing that numbers and seals them."""
