"""The Celery workers: claim, analyse, finish. Never loads Flask or torch."""
