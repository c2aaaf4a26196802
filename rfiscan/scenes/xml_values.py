"""Values of the XML files of a Sentinel-1 product, typed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from rfiscan.errors import SceneError

T = TypeVar("T")


@contextmanager
def whole_document(label: str, what: str) -> Iterator[None]:
    """Say of any damage that is met inside the block which file has it.

    Args:
        label: How messages call the file.
        what: What the file should be.

    Raises:
        SceneError: The file is no XML, or lacks a value, or holds one of the wrong type.
    """
    try:
        yield
    except (ParseError, DefusedXmlException, ValueError, OverflowError) as error:
        raise SceneError(f"{label}: is not a whole {what}: {error}", hint="Download the product again.") from error


def parse_xml(xml: bytes) -> Element:
    """Parse a document; entities and external references are refused.

    Raises:
        ParseError: It is no XML.
        DefusedXmlException: It defines entities.
    """
    root: Element = fromstring(xml)
    return root


def required(element: Element, path: str, convert: Callable[[str], T]) -> T:
    """Convert the text of an element.

    Args:
        element: Where to look.
        path: The element below it.
        convert: Makes a value of the text; may raise ValueError.

    Raises:
        ValueError: The element is absent or empty, or its text is no such value.
    """
    found = optional(element, path, convert)
    if found is None:
        msg = f"{path} is missing"
        raise ValueError(msg)
    return found


def optional(element: Element, path: str, convert: Callable[[str], T]) -> T | None:
    """Convert the text of an element; None where it is absent or empty.

    Raises:
        ValueError: The text is no such value.
    """
    text = element.findtext(path)
    if text is None or not text.strip():
        return None
    try:
        return convert(text.strip())
    except (ValueError, OverflowError) as error:
        msg = f"{path} is {text.strip()[:40]!r}"
        raise ValueError(msg) from error


def to_time(text: str) -> datetime:
    """Convert a time of the annotation: UTC, without a zone.

    Raises:
        ValueError: It is no such time.
    """
    time = datetime.fromisoformat(text.removesuffix("Z"))
    if time.tzinfo is not None:
        msg = f"{text!r} is a time with a zone"
        raise ValueError(msg)
    return time


def to_flag(text: str) -> bool:
    """Convert an XML Schema boolean.

    Raises:
        ValueError: It is none.
    """
    if text not in {"true", "false", "1", "0"}:
        msg = f"{text!r} is neither true nor false"
        raise ValueError(msg)
    return text in {"true", "1"}
