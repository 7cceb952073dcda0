"""The gateway: it admits, validates and forwards rows, and answers every error as a problem. It knows no model library."""
