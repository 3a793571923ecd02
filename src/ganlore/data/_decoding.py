"""Image files to pixels: what is damaged is refused, what is transparent lies on white.

Pillow decodes. It is lenient in three places, which are made up for here: it keeps libjpeg's
warnings to itself (a decoder that meets damage warns, and goes on with grey), it does not look for
the end of a PNG, and it compares a PNG's transparent colour, which is stored at the file's own
depth, with pixels that it has scaled to 8 bits.
"""

from __future__ import annotations

import io
import struct
import warnings
from typing import TYPE_CHECKING

import numpy as np

from ganlore.settings import Channels

if TYPE_CHECKING:
    from PIL.Image import Image

EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
MODES = {"rgb": "RGB", "grey": "L"}

JPEG, PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
"""The first bytes of the formats that are checked."""

JPEG_SCAN, JPEG_END = b"\xff\xda", b"\xff\xd9"
PNG_END = b"IEND\xaeB`\x82"
"""The last chunk of each PNG, with its checksum."""


def decode(data: bytes, channels: Channels) -> Image:
    """Decode an image file: upright, 8 bits per channel, alpha composited on white.

    Of an animation, the first frame. Of colours with 16 bits per channel, the higher 8.

    Raises:
        ValueError: if it is damaged or no picture, or grey with more than 8 bits.
        Exception: of many kinds, if the decoder itself refuses it.
    """
    from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

    ImageFile.LOAD_TRUNCATED_IMAGES = False  # another library may have set it
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # what the decoder only warns of is damage
        try:
            image = Image.open(io.BytesIO(data))
        except UnidentifiedImageError:  # its own message names the buffer, not the file
            kinds = ", ".join(kind[1:] for kind in EXTENSIONS)
            text = f"{len(data)} bytes that are no picture; expected one of {kinds}"
            raise ValueError(text) from None
        with image:
            if image.mode[0] in "IF":
                raise ValueError(f"mode {image.mode}; expected 8 bits a channel")
            image.load()
            check_whole(data)
            upright = ImageOps.exif_transpose(_with_alpha(image, data))
            if upright.has_transparency_data:
                upright = upright.convert("RGBA")
                upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
            return upright.convert(MODES[channels])


def check_whole(data: bytes) -> None:
    """Check that a JPEG or PNG file reaches its end, and that a JPEG decodes without a warning.

    Raises:
        ValueError: if it does not. BMP and WebP have neither a checksum nor an end marker: of
            these only a file that is too short is noticed, by Pillow.
    """
    if data.startswith(PNG) and PNG_END not in data:
        raise ValueError("damaged: the end of the PNG is missing (IEND)")
    if data.startswith(JPEG):
        _check_jpeg(data)


def _check_jpeg(data: bytes) -> None:
    import simplejpeg

    if data.rfind(JPEG_END) < data.rfind(JPEG_SCAN):
        raise ValueError("damaged: the end of the JPEG is missing (EOI)")
    try:
        *_, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:  # an unusual subsampling, which Pillow can decode and TurboJPEG cannot
        return
    try:  # an eighth of the size: all of the data are decoded, and few pixels computed
        simplejpeg.decode_jpeg(
            data,
            colorspace="CMYK" if colours in ("CMYK", "YCCK") else "GRAY",
            min_height=1, min_width=1, min_factor=8, strict=True,
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"damaged: {error}") from None


def _with_alpha(image: Image, data: bytes) -> Image:
    """A loaded image whose transparent colour is at the depth of its pixels.

    A PNG's tRNS chunk has a grey or a colour at the file's bit depth (PNG specification, 11.3.2.1),
    and a pixel is transparent if it equals that in all bits. Palettes have indices, which Pillow
    does not scale.
    """
    value = image.info.get("transparency")
    if value is None or not data.startswith(PNG):
        return image
    depth = data[24]
    if image.mode == "L" and depth < 8:
        image.info["transparency"] = value * 255 // (2**depth - 1)
    if image.mode == "RGB" and depth == 16:
        del image.info["transparency"]
        image.putalpha(_opaque(np.asarray(image), _low_bytes(data), value))
    return image


def _low_bytes(data: bytes) -> np.ndarray:
    """The lower 8 bits of a PNG with 16 bits per channel, (H, W, 3): Pillow reads the higher ones.

    Its unpacker of little-endian samples takes the second byte of each, here the lower one.
    """
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        image.tile = [tile._replace(args="RGB;16L") for tile in image.tile]
        return np.asarray(image)


def _opaque(high: np.ndarray, low: np.ndarray, value: tuple[int, int, int]) -> Image:
    from PIL import Image

    big, small = (list(part) for part in zip(*(struct.pack(">H", v) for v in value), strict=True))
    clear = (high == big).all(axis=2) & (low == small).all(axis=2)
    return Image.fromarray(np.where(clear, 0, 255).astype(np.uint8))
