"""What endpoints are made of: declarations, callers, bodies, lists, problems, and OpenAPI."""
