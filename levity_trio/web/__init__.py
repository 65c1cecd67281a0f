"""HTTP: Hypercorn inside our task tree, and what it serves."""
