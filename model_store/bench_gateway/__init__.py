"""What the gateway costs: acknowledgements beside a route that only parses, storms, workers, memory, start."""
