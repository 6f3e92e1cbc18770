"""Stranger's text inside a rendered row. It can never look like a row, an answer, a turn or an instruction."""

from service.evidence.redaction import redact

# What rows, chat templates and fences are made of: quotes close our own, angle and square brackets open special tokens
# of chat templates, backticks open fences, bars part our columns. So do their wide and small forms, which tokenizers
# turn into them, and quotes of any shape close ours for whoever reads.
_LOOKALIKES = str.maketrans(
    {'"': "'", "<": "‹", ">": "›", "[": "(", "]": ")", "`": "'", "|": "¦", "\\": "/"}
    | {"＂": "'", "＜": "‹", "＞": "›", "［": "(", "］": ")", "｀": "'", "｜": "¦", "＼": "/", "﹤": "‹", "﹥": "›"}
    | dict.fromkeys("“”„‟«»″‶〝〞〟❝❞", "'")
)

NAME_LIMIT = 80
TEXT_LIMIT = 160


def plain(text: str, limit: int = NAME_LIMIT) -> str:
    """The text as one redacted line of at most ``limit`` characters, none of which has a meaning in a row."""
    return " ".join(redact(text, limit).translate(_LOOKALIKES).split())


def quoted(text: str, limit: int = TEXT_LIMIT) -> str:
    """The same, fenced as data in double quotes, which cannot occur within."""
    return f'"{plain(text, limit)}"'
