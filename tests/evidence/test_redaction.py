import base64
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.evidence.redaction import redact, told

ALNUM = string.ascii_letters + string.digits
PLAIN = st.text(st.sampled_from("abcdefgh ÄЖ中.,;(){}"), max_size=60).map(lambda text: f"{text} ")
"""Text around a secret, with a space between."""


def random_text(alphabet: str, least: int, most: int) -> st.SearchStrategy[str]:
    return st.text(st.sampled_from(alphabet), min_size=least, max_size=most)


def segment(least: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=least, max_size=least + 30).map(
        lambda b: base64.urlsafe_b64encode(b).decode().rstrip("=")
    )


def luhn(digits: str) -> str:
    """The digits and the check digit that makes a card's number of them."""
    doubled = [int(d) * (2 - position % 2) for position, d in enumerate(reversed(digits))]
    return digits + str(-sum(n - 9 if n > 9 else n for n in doubled) % 10)


SECRET = random_text(ALNUM, 12, 40)
NAMES = st.sampled_from(
    "password passwd PASSWORD db_password DB_PASS client_secret token access_token api_key apikey X-Api-Key "
    "aws_secret_access_key AccountKey SharedAccessKey private_key passphrase credentials cookie Set-Cookie sig".split()
)
PAIRED = st.sampled_from(
    ["{}={}", "{}: {}", '{{"{}": "{}"}}', "{{'{}': '{}'}}", '{{\\"{}\\":\\"{}\\"}}', "{}='{}'", "?{}={}&x=1"]
)

SECRETS: dict[str, st.SearchStrategy[tuple[str, str]]] = {
    "pair": st.tuples(PAIRED, NAMES, SECRET).map(lambda t: (t[0].format(*t[1:]), t[2])),
    "jwt": st.tuples(segment(9), segment(9)).map(lambda t: (f"eyJhbGciOiJ{t[0]}.eyJ{t[1]}.{t[1]}", t[1])),
    "bearer": SECRET.filter(lambda s: s[:10] not in "Authorization").map(lambda s: (f"Authorization: Bearer {s}", s)),
    "basic": SECRET.map(
        lambda s: (f"basic {base64.b64encode(s.encode()).decode()}", base64.b64encode(s.encode()).decode())
    ),
    "aws": random_text(string.ascii_uppercase + string.digits, 16, 16).map(lambda s: (f"AKIA{s}", s)),
    "github": random_text(ALNUM, 36, 36).map(lambda s: (f"ghp_{s}", s)),
    "ours": random_text(ALNUM, 43, 43).map(lambda s: (f"hyp_{s}", s)),
    "google": random_text(ALNUM, 35, 35).map(lambda s: (f"AIza{s}", s)),
    "slack": random_text(ALNUM, 20, 40).map(lambda s: (f"xoxb-{s}", s)),
    "url": st.tuples(
        st.sampled_from(["postgres", "redis", "mongodb", "amqp", "https"]),
        st.sampled_from(["", "shop", "svc-user"]),
        random_text(ALNUM + "!$@%-", 12, 30),
    ).map(lambda t: (f"{t[0]}://{t[1]}:{t[2]}@db.internal:5432/shop", t[2])),
    "key": random_text(ALNUM + "+/\n", 80, 400).map(
        lambda s: (f"-----BEGIN RSA PRIVATE KEY-----\n{s}\n-----END RSA PRIVATE KEY-----", s.strip())
    ),
    "mail": random_text(string.ascii_lowercase, 5, 20).map(lambda s: (f"{s}@shop.example.org", f"{s}@")),
    "card": random_text(string.digits, 12, 18).map(luhn).map(lambda s: (s, s)),
    "spaced card": random_text(string.digits, 15, 15)
    .map(luhn)
    .map(lambda s: (" ".join(s[i : i + 4] for i in (0, 4, 8, 12)), s[4:8] + " " + s[8:12])),
}


@pytest.mark.parametrize("kind", SECRETS)
@given(data=st.data(), before=PLAIN, after=PLAIN)
def test_no_secret_gets_through_whatever_stands_around_it(
    kind: str, data: st.DataObject, before: str, after: str
) -> None:
    text, secret = data.draw(SECRETS[kind])
    assume(secret.strip() and secret not in before + after)
    for shown in (redact(f"{before}{text} {after}", 2000), told(f"{before}{text} {after}", 2000)):
        assert secret not in shown
        assert "[" in shown or "…" in shown


@pytest.mark.parametrize("kind", SECRETS)
@given(data=st.data(), limit=st.integers(1, 60))
def test_no_half_of_a_secret_is_left_by_the_cut(kind: str, data: st.DataObject, limit: int) -> None:
    text, secret = data.draw(SECRETS[kind])
    assert secret[:10] not in redact(text, limit) or len(secret) < 10


@given(data=st.data(), kinds=st.lists(st.sampled_from(sorted(SECRETS)), max_size=4))
def test_what_is_redacted_already_stays_as_it_is(data: st.DataObject, kinds: list[str]) -> None:
    once = redact(" ".join(data.draw(SECRETS[kind])[0] for kind in kinds), 3000)
    assert redact(once, 3000) == once


@pytest.mark.parametrize(
    "text",
    [
        "GET /orders/42 took 310 ms",
        "connection to http://cart:8080/items refused after 3 tries",
        "order 1234567890123456 shipped",  # no card: its check digit is another
        "passed 12 of 12 checks, bypass=on",
        "pool exhausted: 20 of 20 connections in use (user shop, host db-0)",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("text", ["a.", "a", "token", "pass_", "x://", "eyJ", "a@", '"\\', "1 ", "-----BEGIN "])
def test_long_text_costs_no_square_of_its_length(text: str) -> None:
    """The square of this length would take hours."""
    line = text * (1_000_000 // len(text))
    assert redact(line, len(line))
