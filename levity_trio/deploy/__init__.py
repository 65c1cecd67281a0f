"""The files that an operator installs with the server, created from templates and the present configuration."""
