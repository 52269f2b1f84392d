"""The admin's view of the audit log, newest entries first."""

from flask import render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from shared.errors import Invalid
from shared.tables import audit_log, users
from web.admin import admins_only, blueprint
from web.context import current

PAGE_LENGTH = 100


@blueprint.get("/audit")
@admins_only
def audit() -> ResponseReturnValue:
    """Show a page of the log; `before` is the number of the entry to go on from."""
    before = request.args.get("before", "")
    if before and not (before.isascii() and before.isdecimal() and len(before) < 19):
        raise Invalid("This page of the log does not exist.")
    query = (
        select(audit_log, users.c.name)
        .join(users, users.c.id == audit_log.c.user_id, isouter=True)
        .order_by(audit_log.c.seq.desc())
        .limit(PAGE_LENGTH + 1)
    )
    if before:
        query = query.where(audit_log.c.seq < int(before))
    with current().database.read() as connection:
        entries = connection.execute(query).all()
    shown = entries[:PAGE_LENGTH]
    older = shown[-1].seq if len(entries) > PAGE_LENGTH else None
    return render_template("audit.html", entries=shown, older=older, is_first=not before)
