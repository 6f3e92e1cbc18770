"""Everything that was recorded of a scene: what was played, as the tables of a case."""

from model_store.simulate.executions import play
from model_store.simulate.recorder import Recorder, change_table, topology_table
from model_store.simulate.scene import Scene
from model_store.simulate.series import metric_table
from model_store.simulate.times import Times
from model_store.simulate.traffic import Played, Sampling, traffic
from service.stores.case_tables import CaseTables


def record(scene: Scene, times: Times) -> CaseTables:
    """Plays what the scene holds, and writes down what its system tells."""
    played = [Played(x, play(x), float(times.before_us)) for x in scene.before]
    played += [Played(x, play(x), 0.0) for x in scene.now]
    recorder = Recorder(scene.rng, scene.system, scene.skew_us, frozenset(scene.untold))
    for one in played:
        kept = scene.rng.random(len(one.executions.arrived_us)) < scene.traced
        recorder.record(one.executions, one.timeline, kept, times.zero_us + int(one.offset_us))
    style = scene.system.style
    stretches = (
        (float(times.before_us), float(times.before_us + times.before_length_us)),
        (0.0, float(times.window_us)),
    )
    sampling = Sampling(scene.gauges.times_us, float(times.step_us), style.rate_scrapes, stretches)
    counted = traffic(scene.rng, scene.system, played, sampling)
    tables = {
        "spans": recorder.span_table(),
        "logs": recorder.log_table(),
        "metrics": metric_table(scene.rng, scene.gauges, counted, times.zero_us),
        "topology": topology_table(scene.rng, scene.system),
        "changes": change_table(scene.system, scene.changes, times.zero_us),
    }
    return CaseTables(**{name: table for name, table in tables.items() if name not in scene.missing})
