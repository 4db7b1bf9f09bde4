"""A reader's decision, from a page or a program: written down, or refused in one sentence."""

from sqlalchemy.exc import IntegrityError

from db import rounds
from db.reading import Decision, NotYours, UnknownStudy
from nightread.web.problems import Refusal
from nightread.web.security.guard import Access

NO_STUDY = "No study of this UID stands in the list."


def decide(access: Access, decision: Decision) -> rounds.Standing:
    """What stands then. Raises `Refusal`: 404, or 409 where it is not the reader's to decide now."""
    try:
        return rounds.decide(access.session, decision)
    except UnknownStudy:
        raise Refusal(404, NO_STUDY) from None
    except NotYours:
        raise Refusal(409, "Another reader has this study: take the next one.") from None
    except rounds.ImagesChanged:
        raise Refusal(
            409, "The study's images changed since it was shown: look at it again, then decide."
        ) from None
    except (rounds.AlreadyDecided, IntegrityError):
        raise Refusal(409, "This study is read, or your decision of it stands.") from None
