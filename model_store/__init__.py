"""hypocenter, offline: where a model comes from and how it is proven."""
