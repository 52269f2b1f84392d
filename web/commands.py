"""Chores for whoever runs the system: `flask --app web …`."""

from collections.abc import Callable
from typing import TypeVar

import click
from flask import Flask
from sqlalchemy import Connection

from shared.audit import Act, note
from shared.audit.chain import Link, verify
from shared.errors import ServiceError
from web.accounts import Account, create_user, ensure_first_admin, set_password, user_by_name
from web.context import current
from web.tokens import READ, WRITE, create_token

Result = TypeVar("Result")
PASSWORD = click.option(
    "--password", envvar="HEPAQ_PASSWORD", prompt=True, hide_input=True, confirmation_prompt=True,
    help="Better left out and typed, or given in HEPAQ_PASSWORD.",
)  # fmt: skip


def init_app(app: Flask) -> None:
    """Give the application its commands."""
    for command in (
        prepare_command,
        create_user_command,
        reset_password_command,
        create_token_command,
        verify_audit_command,
    ):
        app.cli.add_command(command)


@click.command("prepare")
def prepare_command() -> None:
    """Create or upgrade the tables, and make the first admin; its random password, if any, is printed this once."""
    # Here and not above: no web server needs Alembic in its memory.
    from shared.migrate import migrate

    context = current()
    migrate(context.settings.effective_database_url)
    password = ensure_first_admin(context.database, context.settings)
    if password:
        click.echo(f"Log in as admin with the one-time password {password}")


@click.command("create-user")
@click.argument("name")
@click.option("--admin", is_flag=True, help="May manage users.")
@PASSWORD
def create_user_command(name: str, admin: bool, password: str) -> None:
    """Create a user."""

    def work(connection: Connection) -> None:
        user_id = create_user(connection, name, password, is_admin=admin)
        note(connection, Act.USER_CREATE, user_id=None, object_id=user_id)

    attempt(work)
    click.echo(f"User {name} created.")


@click.command("reset-password")
@click.argument("name")
@PASSWORD
def reset_password_command(name: str, password: str) -> None:
    """Give a user another password and end their sessions."""

    def work(connection: Connection) -> None:
        user_id = known(connection, name).id
        set_password(connection, user_id, password)
        note(connection, Act.PASSWORD_RESET, user_id=None, object_id=user_id)

    attempt(work)
    click.echo(f"Password of {name} changed; all sessions ended.")


@click.command("create-token")
@click.argument("name")
@click.option("--scope", type=click.Choice([READ, WRITE]), default=WRITE, show_default=True)
@click.option("--label", default="command line", show_default=True, help="What the account page calls it.")
def create_token_command(name: str, scope: str, label: str) -> None:
    """Print a fresh API token of a user, and nothing else."""

    def work(connection: Connection) -> str:
        user_id = known(connection, name).id
        note(connection, Act.TOKEN_CREATE, user_id=None, object_id=user_id)
        return create_token(connection, user_id, name=label, scope=scope)

    click.echo(attempt(work))


@click.command("verify-audit")
@click.option("--expect", help="POSITION:SHA256 noted earlier; the log must still hold it.")
def verify_audit_command(expect: str | None) -> None:
    """Check that no entry of the audit log was changed, removed or put in later."""
    expected = None
    if expect:
        position, _, sha256 = expect.partition(":")
        if not position.isdecimal():
            raise click.BadParameter("give POSITION:SHA256 as this command printed it", param_hint="--expect")
        expected = Link(int(position), sha256)
    with current().database.read() as connection:
        verdict = verify(connection, expected)
    if verdict.broken_at is not None:
        raise click.ClickException(
            f"The audit log does not hold at position {verdict.broken_at}; it does up to {verdict.head}."
        )
    click.echo(f"The audit log holds: {verdict.head.position} entries, {verdict.waiting} more wait to be chained.")
    click.echo(f"Keep this elsewhere: {verdict.head}")


def known(connection: Connection, name: str) -> Account:
    """Return a user by name, or stop with a sentence."""
    row = user_by_name(connection, name)
    if row is None:
        raise click.ClickException(f"There is no user {name}.")
    return row


def attempt(work: Callable[[Connection], Result]) -> Result:
    """Run a chore in a transaction; what is refused ends it with a sentence."""
    try:
        return current().database.run(work)
    except ServiceError as error:
        raise click.ClickException(error.detail) from error
