"""The network: batches, forward and backward passes, what of it is trained and how."""
