"""The database without nouns: connections, the writer and its batches, faults, files, the
schema."""
