"""Endpoints of the site as a whole: now, history, search, messages, and the server itself."""
