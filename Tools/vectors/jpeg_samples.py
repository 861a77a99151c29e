"""Writes Tests/Samples/JPEG: small JPEG files of many kinds, and beside each a PNG of the pixels that Pillow decodes from it.

The pictures are rough enough to show a lost block or a wrong turn. Run once, from the project's root, with Pillow and numpy:
python3 Tools/vectors/jpeg_samples.py
"""
import io
import pathlib

import numpy
from PIL import Image, ImageOps

folder = pathlib.Path("Tests/Samples/JPEG")


def picture(width, height, channels):
    x, y, c = numpy.meshgrid(numpy.arange(width), numpy.arange(height), numpy.arange(channels))
    waves = 127 + 60 * numpy.sin(x / 3 + 2 * c) + 40 * numpy.cos(y / 2 - c) + 5 * ((x + y) % 5)
    pixels = (waves + 3 * x - 2 * y).clip(0, 255).astype(numpy.uint8)
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels, {1: "L", 3: "RGB", 4: "CMYK"}[channels])


def jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **({"quality": 85, "subsampling": 0} | options))
    return bytearray(file.getvalue())


def upright(data):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    return image if image.mode == "L" else image.convert("RGB")


def write(name, data, expected=None):
    (folder / f"{name}.jpg").write_bytes(data)
    (expected or upright(data)).save(folder / f"{name}.png", optimize=True)


def colour(width=17, height=9):
    return picture(width, height, 3)


folder.mkdir(parents=True, exist_ok=True)
write("one-pixel", jpeg(colour(1, 1)))
write("one-column", jpeg(colour(1, 19), subsampling=2))
write("one-row", jpeg(colour(19, 1), subsampling=2, progressive=True))
for subsampling, name in ((0, "444"), (1, "422"), (2, "420")):
    write(f"odd-{name}", jpeg(colour(), subsampling=subsampling))
    write(f"odd-{name}-progressive", jpeg(colour(), subsampling=subsampling, progressive=True))
    write(f"restart-{name}", jpeg(colour(50, 33), subsampling=subsampling, restart_marker_blocks=2))
write("restart-rows", jpeg(colour(50, 33), restart_marker_rows=1))
write("restart-progressive", jpeg(colour(50, 33), subsampling=2, progressive=True, restart_marker_blocks=3))
write("grey-odd", jpeg(picture(23, 13, 1)))
write("grey-odd-progressive", jpeg(picture(23, 13, 1), progressive=True))
write("grey-restart", jpeg(picture(50, 33, 1), restart_marker_blocks=1))
write("coarse", jpeg(colour(40, 24), quality=3))
write("optimised", jpeg(colour(40, 24), optimize=True))
write("red-green-blue", jpeg(colour(), keep_rgb=True))
write("profile", jpeg(colour(), icc_profile=b"\x00" * 128))

# Four inks. Adobe's marker says that they are inverted, and at its end that they were made blue- and red-differences (YCCK).
inks = picture(17, 9, 4)
adobe = jpeg(inks)
write("cmyk-odd", adobe)
write("cmyk-odd-progressive", jpeg(inks, progressive=True))
ycck = bytearray(adobe)
ycck[ycck.index(b"Adobe") + 11] = 2
write("ycck", ycck)
marker = adobe.index(b"\xff\xee")
plain = adobe[:marker] + adobe[marker + 2 + int.from_bytes(adobe[marker + 2 : marker + 4], "big") :]
stored = 255 - numpy.array(Image.open(io.BytesIO(plain))).astype(numpy.int64)  # Pillow takes all for Adobe's
light = ((255 - stored[:, :, :3]) * (255 - stored[:, :, 3:]) + 127) // 255
write("cmyk-plain", plain, Image.fromarray(light.astype(numpy.uint8)))

# A camera's orientation, and what an editor puts behind it in markers of the same number.
exif = Image.Exif()
exif[0x010F] = "Camera"
exif[0x0112] = 6
for name, image in (("turned", colour()), ("turned-grey", picture(23, 13, 1)), ("turned-cmyk", inks)):
    write(name, jpeg(image, exif=exif))
write("turned-progressive", jpeg(colour(), exif=exif, progressive=True, subsampling=2))
write("turned-xmp", jpeg(colour(), exif=exif, xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"))
