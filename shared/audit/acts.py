"""What the audit log notes."""

from enum import StrEnum


class Act(StrEnum):
    """Something that a person did. The values are stored: never change one."""

    LOGIN = "login"
    LOGIN_REFUSED = "login_refused"
    LOGOUT = "logout"
    NAME_CHANGE = "name_change"
    PASSWORD_CHANGE = "password_change"
    PASSWORD_RESET = "password_reset"
    TOKEN_CREATE = "token_create"
    TOKEN_REVOKE = "token_revoke"
    USER_CREATE = "user_create"
    USER_DISABLE = "user_disable"
    USER_ENABLE = "user_enable"
    SUBMIT = "submit"
    VIEW = "view"
    DOWNLOAD = "download"
    CANCEL = "cancel"
    RETRY = "retry"
    DELETE = "delete"
