from dataclasses import dataclass, field, replace

from service.domain.component import Component
from service.domain.move import Verdict
from service.domain.transcript import Frame, Step


@dataclass(frozen=True, slots=True)
class Awaited:
    """What a frame sleeps for: its answer's lines in the order asked, each known already or the verdict of a child."""

    lines: tuple[str | Frame, ...]

    @property
    def all_there(self) -> bool:
        """Whether every child has its verdict."""
        return all(isinstance(line, str) or line.verdict is not None for line in self.lines)


@dataclass(slots=True)
class FrameTree:
    """All frames of one localization: who is open, who sleeps until its children are done, who was ever investigated.

    A frame waits only for frames that it opened itself, so no two can wait for each other, whatever the call graph's
    cycles. The root asks about the incident, not about its component: that one can still be investigated.
    """

    frames: list[Frame] = field(default_factory=list[Frame])
    sleeping: dict[int, Awaited] = field(default_factory=dict[int, Awaited])
    steps_made: int = 0
    ended: bool = False

    @property
    def root(self) -> Frame:
        """The frame that asks about the whole incident."""
        return self.frames[0]

    def open(self, component: Component, question: str, parent: Frame | None = None) -> Frame:
        """A new frame, to advance from the next round on."""
        depth = 0 if parent is None else parent.depth + 1
        frame = Frame(len(self.frames), None if parent is None else parent.id, depth, component, question)
        self.frames.append(frame)
        return frame

    def investigation(self, component: Component) -> Frame | None:
        """The frame in which a component is or was investigated."""
        return next((f for f in self.frames[1:] if f.component == component), None)

    def ready(self) -> list[Frame]:
        """Frames that make a move in the next round, in the order of their ids."""
        if self.ended:
            return []
        return [f for f in self.frames if f.verdict is None and f.id not in self.sleeping]

    def record(self, frame: Frame, step: Step) -> None:
        """Keep a step of a frame."""
        frame.steps.append(step)
        self.steps_made += 1

    def sleep(self, frame: Frame, awaited: Awaited) -> None:
        """Let a frame wait for the verdicts of its children."""
        self.sleeping[frame.id] = awaited

    def due(self) -> list[tuple[Frame, Awaited]]:
        """Frames whose children are all done; they sleep no longer."""
        awake = [i for i, awaited in self.sleeping.items() if awaited.all_there]
        return [(self.frames[i], self.sleeping.pop(i)) for i in sorted(awake)]

    def verdicts(self) -> list[Verdict]:
        """What the children have said so far, in the order of their frames."""
        return [f.verdict for f in self.frames if f.verdict is not None]


def answered(frame: Frame, observation: str, rows: tuple[str, ...]) -> None:
    """Fill in what came back on a frame's last step."""
    frame.steps[-1] = replace(frame.steps[-1], observation=observation, rows=rows)
