"""Load on twotier: users who wait for their answer (`locustfile.py`), arrivals that do not (`open_loop.py`), and its peers beside it."""
