"""The only package that writes `tx`. It loads the evidence, asks levity_trio.charging, and stores
the decision."""
