"""Writes docs/messages.md and docs/asyncapi.json from the message structs.

`python -m server.protocol_doc` writes both; a test checks that they are up to date.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from server import (
    flow_messages,
    limit_messages,
    messages,
    model_messages,
    protocol,
    resume_messages,
)
from server.messages import SERVER_NAME, VERSION, Event
from server.protocol import Request

DOCS = Path(__file__).resolve().parent.parent / "docs"

REF = "#/components/schemas/{name}"

HEAD = """\
# Messages

Made from the structs in `server/messages.py`, `server/limit_messages.py`,
`server/model_messages.py`, `server/resume_messages.py`, `server/flow_messages.py` and
`server/protocol.py` by
`python -m server.protocol_doc`. How they are used: [protocol.md](protocol.md). The same, for
tools: [asyncapi.json](asyncapi.json) (AsyncAPI 3).

Fields marked *optional* may be left out (requests) or are left out when they have nothing to say
(events). `request_id` is text of the client's choice, at most 256 characters, echoed in the answer
and in every error that answers the message. What changes something for all in a session
(`config_updated`, `recording_state`) carries it to all of them.
"""


def control_requests() -> tuple[type[Request], ...]:
    """Requests of the control port."""
    return protocol.CONTROL_REQUESTS


def audio_requests() -> tuple[type[Request], ...]:
    """Requests of the audio port."""
    return protocol.AUDIO_REQUESTS


def events() -> tuple[type[Event], ...]:
    """Every event, in the order of their definition."""
    return tuple(value for value in _structs() if issubclass(value, Event))


def parts() -> tuple[type[msgspec.Struct], ...]:
    """What events hold: objects that are no messages."""
    return tuple(value for value in _structs() if not issubclass(value, Event))


def _structs() -> list[type[msgspec.Struct]]:
    """What is defined for events, in the order of definition."""
    return [
        value
        for module in (
            messages,
            limit_messages,
            model_messages,
            resume_messages,
            flow_messages,
        )
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, msgspec.Struct)
        and value is not Event
        and value.__module__ == module.__name__
    ]


_TAGS = {event.__name__: str(event.__struct_config__.tag) for event in events()}


def messages_markdown() -> str:
    """The reference of all messages."""
    written = [HEAD]
    for title, structs in (
        ("Requests on the control port", control_requests()),
        ("Requests on the audio port", audio_requests()),
        ("First message of a connection that promised one", protocol.FIRST_REQUESTS),
        ("Events", events()),
    ):
        written.append(f"## {title}\n")
        written += [_section(str(s.__struct_config__.tag), s) for s in structs]
    written.append("## Objects in events\n")
    written += [_section(struct.__name__, struct) for struct in parts()]
    return "\n".join(written)


def _section(name: str, struct: type[msgspec.Struct]) -> str:
    lines = [f"### `{name}`\n", f"{inspect.getdoc(struct)}\n"]
    fields = [f for f in msgspec.structs.fields(struct) if not _is_echo(struct, f.name)]
    if fields:
        lines += ["| field | type | |", "|---|---|---|"]
        lines += [f"| `{f.encode_name}` | {_type_name(f.type)} | {_note(f)} |" for f in fields]
        lines.append("")
    return "\n".join(lines)


def _is_echo(struct: type[msgspec.Struct], name: str) -> bool:
    return name == "request_id" and issubclass(struct, Request)


def _note(field: msgspec.structs.FieldInfo) -> str:
    text = str(msgspec.json.schema(field.type).get("description", ""))
    if field.required:
        return text
    if field.default is msgspec.UNSET:
        return f"{text}; optional"
    return f"{text}; `{json.dumps(field.default)}` unless given"


def _type_name(kind: Any) -> str:
    schema = msgspec.json.schema(kind)
    return _schema_name(schema, schema.get("$defs", {}))


def _schema_name(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_schema_name(each, definitions) for each in schema["anyOf"])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if "enum" in definitions[name]:
            return _schema_name(definitions[name], definitions)
        heading = _TAGS.get(name, name)
        return f"[{heading}](#{heading.lower()})"
    if schema.get("type") == "array":
        return f"array of {_schema_name(schema.get('items', {}), definitions)}"
    return str(schema.get("type", "object"))


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3 document of both ports."""
    structs = {*control_requests(), *audio_requests(), *protocol.FIRST_REQUESTS, *events()}
    ordered = sorted(structs, key=lambda struct: struct.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=REF)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": SERVER_NAME, "version": VERSION},
        "servers": {
            "control": {"host": "localhost:8765", "protocol": "ws"},
            "audio": {"host": "localhost:8766", "protocol": "ws"},
        },
        "channels": {
            "control": _channel("control", (*_sent("control"), *events())),
            "audio": _channel("audio", (*_sent("audio"), *events())),
        },
        "operations": {
            "sendControl": _operation("send", "control", _sent("control")),
            "receiveControl": _operation("receive", "control", events()),
            "sendAudio": _operation("send", "audio", _sent("audio")),
            "receiveAudio": _operation("receive", "audio", events()),
        },
        "components": {
            "schemas": schemas,
            "messages": {struct.__name__: _message(struct) for struct in ordered},
        },
    }


def _sent(port: str) -> tuple[type[Request], ...]:
    """What clients send to a port, the first message included."""
    requests = control_requests() if port == "control" else audio_requests()
    return (*requests, *protocol.FIRST_REQUESTS)


def _channel(server: str, structs: tuple[type[msgspec.Struct], ...]) -> dict[str, Any]:
    return {
        "address": "/",
        "servers": [{"$ref": f"#/servers/{server}"}],
        "messages": {
            struct.__name__: {"$ref": f"#/components/messages/{struct.__name__}"}
            for struct in structs
        },
    }


def _operation(
    action: str, channel: str, structs: tuple[type[msgspec.Struct], ...]
) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [
            {"$ref": f"#/channels/{channel}/messages/{struct.__name__}"} for struct in structs
        ],
    }


def _message(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        "name": struct.__struct_config__.tag,
        "contentType": "application/json",
        "summary": (inspect.getdoc(struct) or "").splitlines()[0],
        "payload": {"$ref": REF.format(name=struct.__name__)},
    }


def documents() -> dict[str, str]:
    """File name to content, as they should stand in docs/."""
    return {
        "messages.md": messages_markdown(),
        "asyncapi.json": json.dumps(asyncapi(), indent=1, ensure_ascii=False) + "\n",
    }


def main() -> None:
    """Write both documents."""
    for name, text in documents().items():
        (DOCS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
