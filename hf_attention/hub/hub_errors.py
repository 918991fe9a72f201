# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Errors of the Hub's client as one sentence each: what happened, and what the user can do."""

from collections.abc import Generator
from contextlib import contextmanager

from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError, LocalTokenNotFoundError


RETRY = "Nothing is half uploaded: run the command again to finish."


@contextmanager
def translate_hub_errors(repo_id: str) -> Generator[None]:
    """Turns exceptions of the client into an `OSError` that states the cause and the remedy."""
    try:
        yield
    except (HTTPError, LocalTokenNotFoundError, LocalEntryNotFoundError, ConnectionError, RuntimeError) as error:
        response = find_http_error(error)
        if response is None and isinstance(error, RuntimeError):
            raise
        raise OSError(explain(response or error, repo_id)) from error


def find_http_error(error: BaseException) -> HTTPError | None:
    """Returns the HTTP error among the causes of `error`: a failed transfer masks the HTTP response."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, HTTPError):
        cause = cause.__cause__ or cause.__context__
    return cause


def explain(error: Exception, repo_id: str) -> str:
    status = error.response.status_code if isinstance(error, HfHubHTTPError) and error.response is not None else None
    if isinstance(error, LocalTokenNotFoundError) or status == 401:
        return f"The Hub requires a valid token to write to {repo_id}. Log in (`hf auth login`), or set `HF_TOKEN`."
    if status == 403:
        return (
            f"The token may not write to {repo_id}: it is read-only, or the name belongs to another user. Use a token "
            "with write access, or name a repository of your own."
        )
    if status == 404:
        return f"{repo_id}, or the given revision, is not on the Hub, or is private and belongs to another user."
    if status == 412:
        return f"{repo_id} was modified by another push (or this push succeeded but its response was lost). {RETRY}"
    if status == 429:
        return f"The Hub limits the rate of requests (429). Wait some minutes. {RETRY}"
    if isinstance(error, HfHubHTTPError) and status is not None and status < 500:
        return f"The Hub refused ({status}): {error.server_message or error}. The repository is unchanged."
    reason = f"error {status}" if status else f"{type(error).__name__}: {error}"
    return f"The Hub did not confirm the upload to {repo_id} ({reason}). {RETRY}"
