"""Files of a public bucket, read over plain HTTPS: listed, fetched, and checked by size and MD5.

The protocol is that of Amazon S3 (ListObjectsV2 and GET), without an account. Any server that
speaks it will do, so tests put one of their own in its place.
"""

import hashlib
import re
import threading
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from helpers.files import DISK_FULL

__all__ = ["ENDPOINT", "ObjectMissing", "ObjectStore", "StoreError", "StoredObject"]

ENDPOINT = "https://s3.amazonaws.com"  # the one that idc-index uses

_ATTEMPTS = 4  # of a file whose bytes do not come whole
_TIMEOUT = (20, 60)  # seconds: to connect, between two packets
_PIECE = 2**20  # bytes
_PLAIN_MD5 = re.compile(r"[0-9a-f]{32}")  # files sent in parts have another kind of ETag


class StoreError(RuntimeError):
    """The store cannot be reached, or does not give what it lists; trying later may help."""


class ObjectMissing(StoreError):
    """The store answers, and does not have the file; trying again will not help."""


@dataclass(frozen=True)
class StoredObject:
    """One file in a bucket: its name there, its bytes, and its MD5 if the store tells it."""

    bucket: str
    key: str
    size: int
    md5: str | None


class ObjectStore:
    """A store of public buckets at one address.

    Parameters
    ----------
    endpoint : str
        Its address; buckets are folders below it.
    wait : float
        Seconds before the second attempt at a request; doubled at each further one.
    """

    def __init__(self, endpoint: str = ENDPOINT, *, wait: float = 1.0) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._retry = Retry(
            total=5,
            backoff_factor=wait,
            status_forcelist=(429, 500, 502, 503, 504),
            raise_on_status=False,
        )
        self._of_thread = threading.local()  # a session is not made for several threads

    def find(self, url: str) -> list[StoredObject]:
        """List the files below an address of the form ``s3://bucket/prefix/*``.

        Raises
        ------
        StoreError
            If the store cannot be reached or the answer makes no sense.
        ObjectMissing
            If there is no such file.
        """
        match = re.fullmatch(r"s3://([^/]+)/(.+?)\*?", url)
        if not match:
            raise ValueError(f"expected an address such as s3://bucket/folder/*, got {url!r}")
        bucket, prefix = match.groups()
        answer = self._get(bucket, params={"list-type": "2", "prefix": prefix})
        try:
            root = ElementTree.fromstring(answer.content)
        except ElementTree.ParseError as error:
            raise StoreError(f"{self.endpoint} answered with no list of files ({error}).") from None
        found = [
            _stored(bucket, item) for item in root if item.tag.rpartition("}")[2] == "Contents"
        ]
        if not found:
            raise ObjectMissing("The store lists no file for this series.")
        return found

    def download(self, file: StoredObject, path: Path) -> None:
        """Fetch one file and check its size and, where the store tells it, its MD5.

        Raises
        ------
        StoreError
            If it does not come whole in four attempts, or the store cannot be reached.
        ObjectMissing
            If it is gone.
        OSError
            If the disk is full, or the user's share of it.
        """
        problem = ""
        for _ in range(_ATTEMPTS):
            try:
                problem = self._attempt(file, path)
            except OSError as error:  # what requests raises is of this kind, too
                if error.errno in DISK_FULL:
                    raise
                problem = f"the transfer broke off ({type(error).__name__})"
            if not problem:
                return
        path.unlink(missing_ok=True)
        raise StoreError(f"A file did not come whole in {_ATTEMPTS} attempts: {problem}.")

    def _attempt(self, file: StoredObject, path: Path) -> str:
        """Fetch once; return what is wrong with the bytes, or nothing."""
        # MD5 guards against damage here, not against malice: that is what HTTPS is for.
        digest, size = hashlib.md5(usedforsecurity=False), 0
        with self._get(f"{file.bucket}/{file.key}", stream=True) as answer, path.open("wb") as out:
            for piece in answer.iter_content(_PIECE):
                out.write(piece)
                digest.update(piece)
                size += len(piece)
        if size != file.size:
            return f"expected {file.size:,} bytes, got {size:,}"
        if file.md5 and digest.hexdigest() != file.md5:
            return "its MD5 is not the one that the store lists"
        return ""

    def _get(self, path: str, **options: Any) -> requests.Response:
        try:
            answer = self._session().get(f"{self.endpoint}/{path}", timeout=_TIMEOUT, **options)
        except requests.RequestException as error:
            raise StoreError(
                f"{self.endpoint} cannot be reached ({type(error).__name__}). Check the network; "
                "what is done is kept, so repeat the command to go on."
            ) from None
        if answer.status_code == 404:
            raise ObjectMissing("The store does not have this series any more.")
        if not answer.ok:
            raise StoreError(f"{self.endpoint} answered {answer.status_code} {answer.reason}.")
        return answer

    def _session(self) -> requests.Session:
        if not hasattr(self._of_thread, "session"):
            session = requests.Session()
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(max_retries=self._retry))
            self._of_thread.session = session
        return self._of_thread.session


def _stored(bucket: str, item: ElementTree.Element) -> StoredObject:
    fields = {child.tag.rpartition("}")[2]: child.text or "" for child in item}
    tag = fields.get("ETag", "").strip('"')
    return StoredObject(
        bucket, fields["Key"], int(fields["Size"]), tag if _PLAIN_MD5.fullmatch(tag) else None
    )
