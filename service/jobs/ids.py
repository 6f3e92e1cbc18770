import secrets


def new_id(kind: str) -> str:
    """A fresh id that says what it is the id of."""
    return f"{kind}-{secrets.token_hex(8)}"
