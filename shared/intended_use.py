"""The line that every page and every artefact carries."""

INTENDED_USE = (
    "For research and teaching only. Not a medical device; not for diagnosis, staging or treatment decisions."
)
