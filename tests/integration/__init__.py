"""`levity-trio serve` as a process of its own, with real sockets, signals, disks and clients of
third parties."""
