"""What the reader's pages need: where images lie, under a role of its own."""

from alembic import op

revision = "0008"
down_revision = "0007"

# As in the first migration: roles are the server's, and another database may make them just now.
ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'nightread_previews') THEN
        CREATE ROLE nightread_previews NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$
"""

GRANTS = """
-- Where an image lies, and nothing of what was said of it: keys of objects are often names.
GRANT USAGE ON SCHEMA public TO nightread_previews;
GRANT SELECT ON alembic_version TO nightread_previews;
GRANT SELECT (id, study_uid, pseudonym) ON studies TO nightread_previews;
GRANT SELECT (id, bucket, key, etag, size, gone_at) ON objects TO nightread_previews;
GRANT SELECT (
    id, object_id, study_id, sop_instance_uid, laterality, view, verdict, is_mammography,
    member_method, member_offset, member_length, member_size, member_crc32
) ON instances TO nightread_previews;
"""


def upgrade() -> None:
    op.execute(ROLE)
    op.execute(GRANTS)
