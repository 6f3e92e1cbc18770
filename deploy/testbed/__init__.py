"""A shop of real processes that really breaks, recorded as case/1: see `python -m deploy.testbed --help`."""
