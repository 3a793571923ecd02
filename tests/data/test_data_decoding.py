"""What is damaged is refused, and what is transparent lies on white, whatever the file's format."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from ganlore.data._decoding import decode


def smooth(n: int = 64) -> Image.Image:
    """A photograph-like picture: gradients with some noise."""
    rng = np.random.default_rng(0)
    ramp = np.add.outer(np.arange(n), np.arange(n))[..., None] * np.array([1, 0.7, 0.4])
    return Image.fromarray((ramp + rng.integers(0, 60, (n, n, 3))).astype(np.uint8))


def encoded(kind: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    smooth().convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


JPEGS = {
    "baseline": encoded("JPEG", quality=90),
    "progressive": encoded("JPEG", progressive=True),
    "grey": encoded("JPEG", "L"),
    "cmyk": encoded("JPEG", "CMYK"),
    "restart": encoded("JPEG", restart_marker_blocks=4),
}


def zeroed(data: bytes, kept: float, end: int = 0) -> bytes:
    """A file whose rest is zeros, but for its last bytes."""
    first = int(len(data) * kept)
    return data[:first] + bytes(len(data) - first - end) + data[len(data) - end :]


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("kept", [0.5, 0.75, 0.9])
def test_a_jpeg_of_which_a_part_is_missing_is_refused(kind: str, kept: float) -> None:
    whole = JPEGS[kind]
    part = whole[: int(len(whole) * kept)]
    for damaged in (part, part + whole[-2:], zeroed(whole, kept), zeroed(whole, kept, end=2)):
        with pytest.raises((ValueError, OSError), match=r"damaged|truncated|broken"):
            decode(damaged, "rgb")


def test_a_jpeg_without_its_end_is_refused() -> None:
    for whole in JPEGS.values():
        with pytest.raises((ValueError, OSError), match=r"damaged|truncated"):
            decode(whole[:-2], "rgb")


@pytest.mark.parametrize("kind", JPEGS)
def test_a_whole_jpeg_has_pillows_pixels_and_may_have_more_behind_it(kind: str) -> None:
    """Cameras put more behind the end of the picture; an unusual subsampling is no damage."""
    expected = np.asarray(Image.open(io.BytesIO(JPEGS[kind])).convert("RGB"))
    for data in (JPEGS[kind], JPEGS[kind] + b"a camera's own notes" * 50):
        assert (np.asarray(decode(data, "rgb")) == expected).all()
    unusual = encoded("JPEG", "CMYK", subsampling=2)  # TurboJPEG does not decode it
    assert np.asarray(decode(unusual, "rgb")).shape == (64, 64, 3)
    with pytest.raises((ValueError, OSError), match=r"damaged|truncated"):
        decode(unusual[:-2], "rgb")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_other_files_that_are_too_short_are_refused_at_every_length(kind: str) -> None:
    whole = encoded(kind, **({"lossless": True} if kind == "WEBP" else {}))
    decode(whole, "rgb")
    for missing in (1, 5, 12, 13, 30, len(whole) // 2, len(whole) - 20, len(whole)):
        with pytest.raises(Exception):  # noqa: B017
            decode(whole[: len(whole) - missing], "rgb")


def test_another_library_cannot_switch_the_check_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    for whole in (encoded("PNG"), JPEGS["baseline"], encoded("BMP")):
        with pytest.raises((ValueError, OSError)):
            decode(whole[: len(whole) // 2], "rgb")


def test_what_is_no_picture_is_called_so_without_an_objects_repr() -> None:
    for data in (b"", b"GIF nonsense", bytes(1000), b"<html>not found</html>"):
        with pytest.raises(ValueError, match=f"{len(data)} bytes that are no picture") as caught:
            decode(data, "rgb")
        assert " object at 0x" not in str(caught.value)


# -- transparency: pixels are encoded here, bit by bit, as the PNG specification says --------------


def png(depth: int, colour: int, rows: np.ndarray, **chunks: bytes) -> bytes:
    """A PNG of raw samples, (H, W) or (H, W, 3), without a filter."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    raw = b""
    for row in rows:
        bits = "".join(format(int(sample), f"0{depth}b") for sample in row.reshape(-1))
        bits += "0" * (-len(bits) % 8)
        raw += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    head = struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], depth, colour, 0, 0, 0)
    parts = {b"IHDR": head, **{name.encode(): data for name, data in chunks.items()}}
    parts |= {b"IDAT": zlib.compress(raw), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts.items())


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_the_transparent_grey_is_that_of_the_files_depth(depth: int) -> None:
    """A grey of `value` out of 2^depth - 1 is transparent, and no other."""
    top = 2**depth - 1
    rows = np.arange(2**depth)[None]
    for value in {0, 1, top // 2, top}:
        expected = np.where(rows == value, 255, rows * 255 // top)
        data = png(depth, 0, rows, tRNS=struct.pack(">H", value))
        assert np.asarray(decode(data, "grey")).tolist() == expected.tolist()


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("alpha", [b"\xff\x00", b"\x80", b"\x00\xff"])
def test_the_transparent_entries_of_a_palette(depth: int, alpha: bytes) -> None:
    colours = np.array([[200, 100, 50], [1, 2, 3]])
    rows = np.array([[0, 1, 1, 0]])
    share = np.array([*alpha, 255][:2])[:, None] / 255
    expected = (share * colours + (1 - share) * 255)[rows]
    data = png(depth, 3, rows, PLTE=colours.astype(np.uint8).tobytes(), tRNS=alpha)
    assert abs(np.asarray(decode(data, "rgb")) - expected).max() <= 1


@pytest.mark.parametrize("depth", [8, 16])
def test_the_transparent_colour_equals_a_pixel_in_all_bits(depth: int) -> None:
    """Of 16 bits the higher 8 are the picture, but all 16 tell whether a pixel is transparent."""
    clear = np.array([3, 2, 1]) * (1 if depth == 8 else 257)
    others = [clear + np.eye(3, dtype=int)[2], clear - np.eye(3, dtype=int)[0]]
    rows = np.array([[clear, *others, [200, 100, 50], [3, 2, 1]]])
    expected = rows >> (depth - 8)
    expected[(rows == clear).all(axis=2)] = 255
    data = png(depth, 2, rows, tRNS=struct.pack(">HHH", *clear))
    assert np.asarray(decode(data, "rgb")).tolist() == expected.tolist()
