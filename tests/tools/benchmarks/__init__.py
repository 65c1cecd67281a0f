"""The bench: what one durable call costs, beside the cheapest server that the same library allows.

Run it from the checkout's root: `python -m tests.tools.benchmarks --help`.
"""
