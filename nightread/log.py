"""Logs: structured, on standard error, without anything that says who a patient is.

Only `nightread.log` configures logging. Events are constants, values are pseudonyms, codes,
counts and durations. The libraries' own loggers are held at WARNING, and pydicom's at ERROR:
its warnings quote values of the data set.
"""

import logging
import sys
from typing import Literal

import structlog


def configure(log_format: Literal["console", "json"]) -> None:
    """Once for a process."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        # A person at a terminal reads the account; a log collector wants the events too.
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.INFO if log_format == "json" else logging.WARNING
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, force=True)
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    logging.captureWarnings(capture=True)
    logging.getLogger("py.warnings").setLevel(logging.CRITICAL)
