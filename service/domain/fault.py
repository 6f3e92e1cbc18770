from enum import StrEnum


class Fault(StrEnum):
    """The closed list of fault kinds: what an answer may say is wrong with a component."""

    CPU = "cpu"
    MEMORY = "memory"
    DISK = "disk"
    NETWORK_DELAY = "network-delay"
    NETWORK_LOSS = "network-loss"
    SLOW = "slow"
    ERROR = "error"
    WRONG_RESULT = "wrong-result"
    LOCK = "lock"
    DEPENDENCY = "dependency"
    CONFIG = "config"
    DEPLOY = "deploy"
    CRASH = "crash"
    OVERLOAD = "overload"
    UNKNOWN = "unknown"
