"""Who saw or did what, for auditors."""

from fastapi import APIRouter

from db import audit
from nightread.web.api import shapes
from nightread.web.api.guards import Auditing
from nightread.web.fields import AfterEntry, EntryLimit

router = APIRouter(prefix="/audit", tags=["audit"])


@router.get("")
def entries(access: Auditing, after: AfterEntry = 0, limit: EntryLimit = 100) -> shapes.AuditPage:
    """The entries behind one, the oldest first. That somebody looked at them is an entry too."""
    found = audit.entries(access.session, after, limit + 1)
    audit.note(access.session, access.principal.who, "viewed_audit", after=after)
    shown = found[:limit]
    return shapes.AuditPage(
        entries=[
            shapes.AuditEntryShape(
                id=entry.id,
                at=entry.at,
                who=entry.who,
                action=entry.action,
                study=entry.study,
                detail=entry.detail,
                before=entry.before,
                digest=entry.digest,
            )
            for entry in shown
        ],
        next=shown[-1].id if len(found) > limit else None,
    )
