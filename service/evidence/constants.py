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

QUANTILES = (0.5, 0.9, 0.98)
"""Where durations are compared: at the median, and in the tail, as a fault of one replica, of one kind of request, or
of one packet in fifty shows only there."""

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

SILENT_BELOW = 0.5
"""A service is silent when fewer than this part of the requests that should reach it do."""

COUNTER_RISES = 0.9
"""A series named like a counter is one if it falls in less than the rest of its steps (a restart falls once)."""

REPLACED = 0.7
"""What a lost call's score loses when something else is done as often instead; not all: that may be error handling."""
