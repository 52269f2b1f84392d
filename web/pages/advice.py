"""What to do about each refusal and failure, by its stable code. The sentence that says what happened comes with it."""

EXPORT_AGAIN = "Upload a new copy. If that fails too, export the slice as PNG."
SEND_SLICE = "The content counts, not the file's name. Single slices and CT volumes are taken; reports are not."
OURS = "Nothing is wrong with the scan. Run it again; if that fails too, tell your administrator the code."

ADVICE: dict[str, str] = {
    "file_missing": "Choose at least one file.",
    "file_empty": EXPORT_AGAIN,
    "bad_multipart": "Upload it again; the connection may have broken off.",
    "bad_upload": "Upload it again; the connection may have broken off.",
    "too_many_files": "Split the upload into smaller ones.",
    "too_large": "Send a picture with fewer pixels, or of a volume only the part that shows the liver.",
    "too_large_unpacked": "Export the volume again; as it is, it holds more than it says or than can be read.",
    "unsupported_type": SEND_SLICE,
    "scan_refused": SEND_SLICE,
    "unreadable_file": EXPORT_AGAIN,
    "truncated": EXPORT_AGAIN,
    "image_too_large": "Scale the picture down, or export the part that shows the liver.",
    "image_too_small": "Export the slice at its full size.",
    "unsupported_multiframe": "Export the slices, or the volumes of several phases, one by one.",
    "invalid_nifti": "Convert the series again, for instance with dcm2niix, to 16-bit integers in mm.",
    "invalid_archive": "Put the DICOM files of one series into a zip, and nothing else, without a password.",
    "mixed_series": "Put the slices of one series into a zip of their own.",
    "duplicate_slices": "Put the slices of one phase into a zip of their own.",
    "oblique": "Export the axial slices, not a reformatted plane.",
    "unsupported_transfer_syntax": "Choose Explicit VR Little Endian in your viewer or PACS, or export as PNG.",
    "invalid_dicom": "Export the slice again from the scanner's console or PACS, or send it as PNG.",
    "polyglot": "Export the slice again from the scanner's console or PACS; do not repair the file by hand.",
    "not_ct": "Choose a CT slice; MR, ultrasound and reports cannot be read.",
    "not_a_ct": "Choose a grey CT slice, not a photograph or a coloured screenshot.",
    "no_content": "Check the window that the slice was exported with, then export it again.",
    "input_missing": "Upload the scan again, then delete this job.",
    "storage_corrupt": "Upload the scan again, then delete this job, and tell your administrator.",
    "quota_jobs": "Wait until some of your jobs are done, then upload the rest.",
    "quota_bytes": "Delete jobs that you no longer need.",
    "too_many_requests": "Wait a moment, then try again.",
    "label_too_long": "Shorten the label.",
    "csrf": "Reload the page, log in if asked to, and upload again.",
    "not_authenticated": "Log in again, then upload again.",
    "must_change_password": "Choose a password of your own on the account page first.",
    "worker_lost": OURS,
    "poison": "Export the scan again, for instance as PNG; as it is, it stops every worker that tries it.",
    "database_unavailable": "Try again in a moment.",
    "storage_unavailable": "Try again in a moment.",
    "storage_full": "Tell your administrator that the storage is full.",
}


def advise(code: str) -> str:
    """Return what to do about a code."""
    return ADVICE.get(code, OURS)


# What a reader of a result should know, by the warning's code.
WARNINGS: dict[str, str] = {
    "unlike_ct": "This does not look like a CT slice with air around the body. It may be cropped, or be no CT at all.",
    "irregular_slices": "The slices are not equally far apart; some may be missing. So no millilitres are given, and "
    "the per cent counts each slice alike.",
    "burned_in_text": "There may be text in the picture. Make sure that it names no patient.",
}


def explain(warning: str) -> str:
    """Return a warning's code in words."""
    return WARNINGS.get(warning, warning.replace("_", " ").capitalize() + ".")
