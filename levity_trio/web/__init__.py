"""The HTTP server: Hypercorn within the server's task tree, and the pages it serves."""
