"""Reads of transactions: lists, one of them, its bill and reviews, and sums over many."""
