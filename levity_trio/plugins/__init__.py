"""What watches the server and helps it; built-ins and third parties come by the same door, an entry point."""
