"""The only package that writes `tx`: load what is known, ask levity_trio.charging, store the decision."""
