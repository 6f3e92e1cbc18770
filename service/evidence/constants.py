"""Every constant of the evidence, each with its reason. None is tuned on one incident."""

SCORE_LIMIT = 99.0
"""Scores end here: beyond it, "more" says nothing."""

SCORE_SHOWN = 2.0
"""A row below two standard deviations is noise more often than not, and is not kept."""

ROWS_PER_SUBJECT = 6
"""Rows kept for one component and one kind: the worst say what there is to say."""

MIN_EXECUTIONS = 5
"""A quantile of fewer executions than this says nothing; a coarser context is taken instead."""

MIN_FOR_SHARE = 2
"""The same for a share; it may be smaller, as the score of a share allows for how few they were."""

DRIFT_OF_LOG_TIME = 0.25
"""Standard deviation of the logarithm of a median between two healthy stretches of time (±28 %): load moves it."""

DRIFT_OF_LOG_SPREAD = 0.2
"""The same for the standard deviation of the logarithm: a tail moves between healthy stretches more than a median."""

DRIFT_OF_SHARE = 0.03
"""The same for shares of executions: sampling and traces cut at the window's end move a share by a few points."""

DRIFT_OF_RATE = 0.5
"""The same for the logarithm of rates per second (±65 %): traffic is never the same twice."""

DRIFT_OF_METRIC = 0.05
"""A series that never moved still may by this part of its level without meaning anything."""

MIN_PEERS = 5
"""Components that must have a metric before what they do together says what is usual for it."""

SMALL_SAMPLE = 4.0
"""A baseline of this many samples has its scale doubled: a scale from few samples is a guess (as in Student's t)."""

QUANTILES = {0.5: 1.0, 0.9: 2.0, 0.98: 4.0}
"""Where durations are compared: at the median, and in the tail, as a fault of one replica, of one kind of request, or
of one packet in fifty shows only there; and what a shift is divided by at each: a tail concerns few executions, and
moves more than a median where nothing is wrong."""

MEDIAN = {0.5: 1.0}
"""The same where only the median is asked for."""

LEAST_FOR_MEDIAN = 2
"""Executions now without which a median says nothing; its error allows for how few they were."""

ERRORS_TAKEN_OFF = 1.0
"""Standard errors that are taken off a shift before it counts: what is left is there in five of six times."""

USUAL_TIME = 0.7
"""The unit of effects for times (logarithm): twice as long is one. A round number, like those below; twice or half of
any of them moves the mean accuracy of the recorded systems by a few points."""

USUAL_SHARE = 0.35
"""The same for a share of executions (arcsine): from none to 3 %, or from a half to two thirds."""

USUAL_COUNT = 0.7
"""The same for how often an execution makes a call, and for rates of requests (logarithm)."""

USUAL_LEVEL = {"cpu": 0.4, "memory": 0.4, "network": 1.0, "restart": 1.5, "other": 1.5}
"""The same for the level of a series (logarithm), by its class: memory and cpu are steadier than traffic."""

USUAL_OTHERWISE = 0.7
"""The same for series of all other classes."""

LEAST_BASELINE = 3
"""Samples of a series before which nothing can be said to have moved."""

LEAST_REFERENCE = 2
"""The same for the time just before the onset, which is short."""

STARTING_S = 60.0
"""A pod that starts works harder than one that runs: so long its series say nothing about its version."""

GONE_EFFECT = 8.0
"""The effect of a series that says that something is there, and now says that it is not: as large as any."""

UNIT_FLOORS = {
    "millicores": 50.0, "cores": 0.05, "s/s": 0.02, "%": 2.0, "share": 0.02, "ratio": 0.02, "": 1.0, "1/s": 0.5,
    "s": 0.002, "ms": 2.0, "us": 2000.0, "MiB": 16.0, "bytes": 16e6,
}  # fmt: skip
"""What a series' level may move by without costing a request anything, in its own unit: from nothing to something is
no more than that."""

FLOW_FLOOR = 1e6
"""The same of bytes per second, in whatever unit: a page that is written now and then is no load."""

FLOOR_BESIDE_PEERS = 0.1
"""The part of it that is left where peers tell what is usual."""

USUAL_PART = 0.25
"""The floor as a part of what is usual for that metric among its peers."""

LONE_PART = 0.05
"""The floor as a part of the largest value before, of a series without peers in a unit that says nothing."""

LEAST_WIDTH_SHARE = 0.95
"""The rows of one kind of which this share stay within two of their errors where nothing is wrong; where the time
before the onset shows more, all errors of that kind grow by as much."""

UNMEASURED_WIDTH = 1.3
"""The factor of all errors where there is no time before the onset to measure it in."""

LEAST_LEFT = 0.2
"""What is left of the effect of what was so already before the onset; not nothing, as that time may be dirty."""

CHANGE_HORIZON_S = 3600.0
"""A change longer than an hour before the alert is not near it."""

EXAMPLE_LENGTH = 160
"""Characters of a log line that are shown as an example."""

SUBJECT_LENGTH = 300
"""Characters of an operation, metric or template name that are kept: as many as a name has, whose end tells long ones
apart. Fewer are shown.
"""

DRIFT_OF_COUNT = 0.1
"""The same for how often one execution makes a call, as a part of the mean."""

FEW_HITS = 3
"""A pair that was seen fewer times than this, then and now together, tells nothing."""

USUAL_TIMES = (0.05, 0.95)
"""Between these quantiles of answered calls an unanswered one takes as long as if it had been answered."""

USUALLY = 0.5
"""What happens in more than half of all executions is what usually happens."""

SILENT_BELOW = 0.5
"""A service is silent when fewer than this part of the requests that should reach it do."""

COUNTER_RISES = 0.9
"""A series named like a counter is one if it falls in less than the rest of its steps (a restart falls once)."""

REPLACED = 0.7
"""What a lost call's score loses when something else is done as often instead; not all: that may be error handling."""

ONSET_STEP_S = 5.0
"""An onset is not told more exactly than this."""

MOST_STEPS = 240
"""Steps that a window is divided into: those of a window longer than twenty minutes are longer."""

SIGNALS_AT_A_TIME = 2_000
"""Signals whose gains are held in memory together."""

NEARLY_ALL = 0.9
"""An execution is slow when it takes longer than this share of its operation's baseline did."""

CLEARLY_LONGER = 1.05
CLEARLY_LONGER_US = 200
"""By this part and by so many microseconds longer, so that a baseline without any spread calls nothing slow."""

LEAST_GAIN = 3.0
"""Nats that the best of one signal's splits gains by chance; of many signals, the logarithm of their number more."""

MOST_OF_ONE = 10.0
"""Nats that one signal may add to the onset, so that none decides alone."""

MOST_OF_ALL = 6.0
"""Nats that all signals together may add: they are symptoms of one fault, not independent witnesses, and an interval
that believed them all would be too narrow to hold the onset."""

SIGNALS_ARE_ALIKE = 0.5
"""What is left of their sum where it is less."""

LEAST_SEEN = 3.0
"""Nats below which no signal shows an onset."""

FARTHEST = 6.0
"""Standard deviations beyond which a sample says no more about when it began."""

USUAL_DELAY_S = 100.0
SPREAD_OF_DELAY = 1.2
"""How long after the onset alerts fire (median, and spread of the logarithm): rules wait a minute or two, and are
evaluated twice a minute; from ten seconds to a quarter of an hour nine of ten."""

ALERT_BEFORE_ONSET = 1.0
"""How much less likely (nats) than that it fired at the onset itself it is that an alert fired before it."""

ONSET_QUANTILES = (0.03, 0.1, 0.5)
"""Of the onset's likelihood: before the first there was hardly any fault, after the second there probably was, the
third is its median. To begin too early dilutes what changed; to begin too late loses it."""

ONSET_MARGIN_S = 10.0
"""Requests that began so shortly before may already have met the fault."""

LEAST_NEAR_S = 20.0
"""Seconds of the window before the onset below which they are no reference."""
