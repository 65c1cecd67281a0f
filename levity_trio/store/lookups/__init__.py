"""What reads and writes both look up, by the function that runs a SELECT for them."""
