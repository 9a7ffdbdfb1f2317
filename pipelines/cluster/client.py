"""kfp's own client, made patient and quiet.

Who we are to the server, its errors in one line, lists in full.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import ssl
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import kfp
import kfp_server_api
import urllib3
from google.auth.exceptions import GoogleAuthError
from kfp.client.token_credentials_base import TokenCredentialsBase

from components.shared.errors import ConflictError, EnvironmentProblem, InputError
from components.shared.serialization import json_object

IN_CLUSTER_HOST = "http://ml-pipeline.kubeflow:8888"
IN_CLUSTER_TOKEN = "/var/run/secrets/kubeflow/pipelines/token"  # noqa: S105 - where Kubernetes puts it
PROXY_CLIENT = "KF_PIPELINES_IAP_OAUTH2_CLIENT_ID"  # kfp reads it, and puts it before a token
TIMEOUT_SECONDS = 60
PAUSES = (0.5, 1.0, 2.0, 4.0)  # between attempts of what may be asked twice, in seconds
BUSY = (429, 502, 503, 504)
PAGE = 100
DEFAULT_NAMESPACE = "kubeflow"  # kfp's word for none in particular

_LOG_ERROR = '{"error_message":'

AUTH_FORMS = (
    "in-cluster, token-file:PATH, token-env:NAME, iap:CLIENT_ID, cookie-file:PATH, cookie-env:NAME"
    " or none"
)


class Kubeflow(kfp.Client):  # type: ignore[misc]
    """kfp's client.

    A request ends after a minute, and one that may be asked twice is, where the server is busy.

    Raises:
        InputError: ``auth`` isn't one of `AUTH_FORMS`, or names what isn't there; who answers isn't
            Kubeflow Pipelines; it has several users, and nothing says whose namespace is meant, or
            one user, and a namespace is given. EnvironmentProblem: nobody answers.
    """

    def __init__(
        self, host: str = "", auth: str = "", namespace: str = "", ca_file: Path | None = None
    ) -> None:
        chosen = _host(host, os.environ)
        self._silence = logging.NullHandler()
        logging.getLogger().addHandler(
            self._silence
        )  # without one, logging prints tracebacks of its own accord
        who = credentials(auth, os.environ)
        self._several_users: bool | None = None
        if ca_file:
            _require_certificates(ca_file)
        # Who signs in through a browser is told how by kfp.
        with (
            warnings.catch_warnings(),
            speaking(chosen, sys.stderr if "client_id" in who else None),
        ):
            warnings.simplefilter("ignore", FutureWarning)
            super().__init__(
                chosen,
                namespace=namespace or DEFAULT_NAMESPACE,
                ssl_ca_cert=ca_file and str(ca_file),
                **who,
            )
            several = (
                self.get_kfp_healthz().multi_user
                if self._several_users is None
                else self._several_users
            )
            _check_namespace(several, namespace, self.get_user_namespace())
        rest = self._run_api.api_client.rest_client  # shared by all of the client's services
        rest.request = _patient(rest.request)
        self.host = chosen

    def get_kfp_healthz(self, sleep_duration: int = 0) -> kfp_server_api.V2beta1GetHealthzResponse:
        """Whether Kubeflow has several users.

        Asked once: kfp would ask five times, five seconds apart.

        Raises:
            InputError: the answer isn't that of Kubeflow Pipelines, which always holds
                ``multi_user`` (KFP 2.17.0: backend/src/apiserver/main.go, healthzResponse).
        """
        host = self._healthz_api.api_client.configuration.host
        try:
            answer = self._healthz_api.healthz_service_get_healthz(
                _request_timeout=TIMEOUT_SECONDS, _preload_content=False
            )
        except kfp_server_api.ApiException as error:
            if error.status in (404, 405, 501):
                raise _not_kubeflow(host, f"HTTP {error.status}") from error
            raise
        several = json_object(answer.data).get("multi_user")
        if not isinstance(several, bool):
            raise _not_kubeflow(
                host, " ".join(answer.data.decode(errors="replace").split())[:100] or "nothing"
            )
        self._several_users = several
        return kfp_server_api.V2beta1GetHealthzResponse(multi_user=several)

    def set_user_namespace(self, namespace: str) -> None:
        """For this client alone.

        kfp would write it into the home folder, for every later command.
        """
        self._context_setting["namespace"] = namespace.strip()

    def manifest(self, run_id: str) -> str:
        """Argo's workflow of a run, as JSON; empty where the server doesn't give it.

        Only v1beta1 of the API has it.
        """
        try:
            answer = self._ask("/apis/v1beta1/runs/{run_id}", "application/json", run_id=run_id)
        except kfp_server_api.ApiException as error:
            if error.status in (401, 403, *BUSY):
                raise
            return ""
        runtime = json_object(answer).get("pipeline_runtime")
        return str(runtime.get("workflow_manifest") or "") if isinstance(runtime, dict) else ""

    def log(self, run_id: str, pod: str) -> str:
        """Return what a pod of a run printed, or printed before it was removed.

        The server offers it beside its API, so kfp has no method for it.

        Raises:
            MissingLogError: the server has none. It says so with status 200 and an error in the
                place of the text (KFP 2.17.0: backend/src/apiserver/server/run_log_server.go).
        """
        text = self._ask(
            "/apis/v1alpha1/runs/{run_id}/nodes/{pod}/log", "text/plain", run_id=run_id, pod=pod
        ).decode(errors="replace")
        printed, mark, rest = text.rpartition(_LOG_ERROR)
        problem = json_object(mark + rest) if mark else {}
        if "error_details" not in problem:
            return text
        if printed:
            return printed
        raise MissingLogError(" ".join(str(problem["error_message"]).split()))

    def _ask(self, path: str, accept: str, **parts: str) -> bytes:
        answer = self._run_api.api_client.call_api(
            path,
            "GET",
            parts,
            [],
            {"Accept": accept},
            response_type="str",
            auth_settings=["Bearer"],
            _preload_content=False,
        )
        return bytes(answer.data)


class MissingLogError(Exception):
    """The server has nothing that a pod printed: neither the pod is there, nor an archived log."""


def credentials(auth: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of `kfp.Client` for one of `AUTH_FORMS`.

    Empty: in-cluster where that token is mounted, else none.

    A token in a file is read again for every request, so a new one may take its place.
    """
    proxy = environment.get(PROXY_CLIENT, "")
    kind, _, value = (
        auth
        or (
            f"iap:{proxy}"
            if proxy
            else "in-cluster"
            if Path(IN_CLUSTER_TOKEN).is_file()
            else "none"
        )
    ).partition(":")
    if kind == "iap" and value:
        return {"client_id": value}
    if proxy:
        raise InputError(
            f"kfp puts {PROXY_CLIENT}, which is set, before --auth {kind}",
            fix="unset it, or leave --auth out",
        )
    if kind == "none":
        return {}
    if kind == "in-cluster":
        return {"credentials": _TokenFile(_existing(value or IN_CLUSTER_TOKEN))}
    if kind == "token-file" and value:
        return {"credentials": _TokenFile(_existing(value))}
    if kind == "cookie-file" and value:
        return {"cookies": _line(_existing(value).read_text(errors="replace"), value)}
    if kind in ("token-env", "cookie-env") and value:
        if not environment.get(value):
            raise InputError(
                f"the environment variable {value} isn't set",
                fix="set it, or choose another --auth",
            )
        return {
            "existing_token" if kind == "token-env" else "cookies": _line(
                environment[value], f"the environment variable {value}"
            )
        }
    raise InputError(
        f"--auth can't be {kind}", expected=AUTH_FORMS
    )  # a value after the colon may be a secret: it isn't told


class _TokenFile(TokenCredentialsBase):  # type: ignore[misc]
    """A bearer token in a file, read for every request."""

    def __init__(self, path: Path) -> None:
        self._path = path
        _line(path.read_text(errors="replace"), str(path))

    def refresh_api_key_hook(self, config: Any) -> None:
        config.api_key["authorization"] = _line(
            self._path.read_text(errors="replace"), str(self._path)
        )


@contextlib.contextmanager
def speaking(host: str, prints: TextIO | None = None) -> Iterator[None]:
    """Around calls to the server: what it refuses is said in one line.

    kfp's own prints are dropped, or go to ``prints``.
    """
    try:
        with contextlib.redirect_stdout(prints or io.StringIO()):
            yield
    except GoogleAuthError as error:
        raise InputError(
            "Google's Identity-Aware Proxy can't be told who you are",
            received=" ".join(str(error).split())[:200],
            fix=(
                "set GOOGLE_APPLICATION_CREDENTIALS, or sign in as a person: `emotion submit"
                " --help` names the variables"
            ),
        ) from error
    except kfp_server_api.ApiException as error:
        raise _refused(host, error) from error
    except urllib3.exceptions.HTTPError as error:
        reason = str(getattr(error, "reason", None) or error)
        raise EnvironmentProblem(
            f"Kubeflow Pipelines at {host} can't be reached",
            received=" ".join(reason.split())[:200],
            fix=(
                "check --host; `kubectl -n kubeflow port-forward svc/ml-pipeline 8888:8888` makes"
                " it http://localhost:8888"
            ),
        ) from error


def every(page_of: Callable[..., Any], field: str, **arguments: Any) -> Iterator[Any]:
    """All items of a list that the server gives in pages."""
    token = ""
    while True:
        page = page_of(page_token=token, page_size=PAGE, **arguments)
        yield from getattr(page, field) or ()
        token = page.next_page_token or ""
        if not token:
            return


def called(name: str, field: str = "display_name") -> str:
    """Return the server's filter for items of one name."""
    return json.dumps({"predicates": [{"operation": 1, "key": field, "stringValue": name}]})


def _host(host: str, environment: Mapping[str, str]) -> str:
    if not host and "KUBERNETES_SERVICE_HOST" in environment:
        return IN_CLUSTER_HOST
    if not host.startswith(("http://", "https://")):
        raise InputError(
            "where is Kubeflow Pipelines?",
            expected="--host http://… or https://…",
            received=host,
            fix=(
                "`kubectl -n kubeflow port-forward svc/ml-pipeline 8888:8888`, then --host"
                " http://localhost:8888"
            ),
        )
    return host.rstrip("/")


def _check_namespace(several_users: bool, given: str, in_force: str) -> None:
    if several_users and not in_force:
        raise InputError(
            "this Kubeflow has several users", expected="--namespace, that of your profile"
        )
    if not several_users and given not in ("", DEFAULT_NAMESPACE):
        raise InputError(
            "this Kubeflow has one user, and its runs are where it is installed",
            expected="no --namespace",
            received=given,
            fix="leave it out: Kubeflow Pipelines would ignore it",
        )


def _not_kubeflow(host: str, received: str) -> InputError:
    return InputError(
        f"who answers at {host} isn't Kubeflow Pipelines, or a login stands before it",
        expected="multi_user in its answer to /healthz",
        received=received,
        fix="check --host; behind a login, --auth says who you are",
    )


def _existing(path: str) -> Path:
    found = Path(path).expanduser()
    if not found.is_file():
        raise InputError(
            f"there is no file {found}", expected="one that --auth names", fix="check the path"
        )
    return found


def _line(text: str, where: str) -> str:
    """Return a token or a cookie; it isn't shown where it is refused."""
    line = text.strip()
    if not (line and line.isascii() and line.isprintable()):
        raise InputError(
            f"{where} holds no token or cookie", expected="one line of printable characters"
        )
    return line


def _require_certificates(path: Path) -> None:
    try:
        ssl.create_default_context(cafile=str(path))
    except OSError as error:
        raise InputError(
            f"{path} holds no certificates",
            expected="a PEM file",
            received=str(error),
            fix="check --ca-file",
        ) from error


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
            login = kfp_server_api.ApiException(
                status=401, reason="the answer is a web page, as a login shows"
            )
            login.body = b""
            raise login
        return answer

    return patient


def _refused(host: str, error: kfp_server_api.ApiException) -> Exception:
    told = " ".join(str(_message(error)).split())[:300]
    if error.status in (401, 403):
        return InputError(
            f"Kubeflow Pipelines at {host} refused who you are ({error.status})",
            expected=f"--auth {AUTH_FORMS}",
            received=told,
            fix=(
                "a token or session that hasn't run out"
                if error.status == 401
                else "rights in that namespace, or another --namespace"
            ),
        )
    if error.status == 409:
        return ConflictError(
            f"Kubeflow Pipelines at {host} holds that already",
            received=told,
            fix="run the command again",
        )
    if error.status in (400, 404):
        return InputError(
            f"Kubeflow Pipelines at {host} refused the request ({error.status})", received=told
        )
    return EnvironmentProblem(
        f"Kubeflow Pipelines at {host} failed ({error.status})",
        received=told,
        fix="run the command again",
    )


def _message(error: kfp_server_api.ApiException) -> Any:
    try:
        body = json.loads(error.body or "")
        return body.get("message") or body.get("error_message") or error.reason
    except (ValueError, AttributeError):
        return error.reason
