"""Other real-time servers, measured beside ours on the same clips: see `__main__`."""
