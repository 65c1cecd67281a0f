"""Writes of the site as a whole: frames, imports, webhooks, and the demo."""
