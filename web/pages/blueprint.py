"""The blueprint that the pages' modules hang their views on."""

from flask import Blueprint

blueprint = Blueprint("pages", __name__)
