"""All pages."""

from fastapi import APIRouter

from nightread.web.pages import images, overview, study, worklist

router = APIRouter()
for part in (worklist, study, images, overview):
    router.include_router(part.router)
