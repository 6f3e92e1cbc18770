from pathlib import Path

import pytest

from service.errors import SettingsError
from service.settings import read_settings

JAEGER = "https://jaeger.example/search?service={service}&start={start_us}&end={end_us}"


def test_one_template_or_several_stand_in_the_file(tmp_path: Path) -> None:
    config = tmp_path / "hypocenter.toml"
    config.write_text(
        f"[links]\ntraces = '{JAEGER}'\nmetrics = ['https://g.example/{{pod}}', 'https://g.example/{{service}}']\n"
    )
    links = read_settings({}, config).links
    assert (links.traces, len(links.metrics), links.logs) == ((JAEGER,), 2, ())


def test_one_template_may_stand_in_the_environment() -> None:
    assert read_settings({"HYPOCENTER_LINKS__TRACES": JAEGER}).links.traces == (JAEGER,)


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("https://x.example/{sevice}", r"HYPOCENTER_LINKS__LOGS: \{sevice\} is no place of a link"),
        ("https://{service}/", "HYPOCENTER_LINKS__LOGS: has a place in its host"),
        ("jaeger", "HYPOCENTER_LINKS__LOGS: should begin with http"),
    ],
)
def test_a_template_that_cannot_be_filled_is_told_before_anything_is_asked(template: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        read_settings({"HYPOCENTER_LINKS__LOGS": template})
