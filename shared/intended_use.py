"""What this system may be used for: one line, on every page and in every artefact."""

INTENDED_USE = (
    "For research and teaching only. Not a medical device; not for diagnosis, staging or treatment decisions."
)
