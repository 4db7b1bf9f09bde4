"""Keyed pseudonyms: what stands for a patient, a study or an object key outside identity.

Keyed, since plain hashes of patient numbers, birth dates and UIDs are reversed by trying.
"""

import base64
import hashlib
import hmac

_BITS = 128
# Numbers that many patients share must not merge them.
_SHARED_IDS = frozenset({"", "0", "UNKNOWN", "ANON", "ANONYMOUS", "NONE", "NULL", "N/A", "TEST"})


def is_shared(patient_id: str) -> bool:
    """Whether a Patient ID is empty, or one that many patients have."""
    number = patient_id.strip().upper()
    return number in _SHARED_IDS or not number.strip("0")


class Pseudonyms:
    """Pseudonyms under one key. The key is a secret: keep it out of logs and workers."""

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("A pseudonym key needs at least 16 bytes.")
        self._key = key

    def patient(self, patient_id: str, issuer: str, study_uid: str) -> str:
        """`p_…` of a Patient ID under its issuer.

        An empty or obviously shared ID gives one of the study's own: it must not join patients.
        """
        if is_shared(patient_id):
            return self._of("p_", "study", study_uid)
        return self._of("p_", issuer.strip().upper(), patient_id.strip().upper())

    def study(self, study_uid: str) -> str:
        """`s_…` of a Study Instance UID."""
        return self._of("s_", study_uid)

    def trait(self, study_uid: str, name: str, value: str) -> str | None:
        """`t_…` of a birth date or a sex; None of an empty one.

        It says whether two images of a study agree, and nothing across studies.
        """
        stated = value.strip().upper()
        return self._of("t_", study_uid, name, stated) if stated else None

    def object(self, bucket: str, key: str) -> str:
        """`o_…` of an object's key."""
        return self._of("o_", bucket, key)

    def _of(self, prefix: str, *parts: str) -> str:
        digest = hmac.digest(self._key, "\0".join(parts).encode(), hashlib.sha256)
        return prefix + base64.b32encode(digest[: _BITS // 8]).decode().rstrip("=").lower()
