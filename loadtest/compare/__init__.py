"""twotier and its peers, one after the other on the same machine: same model, same row, same clients."""
