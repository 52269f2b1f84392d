"""`make bench-growth`: what a hot query costs with a thousand jobs stored and with a million."""
