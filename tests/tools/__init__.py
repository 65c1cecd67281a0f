"""Programs for developers, `python -m tests.tools.NAME`: they measure, check or write something."""
