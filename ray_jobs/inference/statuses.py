"""What Triton's errors mean: for the request that got one, and for the server that sent it."""

from tritonclient.utils import InferenceServerException

# In a cluster; CVE-2025-23319: whoever reaches an older server can run code in it.
SAFE_VERSION = (2, 59)


def retryable(error: InferenceServerException) -> bool:
    """Whether the same request may succeed later: inference has no side effects.

    UNAVAILABLE is, but for refusals that stay; NOT_FOUND is while a model is reloaded, the server
    is shutting down or does not know our memory; a deadline and a dead python stub may be another
    server's luck.
    """
    status, text = str(error.status()), str(error.message())
    if "UNAVAILABLE" in status:
        return "restricted" not in text and "andshake" not in text
    if "NOT_FOUND" in status:
        return forgotten(error) or "no available versions" in text or "is not found" in text
    if "DEADLINE_EXCEEDED" in status:
        return True
    return "INTERNAL" in status and (sick(error) or "shared memory" in text)


def sick(error: InferenceServerException) -> bool:
    """A python stub is dead: the server itself goes on calling it ready, for ever."""
    return "not healthy" in str(error.message())


def late(error: InferenceServerException) -> bool:
    """Our deadline passed; the server goes on with the work."""
    return "DEADLINE_EXCEEDED" in str(error.status())


def overloaded(error: InferenceServerException) -> bool:
    """The queue is full or slow: nothing is wrong with the server."""
    text = str(error.message())
    return "maximum queue size" in text or "Request timeout expired" in text


def unreachable(error: InferenceServerException) -> bool:
    """Nobody answered at all, or not to the end."""
    text = str(error.message())
    return "UNAVAILABLE" in str(error.status()) and (
        "onnect" in text or "Socket closed" in text or "GOAWAY" in text
    )


def forgotten(error: InferenceServerException) -> bool:
    """The server does not know our shared memory: it was started anew since we told it."""
    return "Unable to find shared memory region" in str(error.message())


def unsafe(version: str) -> bool:
    """Whether a server of this version must not be reachable by others."""
    numbers = version.split(".")[:2]
    return not all(n.isdigit() for n in numbers) or tuple(map(int, numbers)) < SAFE_VERSION
