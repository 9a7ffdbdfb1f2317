"""kfp's own client, made patient and quiet: who we are to the server, its errors in one line, lists in full."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import kfp
import kfp_server_api
import urllib3
from kfp.client.set_volume_credentials import ServiceAccountTokenVolumeCredentials

from components.contracts.errors import ConflictError, EnvironmentProblem, InputError

IN_CLUSTER_HOST = "http://ml-pipeline.kubeflow:8888"
IN_CLUSTER_TOKEN = "/var/run/secrets/kubeflow/pipelines/token"  # noqa: S105 - where Kubernetes puts it
TIMEOUT_SECONDS = 60
PAUSES = (0.5, 1.0, 2.0, 4.0)  # between attempts of what may be asked twice, in seconds
BUSY = (429, 502, 503, 504)
PAGE = 100

AUTH_FORMS = "in-cluster, token-file:PATH, token-env:NAME, iap:CLIENT_ID, cookie-file:PATH, cookie-env:NAME or none"


class Kubeflow(kfp.Client):  # type: ignore[misc]
    """kfp's client; a request ends after a minute, and one that may be asked twice is, where the server is busy.

    Raises:
        InputError: ``auth`` isn't one of `AUTH_FORMS`, or names what isn't there. EnvironmentProblem: nobody answers.
    """

    def __init__(self, host: str = "", auth: str = "", namespace: str = "", ca_file: Path | None = None) -> None:
        chosen = _host(host, os.environ)
        self._silence = logging.NullHandler()
        logging.getLogger().addHandler(self._silence)  # without one, logging prints tracebacks of its own accord
        who = credentials(auth, os.environ)
        with warnings.catch_warnings(), speaking(chosen):
            warnings.simplefilter("ignore", FutureWarning)
            super().__init__(chosen, namespace=namespace or "kubeflow", ssl_ca_cert=ca_file and str(ca_file), **who)
        rest = self._run_api.api_client.rest_client  # shared by all of the client's services
        rest.request = _patient(rest.request)
        self.host = chosen

    def get_kfp_healthz(self, sleep_duration: int = 0) -> kfp_server_api.V2beta1GetHealthzResponse:
        """Asked once: kfp would ask five times, five seconds apart."""
        return self._healthz_api.healthz_service_get_healthz(_request_timeout=TIMEOUT_SECONDS)

    def log(self, run_id: str, node: str) -> str:
        """What a pod of a run printed. The server offers it beside its API, so kfp has no method for it."""
        path = "/apis/v1alpha1/runs/{run_id}/nodes/{node}/log"
        answer = self._run_api.api_client.call_api(
            path, "GET", {"run_id": run_id, "node": node}, [], {"Accept": "text/plain"},
            response_type="str", auth_settings=["Bearer"], _preload_content=False,
        )  # fmt: skip
        return bytes(answer.data).decode(errors="replace")


def credentials(auth: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of `kfp.Client` for one of `AUTH_FORMS`; empty: in-cluster where that token is mounted, else none.

    A token in a file is read again for every request, so a new one may take its place.
    """
    kind, _, value = (auth or ("in-cluster" if Path(IN_CLUSTER_TOKEN).is_file() else "none")).partition(":")
    if kind == "none":
        return {}
    if kind == "in-cluster":
        return {"credentials": ServiceAccountTokenVolumeCredentials(str(_existing(value or IN_CLUSTER_TOKEN)))}
    if kind == "iap" and value:
        return {"client_id": value}
    if kind == "token-file" and value:
        return {"credentials": ServiceAccountTokenVolumeCredentials(str(_existing(value)))}
    if kind == "cookie-file" and value:
        return {"cookies": _existing(value).read_text().strip()}
    if kind in ("token-env", "cookie-env") and value:
        if not environment.get(value):
            raise InputError(f"the environment variable {value} isn't set", fix="set it, or choose another --auth")
        return {"existing_token" if kind == "token-env" else "cookies": environment[value].strip()}
    raise InputError(f"--auth can't be {kind}", expected=AUTH_FORMS)  # a value after the colon may be a secret: it isn't told


@contextlib.contextmanager
def speaking(host: str) -> Iterator[None]:
    """Around calls to the server: kfp's own prints are dropped, and what it refuses is said in one line."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except kfp_server_api.ApiException as error:
        raise _refused(host, error) from error
    except urllib3.exceptions.HTTPError as error:
        reason = str(getattr(error, "reason", None) or error)
        raise EnvironmentProblem(
            f"Kubeflow Pipelines at {host} can't be reached", received=" ".join(reason.split())[:200],
            fix="check --host; `kubectl -n kubeflow port-forward svc/ml-pipeline 8888:8888` makes it http://localhost:8888",
        ) from error  # fmt: skip


def every(page_of: Callable[..., Any], field: str, **arguments: Any) -> Iterator[Any]:
    """All items of a list that the server gives in pages."""
    token = ""
    while True:
        page = page_of(page_token=token, page_size=PAGE, **arguments)
        yield from getattr(page, field) or ()
        token = page.next_page_token or ""
        if not token:
            return


def called(name: str) -> str:
    """The server's filter for items of one name."""
    return json.dumps({"predicates": [{"operation": 1, "key": "display_name", "stringValue": name}]})


def _host(host: str, environment: Mapping[str, str]) -> str:
    if not host and "KUBERNETES_SERVICE_HOST" in environment:
        return IN_CLUSTER_HOST
    if not host.startswith(("http://", "https://")):
        raise InputError(
            "where is Kubeflow Pipelines?", expected="--host http://… or https://…", received=host,
            fix="`kubectl -n kubeflow port-forward svc/ml-pipeline 8888:8888`, then --host http://localhost:8888",
        )  # fmt: skip
    return host.rstrip("/")


def _existing(path: str) -> Path:
    found = Path(path).expanduser()
    if not found.is_file():
        raise InputError(f"there is no file {found}", expected="one that --auth names", fix="check the path")
    return found


def _patient(request: Callable[..., Any]) -> Callable[..., Any]:
    def patient(method: str, url: str, **given: Any) -> Any:
        given["_request_timeout"] = given.get("_request_timeout") or TIMEOUT_SECONDS
        repeatable = method.upper() == "GET" or url.endswith((":enable", ":disable"))
        for pause in (*PAUSES, None):
            try:
                answer = request(method, url, **given)
            except kfp_server_api.ApiException as error:
                error.body = error.body or b""  # kfp decodes it, whatever it is
                if pause is None or not repeatable or error.status not in BUSY:
                    raise
                time.sleep(pause)
                continue
            break
        if "text/html" in (answer.getheader("content-type") or ""):
            login = kfp_server_api.ApiException(status=401, reason="the answer is a web page, as a login shows")
            login.body = b""
            raise login
        return answer

    return patient


def _refused(host: str, error: kfp_server_api.ApiException) -> Exception:
    told = " ".join(str(_message(error)).split())[:300]
    if error.status in (401, 403):
        return InputError(
            f"Kubeflow Pipelines at {host} refused who you are ({error.status})", expected=f"--auth {AUTH_FORMS}", received=told
        )
    if error.status == 409:
        return ConflictError(f"Kubeflow Pipelines at {host} holds that already", received=told, fix="run the command again")
    if error.status in (400, 404):
        return InputError(f"Kubeflow Pipelines at {host} refused the request ({error.status})", received=told)
    return EnvironmentProblem(f"Kubeflow Pipelines at {host} failed ({error.status})", received=told, fix="run the command again")


def _message(error: kfp_server_api.ApiException) -> Any:
    try:
        body = json.loads(error.body or "")
        return body.get("message") or body.get("error_message") or error.reason
    except (ValueError, AttributeError):
        return error.reason
