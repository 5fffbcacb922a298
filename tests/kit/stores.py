"""Little strict servers that speak the trace stores' APIs over real HTTP, and remember what stands in them."""

from __future__ import annotations

import base64
import re
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TRACE, SPAN = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{16}")


@dataclass
class Stores:
    """All of them in one: `traces` and `spans` are those that are stored; `next` are answers to give first."""

    traces: set[str] = field(default_factory=set)
    spans: set[str] = field(default_factory=set)
    langfuse: dict[str, dict[str, Any]] = field(default_factory=dict)
    mlflow: dict[str, dict[str, Any]] = field(default_factory=dict)
    phoenix: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    langsmith: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: list[dict[str, Any]] = field(default_factory=list)
    hooks: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # what a strict server would not take
    next: deque[Response] = field(default_factory=deque)
    deaf: bool = False  # takes a new MLflow assessment in, and then answers 502

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/langfuse/api/public/scores", self._score, methods=["POST"]),
                Route("/langfuse/api/public/scores/{id}", self._no_score, methods=["DELETE"]),
                Route("/mlflow/api/3.0/mlflow/traces/{trace}", self._trace, methods=["GET"]),
                Route("/mlflow/api/3.0/mlflow/traces/{trace}/assessments", self._assess, methods=["POST"]),
                Route("/mlflow/api/3.0/mlflow/traces/{trace}/assessments/{id}", self._assessment, methods=["PATCH", "DELETE"]),
                Route("/phoenix/v1/span_annotations", self._annotate, methods=["POST"]),
                Route("/phoenix/v1/trace_annotations", self._annotate, methods=["POST"]),
                Route("/phoenix/v1/projects/shop/{what}_annotations", self._no_annotation, methods=["DELETE"]),
                Route("/langsmith/feedback", self._feedback, methods=["POST"]),
                Route("/langsmith/feedback/{id}", self._one_feedback, methods=["PATCH", "DELETE"]),
                Route("/otlp/v1/logs", self._logs, methods=["POST"]),
                Route("/hook", self._hook, methods=["POST"]),
            ]
        )

    def _before(self, request: Request, authorization: str | None = None) -> Response | None:
        self.calls.append(f"{request.method} {request.url.path}")
        if self.next:
            return self.next.popleft()
        if authorization is not None and request.headers.get("authorization") != authorization:
            return JSONResponse({"message": "who is asking?"}, status_code=401)
        return None

    def _refuse(self, why: str) -> Response:
        self.wrong.append(why)
        return JSONResponse({"detail": why}, status_code=422)

    async def _score(self, request: Request) -> Response:
        if (answer := self._before(request, "Basic " + base64.b64encode(b"pk-lf-1:sk-lf-secret").decode())) is not None:
            return answer
        body = await request.json()
        if body["dataType"] != "BOOLEAN" or body["value"] not in (0, 1) or isinstance(body["value"], bool) or not body["traceId"] or not uuid.UUID(body["id"]):
            return self._refuse(f"langfuse: {body}")
        self.langfuse[body["id"]] = body
        return JSONResponse({"id": body["id"]})

    async def _no_score(self, request: Request) -> Response:
        if (answer := self._before(request, "Basic " + base64.b64encode(b"pk-lf-1:sk-lf-secret").decode())) is not None:
            return answer
        known = self.langfuse.pop(request.path_params["id"], None)
        return JSONResponse({"message": "done"}, status_code=202 if known else 404)

    async def _trace(self, request: Request) -> Response:
        if (answer := self._before(request)) is not None:
            return answer
        found = [each for each in self.mlflow.values() if each["trace_id"] == request.path_params["trace"]]
        return JSONResponse({"trace": {"trace_info": {"trace_id": request.path_params["trace"], "assessments": found}}})

    async def _assess(self, request: Request) -> Response:
        if (answer := self._before(request)) is not None:
            return answer
        trace, given = request.path_params["trace"], (await request.json())["assessment"]
        if trace.removeprefix("tr-") not in self.traces:
            return JSONResponse({"error_code": "RESOURCE_DOES_NOT_EXIST"}, status_code=404)
        if given["source"]["source_type"] != "HUMAN" or not isinstance(given["feedback"]["value"], bool) or given["trace_id"] != trace:
            return self._refuse(f"mlflow: {given}")
        made = {**given, "assessment_id": f"a-{uuid.uuid4().hex}"}
        self.mlflow[made["assessment_id"]] = made
        if self.deaf:
            self.deaf = False
            return Response(status_code=502)
        return JSONResponse({"assessment": made})

    async def _assessment(self, request: Request) -> Response:
        if (answer := self._before(request)) is not None:
            return answer
        known = self.mlflow.get(request.path_params["id"])
        if known is None:
            return JSONResponse({"error_code": "RESOURCE_DOES_NOT_EXIST"}, status_code=404)
        if request.method == "DELETE":
            del self.mlflow[request.path_params["id"]]
            return JSONResponse({})
        body = await request.json()
        for name in body["update_mask"].split(","):
            known[name] = {**known.get("metadata", {}), **body["assessment"]["metadata"]} if name == "metadata" else body["assessment"][name]
        return JSONResponse({"assessment": known})

    async def _annotate(self, request: Request) -> Response:
        if (answer := self._before(request, "Bearer px-key")) is not None:
            return answer
        what = "span" if "span_annotations" in request.url.path else "trace"
        [given] = (await request.json())["data"]
        about = given[f"{what}_id"]
        if request.query_params.get("sync") != "true" or given["annotator_kind"] != "HUMAN" or not (SPAN if what == "span" else TRACE).fullmatch(about):
            return self._refuse(f"phoenix: {given}")
        if about not in (self.spans if what == "span" else self.traces):
            return JSONResponse({"detail": f"Spans with IDs {about} do not exist."}, status_code=404)
        self.phoenix[about, given["name"], given["identifier"]] = given
        return JSONResponse({"data": [{"id": "1"}]})

    async def _no_annotation(self, request: Request) -> Response:
        if (answer := self._before(request, "Bearer px-key")) is not None:
            return answer
        asked = request.query_params
        if asked.get("delete_all") != "true" or not asked.get("identifier") or not asked.get("name"):
            return self._refuse(f"phoenix: unbounded {asked}")
        self.phoenix = {key: each for key, each in self.phoenix.items() if (key[1], key[2]) != (asked["name"], asked["identifier"])}
        return Response(status_code=204)

    async def _feedback(self, request: Request) -> Response:
        if (answer := self._before(request)) is not None:
            return answer
        body = await request.json()
        if request.headers.get("x-api-key") != "ls-key" or not uuid.UUID(body["run_id"]) or body["score"] not in (0.0, 1.0):
            return self._refuse(f"langsmith: {body}")
        if body["id"] in self.langsmith:
            return JSONResponse({"detail": "exists"}, status_code=409)
        self.langsmith[body["id"]] = body
        return JSONResponse(body)

    async def _one_feedback(self, request: Request) -> Response:
        if (answer := self._before(request)) is not None:
            return answer
        known = self.langsmith.get(request.path_params["id"])
        if known is None:
            return JSONResponse({"detail": "unknown"}, status_code=404)
        if request.method == "DELETE":
            del self.langsmith[request.path_params["id"]]
        else:
            known.update(await request.json())
        return JSONResponse({})

    async def _logs(self, request: Request) -> Response:
        if (answer := self._before(request, "Bearer otel-key")) is not None:
            return answer
        asked = ExportLogsServiceRequest.FromString(await request.body())
        for record in asked.resource_logs[0].scope_logs[0].log_records:
            told = {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in record.attributes}
            self.logs.append({"event": record.event_name, "trace": record.trace_id.hex(), "span": record.span_id.hex(), **told})
        return Response(b"", media_type="application/x-protobuf")

    async def _hook(self, request: Request) -> Response:
        if (answer := self._before(request)) is not None:
            return answer
        self.hooks.append((dict(request.headers), await request.body()))
        return Response(status_code=204)
