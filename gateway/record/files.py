"""Files of attachments: named by their SHA-256, on disk before their row is, told by what is in them."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import GPS, IFD

from gateway.registry.values import Position

PHOTO_MOST = VOICE_MOST = 10 * 2**20
"""Bytes. A telephone's photo has 2 to 8 MB; ten minutes of speech 5."""
PIXELS_MOST = 100_000_000

Kind = Literal["photo", "voice"]
_PHOTOS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_VOICES = (
    (0, b"#!AMR", "audio/amr"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"\xff\xf9", "audio/aac"),
    (0, b"\x1a\x45\xdf\xa3", "audio/webm"),
    (4, b"ftyp", "audio/mp4"),
    (8, b"WAVE", "audio/wav"),
)
ENDINGS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "audio/amr": "amr",
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/aac": "aac",
    "audio/webm": "webm",
    "audio/mp4": "m4a",
    "audio/wav": "wav",
}


class NotTaken(Exception):
    """A file cannot be taken. ``code`` is stable; the texts say why, and what to do."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.code, self.zh, self.en = code, zh, en


@dataclass(frozen=True, slots=True)
class Looked:
    """What a file is, by what is in it."""

    kind: Kind
    media_type: str
    width: int | None = None
    height: int | None = None
    position: Position | None = None
    """Where a photo says it was taken (EXIF). Satellite receivers speak WGS-84."""


def look(data: bytes) -> Looked:
    """Tell a photo (JPEG, PNG, WebP) or a voice note by what is in it. Raises NotTaken."""
    if not data:
        raise NotTaken("empty", "文件是空的", "the file is empty: choose it again")
    photo = _photo(data)
    if photo is not None:
        return photo
    for at, mark, media_type in _VOICES:
        if data[at : at + len(mark)] == mark:
            if len(data) > VOICE_MOST:
                raise _too_large(VOICE_MOST)
            return Looked("voice", media_type)
    raise NotTaken(
        "not_known",
        "不是可识别的照片或录音；支持 JPEG、PNG、WebP 照片和 AMR、MP3、AAC、OGG、WAV、M4A、WebM 录音",
        "neither a photo (JPEG, PNG, WebP) nor a recording (AMR, MP3, AAC, OGG, WAV, M4A, WebM): choose another file",
    )


def _photo(data: bytes) -> Looked | None:
    begins = data[:3] == b"\xff\xd8\xff" or data[:8] == b"\x89PNG\r\n\x1a\n" or data[8:12] == b"WEBP"
    if not begins:
        return None
    if len(data) > PHOTO_MOST:
        raise _too_large(PHOTO_MOST)
    try:
        with Image.open(io.BytesIO(data), formats=tuple(_PHOTOS)) as image:
            image.verify()
        with Image.open(io.BytesIO(data), formats=tuple(_PHOTOS)) as image:
            if image.width * image.height > PIXELS_MOST:
                raise _too_large(PHOTO_MOST)
            found = Looked("photo", _PHOTOS[str(image.format)], image.width, image.height, _position(image))
            image.draft("RGB", (64, 64))
            image.load()  # the whole of it can be read
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise NotTaken(
            "damaged", "照片已损坏，无法打开", f"the photo is damaged and cannot be opened ({error}): send it again"
        ) from None
    return found


def _position(image: Image.Image) -> Position | None:
    try:
        gps = image.getexif().get_ifd(IFD.GPSInfo)
        lat = _degrees(gps[GPS.GPSLatitude]) * (-1 if gps.get(GPS.GPSLatitudeRef) == "S" else 1)
        lon = _degrees(gps[GPS.GPSLongitude]) * (-1 if gps.get(GPS.GPSLongitudeRef) == "W" else 1)
        return Position(lat=round(lat, 7), lon=round(lon, 7), datum="WGS-84")
    except (KeyError, TypeError, ValueError, ZeroDivisionError, SyntaxError, OSError):
        return None  # a photo need not say where it was taken, and may say nonsense


def _degrees(parts: tuple[float, float, float]) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    return degrees + minutes / 60 + seconds / 3600


def _too_large(most: int) -> NotTaken:
    size = f"{most // 2**20} MB"
    return NotTaken("too_large", f"文件超过 {size}", f"the file has more than {size}: send a smaller one")


class Files:
    """The files of attachments in one directory, two levels deep."""

    def __init__(self, directory: Path, reserve_bytes: int = 0) -> None:
        """``reserve_bytes``: so much of the disk is left alone, so that a press can still be written down."""
        self._directory = directory
        self._reserve = reserve_bytes

    def put(self, data: bytes) -> str:
        """Write the file, and return its SHA-256 once it is on disk. Raises NotTaken where the disk is full."""
        name = hashlib.sha256(data).hexdigest()
        path = self.path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and path.stat().st_size == len(data):
                return name
            if shutil.disk_usage(path.parent).free - len(data) < self._reserve:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            part = path.with_suffix(f".{os.getpid()}.part")
            try:
                with part.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            for directory in (path.parent, self._directory):
                _sync(directory)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise NotTaken(
                "disk_full",
                "网关磁盘已满，附件未保存；案卷不受影响。请腾出空间后重新上传",
                "the gateway's disk is full: the file was not kept, the case goes on; free some space, send it again",
            ) from None
        return name

    def get(self, sha256: str) -> bytes:
        """The file. Raises FileNotFoundError; ValueError where it is not what it was."""
        data = self.path(sha256).read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ValueError(f"{self.path(sha256)} is not what it was when it was taken")
        return data

    def path(self, sha256: str) -> Path:
        """Where the file with this content lies, or would."""
        return self._directory / sha256[:2] / sha256


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
