"""What the system is: the first page, and the model's facts."""

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user

from shared.presence import live_processes
from web.context import current
from web.pages.blueprint import blueprint
from web.pages.model_facts import read_facts


@blueprint.get("/")
def home() -> ResponseReturnValue:
    """Say what the system does, how well, and where to begin."""
    live = None
    if current_user.is_authenticated:
        with current().database.read() as connection:
            live = live_processes(connection)
    return render_template("home.html", facts=read_facts(current().settings.model_dir), live_processes=live)


@blueprint.get("/model")
def model() -> ResponseReturnValue:
    """Show everything the model's contract says of it."""
    return render_template("model.html", facts=read_facts(current().settings.model_dir))
