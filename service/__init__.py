"""hypocenter, the online service: alerts in, ranked root causes out."""
