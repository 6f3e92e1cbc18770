import re

import pytest

from service.stores.prometheus_intervals import Pace, counting_query, intervals_of, paces
from service.stores.prometheus_questions import counted_selectors, questions, recorded_questions
from service.stores.prometheus_series import FAMILIES, Labels
from service.stores.prometheus_wire import Instant, Vector

REQUESTS = "http_server_request_duration_seconds"


def counted(*counts: tuple[str, str, float]) -> Vector:
    """The samples that were counted of a selector's place and a job."""
    return Vector(result=[Instant(metric={"question": n, "job": job}, value=(0.0, count)) for n, job, count in counts])


@pytest.mark.parametrize(
    ("count", "every_s"),
    [(600, 5), (61, 10), (60, 10), (41, 15), (40, 15), (39, 15), (20, 30), (19, 30), (11, 60), (10, 60), (9, 60),
     (5, 120), (1, 120)],
)  # fmt: skip
def test_a_scrape_more_or_less_makes_no_other_interval(count: int, every_s: int) -> None:
    assert intervals_of(counted(("0", "web", count)), ["up"]) == {"up": {"web": every_s}}


@pytest.mark.parametrize("place", ["", "1", "-1", "x"])
def test_an_answer_to_another_question_tells_nothing(place: str) -> None:
    assert intervals_of(counted((place, "web", 40)), ["up"]) == {}


def test_jobs_of_one_pace_are_asked_for_together_and_whoever_else_is_there_with_the_most() -> None:
    assert paces({}, 15) == [Pace(15)]
    assert paces({"a": 5, "b": 15}, 15) == [Pace(15)]
    assert paces({"a": 60}, 15) == [Pace(60)]
    jobs = {"a": 15, "b": 10, "shop/c.d": 60, "e|f": 60, 'g"h': 30}
    usual, *others = paces(jobs, 15)
    assert (usual.step_s, [each.step_s for each in others]) == (15, [30, 60])
    for pace in others:
        assert pace.matcher.startswith('job=~"')
    fitting = re.compile(others[1].matcher.removeprefix('job=~"').removesuffix('"').replace("\\\\", "\\"))
    assert [job for job in jobs if fitting.fullmatch(job)] == ["shop/c.d", "e|f"]


def test_every_selector_has_its_place_in_one_query() -> None:
    query = counting_query(["up", "node_load1"])
    assert "count_over_time(up[600s])" in query
    assert 'count_over_time(node_load1[600s])), "question", "1"' in query


@pytest.mark.parametrize(
    ("there", "native"),
    [
        ([REQUESTS], True),
        ([f"{REQUESTS}_count", f"{REQUESTS}_sum", f"{REQUESTS}_bucket"], False),
        ([REQUESTS, f"{REQUESTS}_count", f"{REQUESTS}_sum"], False),  # a summary
    ],
)
def test_where_nothing_was_counted_a_name_alone_is_a_native_histogram(there: list[str], native: bool) -> None:
    queries = [question.query for question in questions(FAMILIES, there, Labels(), 15)]
    assert queries
    assert any("histogram_count" in query for query in queries) == native


def test_native_histograms_stand_beside_series_with_suffixes_where_both_were_counted() -> None:
    there = [REQUESTS, f"{REQUESTS}_count", f"{REQUESTS}_bucket"]
    classic, native = counted_selectors(FAMILIES, there)
    every = {classic: {"old": 15}, native: {"new": 15}}
    told = {question.metric: question.query for question in questions(FAMILIES, there, Labels(), 15, every)}
    assert f"rate({REQUESTS}_count[45s]) or histogram_count(rate({REQUESTS}[45s]))" in told[f"{REQUESTS[:-8]}_requests"]
    assert told[f"{REQUESTS[:-8]}_p90"].count("histogram_quantile") == 2


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("node_namespace_pod_container:container_cpu_usage_seconds_total:sum_irate", "container_cpu_usage_seconds"),
        ("node_namespace_pod_container:container_memory_working_set_bytes", "container_memory_working_set_bytes"),
        (f"job:{REQUESTS}_count:rate5m", "http_server_request_duration_requests"),
        (f"job:{REQUESTS}_bucket:p99_5m", "http_server_request_duration_p90"),
        (f"job:{REQUESTS}:quantile90", "http_server_request_duration_p90"),
        ("job:container_cpu_usage_seconds_total:count", ""),
        ("job:somebody_elses:rate5m", ""),
        ("::", ""),
        (":", ""),
    ],
)
def test_rules_are_read_by_the_names_that_they_should_have(name: str, metric: str) -> None:
    told = [question.metric for question in recorded_questions(FAMILIES, [name], Labels(), 15)]
    assert told == ([metric] if metric else [])


def test_rules_are_not_asked_for_beside_what_they_are_made_of() -> None:
    there = ["container_cpu_usage_seconds_total", "pod:container_cpu_usage_seconds_total:rate5m"]
    assert list(recorded_questions(FAMILIES, there, Labels(), 15)) == []
