"""What an operator installs beside the server: files made from templates and the present configuration."""
