"""A server with the rules of Kubeflow Pipelines' API (v2beta1, and v1beta1's runs), as far as the emotion command speaks it.

Names of pipelines, of a pipeline's versions and of experiments are unique (409). Recurring runs and
runs may share a name. Lists come in pages of ten at most, with a token that is good for the same
question alone. Times are whole seconds. A recurring run can be created, enabled, disabled and
deleted, but never changed. What a request must not hold is refused (400). `KfpServer.fire` stands
for the scheduled-workflow controller. Files that are named are those of Kubeflow Pipelines 2.17.0,
below backend/src.
"""

from __future__ import annotations

import email.parser
import email.policy
import json
import re
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

import yaml

from tests.pipelines.kfp_backend import recurring

PAGE = 10
CODES = {400: 3, 401: 16, 404: 5, 405: 12, 409: 6, 503: 14}
RECURRING_FIELDS = {
    "display_name",
    "description",
    "experiment_id",
    "mode",
    "pipeline_version_reference",
    "runtime_config",
    "trigger",
    "max_concurrency",
    "no_catchup",
    "service_account",
}
RUN_FIELDS = {
    "display_name",
    "description",
    "experiment_id",
    "pipeline_version_reference",
    "runtime_config",
    "service_account",
}
FINAL_STATES = {"SUCCEEDED", "FAILED", "SKIPPED", "CANCELED"}
LIST_QUERY = {"page_token", "page_size", "sort_by", "filter", "namespace"}


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class KfpServer:
    """Its state.

    ``before`` is called with method and path ahead of every request, and may wait, refuse or kill.

    Attributes:
        requests: method and path of each. authorized: says of the headers whether they name
            somebody.
        enabled_counts: how many recurring runs were enabled after each change of one.
        manifests: workflow of each run, as the persistence agent reported it last. logs: what the
            pods that are there printed.
        archived: logs in the object store, by key. terminated: called with the id of a run that is
            to end.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.pipelines: list[dict[str, Any]] = []
        self.versions: list[dict[str, Any]] = []
        self.experiments: list[dict[str, Any]] = []
        self.recurring: list[dict[str, Any]] = []
        self.schedules: dict[str, recurring.Schedule] = {}
        self.runs: list[dict[str, Any]] = []
        self.uploads: dict[str, str] = {}
        self.parameters: dict[str, dict[str, Any]] = {}
        self.manifests: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, str] = {}
        self.archived: dict[str, str] = {}
        self.terminated: Callable[[str], None] = lambda run_id: None
        self.tokens: dict[str, tuple[str, int]] = {}
        self.requests: list[tuple[str, str]] = []
        self.enabled_counts: list[int] = []
        self.multi_user = False
        self.authorized: Callable[[Any], bool] = lambda headers: True
        self.before: Callable[[str, str], None] = lambda method, path: None
        self.now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
        self.zone = ZoneInfo("UTC")
        self.url = ""

    def answer(
        self, method: str, path: str, query: dict[str, str], body: bytes, headers: Any
    ) -> Any:
        with self.lock:
            self.requests.append((method, path))
        self.before(method, path)
        if not self.authorized(headers):
            raise Refused(401, "no credentials")
        if match := re.fullmatch(r"/apis/v1alpha1/runs/([^/]+)/nodes/([^/]+)/log", path):
            return self._log(match[1], match[2])
        if match := re.fullmatch(r"/apis/v1beta1/runs/([^/]+)", path):
            return self._run_v1(match[1])
        if not path.startswith("/apis/v2beta1/"):
            raise Refused(404, f"no such path {path}")
        with self.lock:
            return self._route(method, path.removeprefix("/apis/v2beta1/"), query, body, headers)

    def _route(
        self, method: str, path: str, query: dict[str, str], body: bytes, headers: Any
    ) -> Any:
        given = json.loads(body) if body and "json" in (headers.get("content-type") or "") else {}
        match method, path.split("/"):
            case "GET", ["healthz"]:
                return {"multi_user": self.multi_user}
            case "POST", ["pipelines"]:
                return self._create_unique(
                    self.pipelines,
                    "pipeline_id",
                    given,
                    ("namespace",),
                    {"name", "description", "namespace"},
                )
            case "GET", ["pipelines"]:
                return self._page("pipelines", self.pipelines, query)
            case "POST", ["pipelines", "upload_version"]:
                return self._upload(query, body, headers)
            case "GET", ["pipelines", pipeline_id, "versions"]:
                self._found(self.pipelines, "pipeline_id", pipeline_id)
                of_it = [
                    version for version in self.versions if version["pipeline_id"] == pipeline_id
                ]
                return self._page("pipeline_versions", of_it, query)
            case "POST", ["experiments"]:
                return self._create_unique(
                    self.experiments,
                    "experiment_id",
                    given,
                    ("namespace",),
                    {"description", "namespace"},
                )
            case "GET", ["experiments"]:
                return self._page("experiments", self.experiments, query)
            case "POST", ["recurringruns"]:
                return self._create_recurring(given)
            case "GET", ["recurringruns"]:
                return self._page("recurringRuns", self.recurring, query)
            case "POST", ["recurringruns", which] if which.endswith((":enable", ":disable")):
                return self._switch(*which.split(":"))
            case "POST", ["runs"]:
                return self._create_run(given)
            case "GET", ["runs"]:
                return self._page("runs", self.runs, query)
            case "GET", ["runs", run_id]:
                return self._found(self.runs, "run_id", run_id)
            case "POST", ["runs", which] if which.endswith(":terminate"):
                return self._terminate(which.removesuffix(":terminate"))
        raise Refused(405 if method in ("PUT", "PATCH") else 404, f"{method} /{path} isn't served")

    def _create_unique(
        self,
        among: list[dict[str, Any]],
        key: str,
        given: dict[str, Any],
        scope: tuple[str, ...],
        allowed: set[str],
        unique: str = "display_name",
    ) -> dict[str, Any]:
        _only(given, {"display_name", *allowed})
        name = given.get(unique)
        if not name:
            raise Refused(400, "the name is empty")
        if given.get("namespace") and not self.multi_user:
            raise Refused(400, "in single-user mode the namespace must be empty")
        if self.multi_user and key == "experiment_id" and not given.get("namespace"):
            raise Refused(400, "with several users an experiment needs a namespace")
        if any(
            other[unique] == name and all(other.get(part) == given.get(part) for part in scope)
            for other in among
        ):
            raise Refused(409, f"the name {name} already exists")
        made = {key: str(uuid.uuid4()), **given, "created_at": self._time()}
        among.append(made)
        return made

    def _upload(self, query: dict[str, str], body: bytes, headers: Any) -> dict[str, Any]:
        _only(query, {"name", "display_name", "pipelineid", "description"})
        pipeline = self._found(self.pipelines, "pipeline_id", query.get("pipelineid", ""))
        text = _uploaded(headers.get("content-type") or "", body)
        documents = list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        if (
            not documents
            or "pipelineInfo" not in documents[0]
            or not all("platforms" in other for other in documents[1:])
        ):
            raise Refused(400, "the file holds no pipeline")
        given = {field: query.get(field, "") for field in ("name", "display_name", "description")}
        given["display_name"] = (
            given["display_name"] or given["name"]
        )  # backend/src/apiserver/server/pipeline_upload_server.go
        made = self._create_unique(
            self.versions,
            "pipeline_version_id",
            {**given, "pipeline_id": pipeline["pipeline_id"]},
            ("pipeline_id",),
            {"name", "description", "pipeline_id"},
            unique="name",
        )
        self.uploads[made["pipeline_version_id"]] = text
        self.parameters[made["pipeline_version_id"]] = documents[0]["root"]["inputDefinitions"][
            "parameters"
        ]
        return made

    def _create_recurring(self, given: dict[str, Any]) -> dict[str, Any]:
        _only(given, RECURRING_FIELDS)
        self._refer(given)
        if not given.get("display_name"):
            raise Refused(400, "Recurring run's name cannot be empty")
        cron = given.get("trigger", {}).get("cron_schedule", {}).get("cron", "")
        _admit(recurring.check_recurring, cron, int(given.get("max_concurrency", 0)))
        status = {"ENABLE": "ENABLED", "DISABLE": "DISABLED"}[given["mode"]]
        made = {
            "recurring_run_id": str(uuid.uuid4()),
            **given,
            "status": status,
            "created_at": self._time(),
        }
        self.recurring.append(made)
        self.schedules[made["recurring_run_id"]] = recurring.Schedule(
            recurring.resource_name(given["display_name"], made["recurring_run_id"][:5]),
            cron,
            given.get("runtime_config", {}).get("parameters", {}),
            self.now().replace(microsecond=0),
            int(given["max_concurrency"]),
            bool(given.get("no_catchup")),
        )
        self._count()
        return made

    def fire(self) -> list[dict[str, Any]]:
        """Start the runs that are due now, one of each schedule, as the scheduled-workflow controller does."""
        with self.lock:
            return [made for one in self.recurring if (made := self._fire(one))]

    def _fire(self, one: dict[str, Any]) -> dict[str, Any] | None:
        schedule = self.schedules[one["recurring_run_id"]]
        schedule.enabled = one["status"] == "ENABLED"
        own = [run for run in self.runs if run.get("recurring_run_id") == one["recurring_run_id"]]
        active = sum(run["state"] not in FINAL_STATES for run in own)
        fired = schedule.fire(self.now(), active, self.zone)
        if fired is None:
            return None
        fields = (
            "experiment_id",
            "pipeline_version_reference",
            "runtime_config",
            "service_account",
        )
        made = {
            **{field: one[field] for field in fields if field in one},
            "run_id": str(uuid.uuid4()),
            "display_name": fired[0],
            "recurring_run_id": one["recurring_run_id"],
            "state": "PENDING",
            "created_at": self._time(),
            "scheduled_at": _stamp(fired[1]),
        }
        self.runs.append(made)
        return made

    def _switch(self, recurring_run_id: str, wish: str) -> dict[str, Any]:
        found = self._found(self.recurring, "recurring_run_id", recurring_run_id)
        found["status"] = f"{wish.upper()}D"
        self._count()
        return {}

    def _create_run(self, given: dict[str, Any]) -> dict[str, Any]:
        _only(given, RUN_FIELDS)
        self._refer(given)
        if not given.get("display_name"):
            raise Refused(400, "The run name is empty. Please specify a valid name")
        made = {
            "run_id": str(uuid.uuid4()),
            **given,
            "state": "PENDING",
            "created_at": self._time(),
        }
        self.runs.append(made)
        return made

    def report(self, run_id: str, workflow: dict[str, Any]) -> None:
        """Take what the persistence agent tells of a run's workflow (ReportWorkflowResource in apiserver/resource/resource_manager.go).

        Tasks are written from uncompressed nodes alone (reportTasksFromExecution in
        apiserver/server/report_server.go): a workflow whose nodes are compressed leaves them as
        they stood.
        """
        run = self._found(self.runs, "run_id", run_id)
        phase, finished = workflow["status"].get("phase", ""), workflow["status"].get("finishedAt")
        ended = phase in ("Succeeded", "Failed", "Error")
        terminating = workflow["spec"].get("activeDeadlineSeconds") == 0 and not ended
        run["state"] = "CANCELING" if terminating else _state(phase)
        run["finished_at"] = finished or "1970-01-01T00:00:00Z"
        self.manifests[run_id] = workflow
        tasks = {
            task["task_id"]: task for task in run.get("run_details", {}).get("task_details", ())
        }
        tasks |= {task["task_id"]: task for task in _task_details(run_id, workflow)}
        if tasks:
            run["run_details"] = {"task_details": list(tasks.values())}

    def _run_v1(self, run_id: str) -> dict[str, Any]:
        """toApiRunDetailV1 in apiserver/server/api_converter.go.

        The manifest is text in the answer.
        """
        run = self._found(self.runs, "run_id", run_id)
        manifest = json.dumps(self.manifests[run_id]) if run_id in self.manifests else ""
        return {
            "run": {"id": run_id, "name": run["display_name"]},
            "pipeline_runtime": {"workflow_manifest": manifest},
        }

    def _log(self, run_id: str, pod: str) -> str:
        """ReadLog in apiserver/resource/resource_manager.go.

        From the pod, else from the archive, whose key stands in the nodes.

        Its status is sent before it is read (apiserver/server/run_log_server.go), so a failure is a
        text with status 200.
        """
        if pod in self.logs:
            return self.logs[pod]
        manifest = self.manifests.get(run_id, {"metadata": {"name": "none"}, "status": {}})
        nodes = [
            node
            for node in manifest["status"].get("nodes", {}).values()
            if pod == pod_name(manifest, node)
        ]
        artifacts = [
            artifact
            for node in nodes
            for artifact in node.get("outputs", {}).get("artifacts", ())
            if artifact["name"] == "main-logs"
        ]
        key = (
            artifacts[0]["s3"]["key"]
            if artifacts
            else f"/artifacts/{manifest['metadata']['name']}/{pod}/main.log"
        )
        if key in self.archived:
            return self.archived[key]
        message = (
            f"Failed to read logs for run {run_id}: Failed to read logs from archive {pod} due to"
            " error fetching the log file"
        )
        return json.dumps(
            {"error_message": message, "error_details": f"{message}: NotFound"},
            separators=(",", ":"),
        )

    def _terminate(self, run_id: str) -> dict[str, Any]:
        """TerminateRun in apiserver/storage/run_store.go and resource/resource_manager.go."""
        run = self._found(self.runs, "run_id", run_id)
        if run["state"] not in ("PENDING", "RUNNING", "PAUSED"):
            raise Refused(400, f"Failed to terminate a run {run_id}. Row not found")
        run["state"] = "CANCELING"
        self.terminated(run_id)
        return {}

    def _refer(self, given: dict[str, Any]) -> None:
        self._found(self.experiments, "experiment_id", given.get("experiment_id", ""))
        reference = given.get("pipeline_version_reference", {})
        version = self._found(
            self.versions, "pipeline_version_id", reference.get("pipeline_version_id", "")
        )
        if version["pipeline_id"] != reference.get("pipeline_id"):
            raise Refused(400, "the version is another pipeline's")
        known = self.parameters[version["pipeline_version_id"]]
        _admit(
            recurring.check_parameters, known, given.get("runtime_config", {}).get("parameters", {})
        )

    def _page(
        self, field: str, items: list[dict[str, Any]], query: dict[str, str]
    ) -> dict[str, Any]:
        _only(query, LIST_QUERY | {"experiment_id"})
        if (
            self.multi_user
            and "pipeline" not in field
            and not (query.get("namespace") or query.get("experiment_id"))
        ):
            raise Refused(400, "with several users a list needs a namespace or an experiment")
        question = json.dumps(
            [
                field,
                query.get("filter"),
                query.get("namespace"),
                query.get("experiment_id"),
                query.get("sort_by"),
            ]
        )
        chosen = [item for item in items if _matches(item, query)]
        if query.get("sort_by") == "created_at desc":
            chosen = sorted(chosen, key=lambda item: item["created_at"], reverse=True)
        start = 0
        if token := query.get("page_token"):
            asked, start = self.tokens.get(token, ("", 0))
            if asked != question:
                raise Refused(400, "the page token is another question's")
        size = min(int(query.get("page_size") or PAGE), PAGE)
        page: dict[str, Any] = {field: chosen[start : start + size], "total_size": len(chosen)}
        if start + size < len(chosen):
            page["next_page_token"] = uuid.uuid4().hex
            self.tokens[page["next_page_token"]] = (question, start + size)
        return page

    def _found(self, among: list[dict[str, Any]], key: str, value: str) -> dict[str, Any]:
        for item in among:
            if item[key] == value:
                return item
        raise Refused(404, f"there is no {key} {value!r}")

    def _count(self) -> None:
        self.enabled_counts.append(sum(one["status"] == "ENABLED" for one in self.recurring))

    def _time(self) -> str:
        return _stamp(self.now())


def _stamp(time: datetime) -> str:
    return f"{time.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def _admit(check: Callable[..., None], *given: Any) -> None:
    try:
        check(*given)
    except recurring.Refused as error:
        raise Refused(400, str(error)) from error


def pod_name(workflow: dict[str, Any], node: dict[str, Any]) -> str:
    """The name of a node's pod (RetrievePodName in backend/src/common/util/workflow.go)."""
    return f"{workflow['metadata']['name']}-{node['templateName']}-{node['id'].rpartition('-')[2]}"


def _state(phase: str) -> str:
    """ToV2 in apiserver/model/run.go."""
    return {"Error": "FAILED", "Omitted": ""}.get(
        phase, phase.upper()
    )  # unspecified is left out of an answer


def _task_details(run_id: str, workflow: dict[str, Any]) -> list[dict[str, Any]]:
    """What is told of each node (NodeStatuses in common/util/workflow.go, toModelTask and toApiPipelineTaskDetail in api_converter.go).

    Neither its pod's name nor its message nor its own id; ``child_tasks`` hold Argo's ids of nodes.
    """
    return [
        {
            "run_id": run_id,
            "task_id": str(uuid.uuid5(uuid.NAMESPACE_OID, run_id + node["id"])),
            "display_name": node["displayName"],
            "create_time": workflow["metadata"]["creationTimestamp"],
            "start_time": node.get("startedAt") or "0001-01-01T00:00:00Z",
            "end_time": node.get("finishedAt") or "0001-01-01T00:00:00Z",
            "state": _state(node["phase"]),
            "child_tasks": [{"pod_name": child} for child in node.get("children", ())],
        }
        for node in workflow["status"].get("nodes", {}).values()
    ]


def _matches(item: dict[str, Any], query: dict[str, str]) -> bool:
    if query.get("experiment_id") not in (None, item.get("experiment_id")):
        return False
    for predicate in json.loads(query.get("filter") or "{}").get("predicates", ()):
        if predicate["operation"] != 1:
            raise Refused(400, "only EQUALS is served here")
        if item.get(predicate["key"]) != predicate["stringValue"]:
            return False
    return True


def _only(given: Any, allowed: set[str]) -> None:
    unknown = set(given) - allowed
    if unknown:
        raise Refused(400, f"unknown field {sorted(unknown)[0]}")


def _uploaded(content_type: str, body: bytes) -> str:
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body
    )
    parts = {
        part.get_param("name", header="content-disposition"): part for part in message.iter_parts()
    }
    if set(parts) != {"uploadfile"}:
        raise Refused(400, f"expected the part uploadfile, received {sorted(map(str, parts))}")
    return str(parts["uploadfile"].get_payload(decode=True).decode())


class Handler(BaseHTTPRequestHandler):
    state: KfpServer

    def _serve(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            answer = self.state.answer(self.command, unquote(url.path), query, body, self.headers)
            status = 200
        except Refused as error:
            status, answer = (
                error.status,
                {"code": CODES.get(error.status, 13), "message": str(error), "error": str(error)},
            )
        text = isinstance(answer, str)
        content = (answer if text else json.dumps(answer)).encode()
        kind = (
            "text/html"
            if text and answer.startswith("<html")
            else "text/plain"
            if text
            else "application/json"
        )
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            return  # the client was killed meanwhile

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def serving(
    tls: ssl.SSLContext | None = None, state: KfpServer | None = None
) -> Iterator[KfpServer]:
    """The server on a port of its own, until the end of the block."""
    state = state or KfpServer()
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), type("OfOneTest", (Handler,), {"state": state})
    ) as server:
        server.daemon_threads = True
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        state.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
