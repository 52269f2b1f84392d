"""`GET /api/v1/me`: whose token this is."""

from typing import Any

from flask_smorest import Blueprint
from sqlalchemy import select

from shared.tables import users
from web.api.identity import caller, requires_caller
from web.api.schemas import CallerSchema, ProblemSchema
from web.context import current

blueprint = Blueprint("me", __name__, description="The caller")


@blueprint.route("/me", methods=["GET"])
@blueprint.response(200, CallerSchema)
@blueprint.alt_response(401, schema=ProblemSchema, description="No valid token.")
@requires_caller
def me() -> dict[str, Any]:
    """Tell whose token this is and whether it may write."""
    found = caller()
    with current().database.read() as connection:
        name = connection.execute(select(users.c.name).where(users.c.id == found.user_id)).scalar_one()
    return {"id": found.user_id, "name": name, "may_write": found.may_write}
