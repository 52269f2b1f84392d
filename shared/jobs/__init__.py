"""The life of a job: `queued → running → succeeded | failed | dead | cancelled`.

Every transition is one conditional UPDATE that names the state and the fence it expects, and one `job_events` row in
the same transaction. Zero rows changed means that somebody else owns the job now: the caller stops and writes nothing.
All functions take an open transaction and never commit.
"""
