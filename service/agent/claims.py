from collections.abc import Iterable

from service.domain.move import PrintResults
from service.domain.transcript import Frame, Transcript
from service.rank.verification import Claim
from service.tools.naming import Naming


def claims(transcript: Transcript, naming: Naming) -> tuple[Claim, ...]:
    """What a transcript claims so far: the root's ranking if it was printed, then who was found guilty beside it."""
    if not transcript.frames:
        return ()
    return (*_printed(transcript.frames[0], naming), *_convicted(transcript.frames))


def _printed(root: Frame, naming: Naming) -> Iterable[Claim]:
    last = root.steps[-1].move if root.steps else None
    if not isinstance(last, PrintResults):
        return ()
    return (Claim(naming.resolve(c.component), c.fault, c.rows) for c in last.causes)


def _convicted(frames: Iterable[Frame]) -> Iterable[Claim]:
    verdicts = (f.verdict for f in frames if f.verdict is not None)
    return (Claim(v.component, v.fault, v.rows) for v in verdicts if v.guilty)
