"""The append-only store: chain, group commit, tree, checkpoints, receipts, blobs.

It knows bytes, streams and positions, and nothing of procurement.
"""
