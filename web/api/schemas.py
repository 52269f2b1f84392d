"""The forms of what the API says and takes, as the OpenAPI document shows them."""

from marshmallow import Schema, fields, validate

from shared.jobs.states import Phase, Status

MAX_IDS = 200


class ProblemSchema(Schema):
    """A refusal (RFC 9457); `code` is stable and listed in docs/api.md."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    code = fields.String(required=True)
    request_id = fields.String(required=True)
    errors = fields.Raw(metadata={"description": "Which file or field; for uploads a list of index, code, detail."})


class JobErrorSchema(Schema):
    """Why a job did not succeed, or why it had to be tried again."""

    code = fields.String(required=True)
    detail = fields.String(required=True)


class LesionSchema(Schema):
    """One connected part of the tumor. Lengths in mm are null where the file gives no pixel spacing.

    Of a volume, box, area, centre and diameters are those of the slice where it is longest.
    """

    id = fields.Integer(required=True)
    bbox = fields.List(fields.Integer(), required=True, metadata={"description": "x, y, width, height in px"})
    area_px = fields.Integer(required=True)
    area_mm2 = fields.Float(required=True, allow_none=True)
    centroid = fields.List(fields.Float(), required=True, metadata={"description": "x, y in px"})
    longest_diameter_px = fields.Float(required=True)
    short_axis_px = fields.Float(required=True)
    longest_diameter_mm = fields.Float(required=True, allow_none=True)
    short_axis_mm = fields.Float(required=True, allow_none=True)
    confidence = fields.Float(required=True)
    slice = fields.Integer(metadata={"description": "of a volume: where it is longest, counted from 1"})
    first_slice = fields.Integer()
    last_slice = fields.Integer()
    bbox_by_slice = fields.List(
        fields.List(fields.Integer()), metadata={"description": "its box in each slice from the first to the last"}
    )
    voxels = fields.Integer()
    volume_ml = fields.Float(allow_none=True)


class ModelSchema(Schema):
    """The network that made a result."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    sha256 = fields.String(required=True)


class ResultSummarySchema(Schema):
    """A result in lists."""

    tumor_detected = fields.Boolean(required=True)
    confidence = fields.Float(required=True)
    stage = fields.String(required=True, allow_none=True)
    stage_rule = fields.String(required=True)
    affected_percent = fields.Float(required=True, allow_none=True)
    lesion_count = fields.Integer(required=True)
    scope = fields.String(required=True, validate=validate.OneOf(["slice", "volume"]))
    slice_count = fields.Integer(required=True)


class ResultSchema(ResultSummarySchema):
    """A whole result. Areas of a volume are those of the slice that is shown."""

    intended_use = fields.String(required=True)
    lesions = fields.List(fields.Nested(LesionSchema), required=True)
    stage_note = fields.String(required=True)
    liver_area_px = fields.Integer(required=True)
    tumor_area_px = fields.Integer(required=True)
    liver_area_mm2 = fields.Float(required=True, allow_none=True)
    tumor_area_mm2 = fields.Float(required=True, allow_none=True)
    width_px = fields.Integer(required=True)
    height_px = fields.Integer(required=True)
    spacing_mm = fields.List(fields.Float(), required=True, allow_none=True)
    calibrated = fields.Boolean(required=True)
    liver_volume_ml = fields.Float(required=True, allow_none=True)
    tumor_volume_ml = fields.Float(required=True, allow_none=True)
    shown_slice = fields.Integer(metadata={"description": "of a volume: that with most tumor, else with most liver"})
    slice_distance_mm = fields.Float(allow_none=True)
    liver_voxels = fields.Integer()
    tumor_voxels = fields.Integer()
    liver_px_by_slice = fields.List(fields.Integer())
    tumor_px_by_slice = fields.List(fields.Integer())
    warnings = fields.List(fields.String(), required=True)
    model = fields.Nested(ModelSchema, required=True)
    code_version = fields.String(required=True)
    input_sha256 = fields.String(required=True)
    mask_sha256 = fields.String(required=True)
    preprocessing = fields.Dict(required=True)
    seconds = fields.Dict(keys=fields.String(), values=fields.Float(), required=True)


class SubmissionSchema(Schema):
    """The upload a job came with."""

    id = fields.String(required=True)
    index = fields.Integer(required=True)
    count = fields.Integer(required=True)


class LinksSchema(Schema):
    """Where to go from a job. Pictures are there once it succeeded."""

    self = fields.String(required=True)
    page = fields.String(required=True)
    original = fields.String(required=True)
    cancel = fields.String(required=True)
    retry = fields.String(required=True)
    mask = fields.String()
    overlay = fields.String()
    preview = fields.String()
    thumbnail = fields.String()
    probability = fields.String()
    uncertainty = fields.String()
    mask_nifti = fields.String()


class JobStatusSchema(Schema):
    """How a job stands."""

    id = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf([s.value for s in Status]))
    phase = fields.String(required=True, allow_none=True, validate=validate.OneOf([*(p.value for p in Phase), None]))
    progress = fields.Integer(required=True, metadata={"description": "per cent"})
    cancel_requested = fields.Boolean(required=True)


class JobSummarySchema(JobStatusSchema):
    """A job in lists."""

    attempt = fields.Integer(required=True)
    label = fields.String(required=True, allow_none=True)
    format = fields.String(required=True)
    size_bytes = fields.Integer(required=True)
    submission = fields.Nested(SubmissionSchema, required=True)
    created_at = fields.String(required=True)
    started_at = fields.String(required=True, allow_none=True)
    finished_at = fields.String(required=True, allow_none=True)
    error = fields.Nested(JobErrorSchema, required=True, allow_none=True)
    result = fields.Nested(ResultSummarySchema, required=True, allow_none=True)
    links = fields.Nested(LinksSchema, required=True)


class JobSchema(JobSummarySchema):
    """A whole job."""

    position = fields.Integer(
        required=True, allow_none=True, metadata={"description": "place in the queue, 1 is next; at most 1001"}
    )
    result = fields.Nested(ResultSchema, required=True, allow_none=True)


class JobListSchema(Schema):
    """A page of jobs, newest first."""

    jobs = fields.List(fields.Nested(JobSummarySchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class JobStatusesSchema(Schema):
    """How jobs stand, in no order."""

    jobs = fields.List(fields.Nested(JobStatusSchema), required=True)


class AcceptedSchema(Schema):
    """What an upload became; for a single scan the job's own fields stand here too."""

    jobs = fields.List(fields.Nested(JobSummarySchema), required=True)


def ids_field(*, required: bool) -> fields.Field:
    """Return the field that names many jobs."""
    return fields.String(
        required=required,
        validate=validate.Length(max=MAX_IDS * 27),
        metadata={"description": f"up to {MAX_IDS} ids, comma-separated; other filters do not apply"},
    )


class JobStatusQuerySchema(Schema):
    """Which jobs to ask for."""

    ids = ids_field(required=True)


class JobQuerySchema(Schema):
    """Which jobs to list."""

    status = fields.String(validate=validate.OneOf([s.value for s in Status]))
    label = fields.String(validate=validate.Length(max=80))
    ids = ids_field(required=False)
    cursor = fields.String(validate=validate.Length(equal=26))
    limit = fields.Integer(load_default=50, validate=validate.Range(min=1, max=100))


class CallerSchema(Schema):
    """Who the token belongs to."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    may_write = fields.Boolean(required=True)
