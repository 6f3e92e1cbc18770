from service.domain.echo import unechoed


def test_what_a_server_repeats_of_our_credentials_is_taken_out() -> None:
    headers = {"Authorization": "Bearer s3cr3t-token", "X-Api-Key": "another-key", "Host": "loki:3100"}
    told = "no tenant for Bearer s3cr3t-token, another-key at loki:3100 with hunter2hunter2"
    assert (
        unechoed(told, headers, ["hunter2hunter2"])
        == "no tenant for [secret] [secret], [secret] at loki:3100 with [secret]"
    )


def test_short_words_stay() -> None:
    assert unechoed("Basic auth: no", {"Authorization": "Basic no"}) == "Basic auth: no"
