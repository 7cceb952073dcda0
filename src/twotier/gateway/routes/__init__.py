"""The gateway's routes. Each translates: a request into a call, and what comes back into a response."""
