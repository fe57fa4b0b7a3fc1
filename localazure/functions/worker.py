"""The Python worker of Azure Functions: Microsoft's own library loads the app and runs its functions.

In Azure the host speaks to the library over gRPC. Here it is called directly, in the host's process; the library needs
only the names and fields of the protobuf messages. It keeps its state in module globals, so a process can load one app.
Called by the listeners of ``triggers.py``.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from azure_functions_runtime import handle_event

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The library appends this to an import error; the reader of one line is better off without it.
_SEARCH_PATH: Final = re.compile(r"\.? Current sys\.path:.*", re.DOTALL)
_FRAME: Final = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')


class AppDidNotLoadError(RuntimeError):
    """The function app could not be imported or indexed. The message is the app's own error."""


@dataclass(frozen=True, slots=True)
class TypedData:
    """A value on its way to a function. Exactly one field is set."""

    string: str | None = None
    json: str | None = None
    bytes: bytes | None = None
    http: RpcHttp | None = None

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802  the name is protobuf's
        """Name the field that is set."""
        return next((name for name in ("string", "json", "bytes", "http") if getattr(self, name) is not None), None)


@dataclass(frozen=True, slots=True)
class RpcHttp:
    """A request on its way to a function, or its answer; of a request, ``status_code`` is not set."""

    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    body: TypedData | None = None
    status_code: str = ""
    cookies: list[object] | None = None
    enable_content_negotiation: bool = False


@dataclass(frozen=True, slots=True)
class ParameterBinding:
    """A parameter of a function, by name, and its value."""

    name: str
    data: TypedData

    def WhichOneof(self, _group: str) -> str:  # noqa: N802  the name is protobuf's
        """Name the field that is set: of the two that protobuf has, we never use shared memory."""
        return "data"


@dataclass(frozen=True, slots=True)
class RpcException:
    """An error of the app: ``message`` is ``TypeName: text``, ``stack_trace`` as Python prints it."""

    message: str
    stack_trace: str

    def told(self) -> str:
        """Say the error in one line, with the place where it arose."""
        text = " ".join(_SEARCH_PATH.sub("", self.message).split())
        frames = _FRAME.findall(self.stack_trace)
        if not frames:
            return text
        file, line, function = frames[-1]
        return f"{text} ({file}:{line} in {function})"


@dataclass(frozen=True, slots=True)
class StatusResult:
    """Whether a request to the worker went well."""

    Failure: ClassVar[int] = 0
    Success: ClassVar[int] = 1

    status: int
    exception: RpcException | None = None


@dataclass(frozen=True, slots=True)
class BindingInfo:
    """A binding as the library describes it to the host."""

    # Of the two enums, data type and direction, the members that the library asks for.
    undefined: ClassVar[int] = 0
    out: ClassVar[int] = 1
    inout: ClassVar[int] = 2

    type: str
    direction: int
    data_type: int | None = None


# Messages of which nobody asks more than their fields.
_PROTOS: Final = SimpleNamespace(
    BindingInfo=BindingInfo,
    FunctionMetadataResponse=SimpleNamespace,
    InvocationResponse=SimpleNamespace,
    ParameterBinding=ParameterBinding,
    RpcException=RpcException,
    RpcHttp=RpcHttp,
    RpcFunctionMetadata=SimpleNamespace,
    StatusResult=StatusResult,
    TypedData=TypedData,
    WorkerInitResponse=SimpleNamespace,
    WorkerMetadata=SimpleNamespace,
)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the app, with its bindings as they would stand in ``function.json``."""

    name: str
    function_id: str
    bindings: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a function is called with: the value of its trigger's parameter, and the trigger's metadata."""

    parameter: str
    data: TypedData
    metadata: Mapping[str, TypedData] = field(default_factory=dict)


async def load_app(app_directory: Path) -> tuple[Function, ...]:
    """Import ``function_app.py`` and list its functions.

    Raises:
        AppDidNotLoadError: with the app's own error in one line.
    """
    sys.path.insert(0, str(app_directory))
    request = _request(worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=str(app_directory)))
    _check((await handle_event.worker_init_request(request)).result)
    metadata = await handle_event.functions_metadata_request(_request(functions_metadata_request=None))
    if not metadata.function_metadata_results:
        message = f"{app_directory} has no function_app.py, or no function in it"
        raise AppDidNotLoadError(message)
    return tuple(
        Function(found.name, found.function_id, tuple(json.loads(binding) for binding in found.raw_bindings))
        for found in metadata.function_metadata_results
    )


@dataclass(frozen=True, slots=True)
class Ran:
    """How a function ended: with the error that it raised, or ``None`` where it went well, and what it returned."""

    error: RpcException | None
    returned: TypedData | None = None


async def invoke(function: Function, invocation: Invocation) -> Ran:
    """Run a function once."""
    request = _request(
        invocation_request=SimpleNamespace(
            invocation_id=str(uuid.uuid4()),
            function_id=function.function_id,
            input_data=[ParameterBinding(invocation.parameter, invocation.data)],
            trigger_metadata=dict(invocation.metadata),
            trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
    )
    answer = await handle_event.invocation_request(request)
    return Ran(answer.result.exception, getattr(answer, "return_value", None))


def _request(**body: object) -> SimpleNamespace:
    return SimpleNamespace(request=SimpleNamespace(**body), properties={"protos": _PROTOS, "host": "127.0.0.1"})


def _check(result: StatusResult) -> None:
    if result.exception is not None:
        raise AppDidNotLoadError(result.exception.told())
