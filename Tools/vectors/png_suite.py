"""Writes Tests/Samples/PngSuite/expected.txt: what a decoder must make of the PngSuite (schaik.com/pngsuite), by decoders that are not ours.

A line is "NAME WIDTH HEIGHT CHANNELS CRC-32 of the 8-bit pixels", or "NAME damaged". The samples come from pypng; palettes, transparency and
depths are expanded here, as the PNG specification says. Pillow must agree wherever it keeps 8 bits. Run once, from the
project's root, with pypng, Pillow and numpy: python3 Tools/vectors/png_suite.py
"""
import pathlib
import zlib

import numpy
import png
from PIL import Image

folder = pathlib.Path("Tests/Samples/PngSuite")
# Pillow does not know transparent colours of 4 and 16 bits.
WITHOUT_PILLOWS_ALPHA = ["tbbn0g04", "tbwn0g16"]


def expanded(path):
    """[height, width, channels] in 8 bits."""
    reader = png.Reader(filename=str(path))
    width, height, rows, info = reader.read()
    samples = numpy.array([list(row) for row in rows], numpy.int64).reshape(height, width, -1)
    if "palette" in info and samples.shape[2] == 1:  # RGB may have one as well, as a suggestion
        palette = numpy.array(info["palette"], numpy.int64)
        return palette[samples[:, :, 0]]
    largest = 2 ** info["bitdepth"] - 1
    pixels = (samples * 255 + largest // 2) // largest
    if "transparent" in info:
        seen = (samples != numpy.array(info["transparent"])).any(axis=2, keepdims=True)
        pixels = numpy.concatenate([pixels, seen * 255], axis=2)
    return pixels


def as_rgba(pixels):
    channels = pixels.shape[2]
    colours = pixels[:, :, :3] if channels > 2 else pixels[:, :, [0, 0, 0]]
    alpha = pixels[:, :, -1:] if channels % 2 == 0 else numpy.full_like(pixels[:, :, :1], 255)
    return numpy.concatenate([colours, alpha], axis=2)


def check_with_pillow(path, pixels):
    image = Image.open(path)
    # Pillow drops the lower byte of 16 bits.
    tolerance = 1 if png.Reader(filename=str(path)).read()[3]["bitdepth"] == 16 else 0
    if image.mode.startswith("I"):
        rgba = as_rgba(numpy.array(image).astype(numpy.int64)[:, :, None] // 256)
    else:
        rgba = numpy.array(image.convert("RGBA")).astype(numpy.int64)
    difference = numpy.abs(rgba - as_rgba(pixels))
    if path.stem in WITHOUT_PILLOWS_ALPHA:
        difference = difference[:, :, :3]
    assert difference.max() <= tolerance, path.name


lines = []
for path in sorted(folder.glob("*.png")):
    if path.name.startswith("x"):
        lines.append(f"{path.stem} damaged")
        continue
    pixels = expanded(path)
    check_with_pillow(path, pixels)
    height, width, channels = pixels.shape
    crc = zlib.crc32(pixels.astype(numpy.uint8).tobytes())
    lines.append(f"{path.stem} {width} {height} {channels} {crc:08x}")
(folder / "expected.txt").write_text("\n".join(lines) + "\n")
