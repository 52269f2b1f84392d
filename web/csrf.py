"""Protection against forged requests: every form carries a token; programs carry a bearer token instead."""

from flask_wtf.csrf import CSRFProtect

csrf = CSRFProtect()
