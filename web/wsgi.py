"""The web server's door: `gunicorn --config web/gunicorn.py web.wsgi:app`."""

from shared.logs import set_up_logging
from web import create_app

set_up_logging()
app = create_app()
