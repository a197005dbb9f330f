"""How Discord says no."""

from typing import Any


class ApiError(Exception):
    """An HTTP error with Discord's code and sentence."""

    def __init__(self, status: int, code: int, message: str, **more: object) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "code": code, **more}


def unauthorized() -> ApiError:
    return ApiError(401, 0, "401: Unauthorized")


def unknown_route() -> ApiError:
    return ApiError(404, 0, "404: Not Found")


def invalid_form_body(field: str, code: str, message: str) -> ApiError:
    """A body whose field (``embeds.0.title``) breaks a rule."""
    errors: dict[str, Any] = {"_errors": [{"code": code, "message": message}]}
    for part in reversed(field.split(".")):
        errors = {part: errors}
    return ApiError(400, 50035, "Invalid Form Body", errors=errors)


def too_long(field: str, limit: int) -> ApiError:
    return invalid_form_body(field, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")


def unknown_entity(what: str) -> ApiError:
    codes = {"Channel": 10003, "Guild": 10004, "Member": 10007, "Message": 10008, "User": 10013, "Emoji": 10014}
    codes |= {"Webhook": 10015, "Interaction": 10062, "Application": 10002}
    return ApiError(400 if what == "Emoji" else 404, codes[what], f"Unknown {what}")


def empty_message() -> ApiError:
    return ApiError(400, 50006, "Cannot send an empty message")


def too_large() -> ApiError:
    return ApiError(413, 40005, "Request entity too large")


def missing_access() -> ApiError:
    return ApiError(403, 50001, "Missing Access")


def missing_permissions() -> ApiError:
    return ApiError(403, 50013, "Missing Permissions")


def blocked_by_automod() -> ApiError:
    return ApiError(400, 200000, "Message was blocked by automatic moderation")
