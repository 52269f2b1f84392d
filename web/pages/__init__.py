"""The pages for people: home, upload, jobs, results, the model's facts."""

from web.pages import filters, home, job_changes, job_list, job_page, upload
from web.pages.blueprint import blueprint

__all__ = ["blueprint", "filters", "home", "job_changes", "job_list", "job_page", "upload"]
