"""The options of the server: where it listens, who may ask, and its limits."""

from dataclasses import dataclass

from charrnn.config import between, one_of
from charrnn.dataset.vocabulary import POLICIES
from charrnn.errors import ConfigError


@dataclass(frozen=True)
class ServerOptions:
    """Validated when they are made: raises `ConfigError` for values out of range."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0: any that is free."""
    api_key: str | None = None
    """What a request must have as its bearer token; None: everyone may ask."""
    batch_size: int = 64
    """The most texts that are drawn side by side with one model; more wait."""
    queue: int = 256
    """The most texts that wait; a request for more is refused."""
    max_tokens: int = 10_000
    """The most characters of a text that a request may ask for."""
    max_body: int = 1 << 20
    """The most bytes of a request's body."""
    timeout: float = 300.0
    """The most seconds that an answer may take, and with it the body of its request."""
    drain: float = 30.0
    """The most seconds for the answers that have begun when the server is asked to stop."""
    unknown: str = "error"
    """What to do with characters that a model has never seen: see `Vocabulary.replace_unknown`."""

    def __post_init__(self) -> None:
        between("port", self.port, 0, 65535)
        between("batch_size", self.batch_size, 1, 4096)
        between("queue", self.queue, 0, 1 << 20)
        between("max_tokens", self.max_tokens, 1, 2**31)
        between("max_body", self.max_body, 1024, 2**31)
        between("timeout", self.timeout, 0.1, 86_400)
        between("drain", self.drain, 0, 86_400)
        one_of("unknown", self.unknown, POLICIES)
        key = self.api_key
        if key is not None and not (key and key.isascii() and key.isprintable() and key == key.strip()):
            raise ConfigError("api_key must be of printable ASCII characters, without spaces around them", "api_key")
