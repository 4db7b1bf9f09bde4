"""Storing objects by C-STORE (PS3.4 B, PS3.7 9.1.1): one association for all of them."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydicom.uid import ExplicitVRLittleEndian

from mammo.reports import cad_sr, capture, gsps
from nightread.errors import Refused, ServiceError, UsageError
from nightread.export.objects import Exported
from nightread.settings import Settings

TIMEOUT_S = 30  # of the connection, of the association and of each answer
CLASSES = (cad_sr.SOP_CLASS, gsps.SOP_CLASS, capture.SOP_CLASS)
SUCCESS, WARNINGS = 0x0000, (0xB000, 0xB006, 0xB007)  # PS3.4 table B.2-1
OUT_OF_RESOURCES = range(0xA700, 0xA800)


@contextmanager
def opened(title: str, host: str, port: int, settings: Settings) -> Iterator[Any]:
    """What stores one object after the other in one association."""
    try:
        from pynetdicom import AE  # noqa: PLC0415 -- an extra
    except ImportError:
        raise UsageError(
            "--to AET@HOST:PORT needs pynetdicom: run `pip install 'nightread[export]'`."
        ) from None
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # its lines hold values
    entity = AE(ae_title=settings.dicom_aet)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = TIMEOUT_S
    entity.connection_timeout = TIMEOUT_S
    for sop_class in CLASSES:
        entity.add_requested_context(sop_class, ExplicitVRLittleEndian)
    where = f"The PACS {title} at {host}:{port}"
    association = entity.associate(host, port, ae_title=title)
    if not association.is_established:
        raise ServiceError(f"{where} {_why_not(association, settings.dicom_aet)}.")

    def send(item: Exported) -> None:
        assert item.dataset is not None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pydicom's texts hold values of the header
                status = association.send_c_store(item.dataset)
        except ValueError:  # no presentation context of this class
            raise Refused(f"{where} does not take objects such as {item.name}.") from None
        except RuntimeError:  # the association is gone
            raise ServiceError(f"{where} ended the association: see its log.") from None
        code = status.Status if "Status" in status else None
        if code is None:
            raise ServiceError(f"{where} gave no answer to {item.name}: see its log.")
        if code in OUT_OF_RESOURCES:
            raise ServiceError(f"{where} is out of resources (0x{code:04X}): try again later.")
        if code != SUCCESS and code not in WARNINGS:
            raise Refused(f"{where} did not take {item.name} (0x{code:04X}): see its log.")

    try:
        yield send
    finally:
        if association.is_established:
            association.release()


def _why_not(association: Any, ours: str) -> str:
    if association.is_rejected:
        return f"rejected the association: it must know the AE title {ours!r}"
    if association.is_aborted:
        return "could not be reached: check AE title, host and port, and that it runs"
    return "takes none of the objects that nightread makes"
