"""The log: its lines, the threads that write them, and the lines of facts."""
