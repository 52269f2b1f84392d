"""What the system is: the first page, and the model's facts."""

from flask import abort, render_template, send_from_directory
from flask.typing import ResponseReturnValue
from flask_login import current_user

from shared.presence import live_processes
from web.context import current
from web.pages.blueprint import blueprint
from web.pages.evaluation import FOLDER, is_plot, read_evaluation
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
    """Show what the model's contract says of it, and what its evaluation found."""
    folder = current().settings.model_dir
    facts = read_facts(folder)
    evaluation = read_evaluation(folder, facts.contract.get("sha256", "")) if facts else None
    return render_template("model.html", facts=facts, evaluation=evaluation)


@blueprint.get("/model/plots/<name>")
def model_plot(name: str) -> ResponseReturnValue:
    """Send a plot of the evaluation."""
    if not is_plot(name):
        abort(404)
    return send_from_directory((current().settings.model_dir / FOLDER).absolute(), name, max_age=3600)
