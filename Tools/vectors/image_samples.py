"""Writes Tests/Samples/Images: small PNG and JPEG files of every kind, by encoders that are not ours (pypng, Pillow).

The pixels follow a formula that ImageTests.swift repeats. Run once, from the project's root, with pypng, Pillow and numpy:
python3 Tools/vectors/image_samples.py
"""
import pathlib

import numpy
import png
from PIL import Image

folder = pathlib.Path("Tests/Samples/Images")
WIDTH, HEIGHT = 13, 7


def sample(x, y, channel, depth):
    return (x * 4001 + y * 7919 + channel * 12007) % 65536 >> (16 - depth)


def rows(channels, depth):
    return [[sample(x, y, c, depth) for x in range(WIDTH) for c in range(channels)] for y in range(HEIGHT)]


def write_png(name, channels, depth, **options):
    grey, alpha = channels < 3, channels % 2 == 0
    if "palette" in options:
        writer = png.Writer(WIDTH, HEIGHT, bitdepth=depth, **options)
    else:
        writer = png.Writer(WIDTH, HEIGHT, bitdepth=depth, greyscale=grey, alpha=alpha, **options)
    with open(folder / name, "wb") as file:
        writer.write(file, rows(channels, depth))


for depth in (1, 2, 4, 8, 16):
    write_png(f"grey{depth}.png", 1, depth)
for channels, kind in ((2, "greyalpha"), (3, "rgb"), (4, "rgba")):
    for depth in (8, 16):
        write_png(f"{kind}{depth}.png", channels, depth)
        write_png(f"{kind}{depth}-interlaced.png", channels, depth, interlace=True)
write_png("grey1-interlaced.png", 1, 1, interlace=True)
for depth in (1, 2, 4, 8):
    palette = [tuple(sample(i, 3, c, 8) for c in range(3)) for i in range(2**depth)]
    write_png(f"palette{depth}.png", 1, depth, palette=palette)
    see_through = [colour + ((255 - i) % 256,) for i, colour in enumerate(palette)]
    write_png(f"palette{depth}-alpha.png", 1, depth, palette=see_through)
write_png("grey8-transparent.png", 1, 8, transparent=sample(5, 3, 0, 8))
write_png("rgb8-transparent.png", 3, 8, transparent=tuple(sample(5, 3, c, 8) for c in range(3)))

# Smooth, so that JPEG's losses stay small: 40 × 24, red grows to the right, green downwards, blue the other way.
x, y = numpy.meshgrid(numpy.arange(40), numpy.arange(24))
red, green, blue = 5 * x + 20, 9 * y + 10, 230 - 3 * x - 2 * y
colour = Image.fromarray(numpy.stack([red, green, blue], 2).astype(numpy.uint8))
grey = Image.fromarray(red.astype(numpy.uint8))
full = {"quality": 98, "subsampling": 0}
grey.save(folder / "grey.jpg", **full)
grey.save(folder / "grey-progressive.jpg", progressive=True, **full)
colour.save(folder / "rgb.jpg", **full)
colour.save(folder / "rgb-420.jpg", quality=98, subsampling=2)
colour.save(folder / "rgb-progressive.jpg", progressive=True, **full)
inks = numpy.stack([255 - red, 255 - green, 255 - blue, 0 * red], 2).astype(numpy.uint8)
Image.fromarray(inks, "CMYK").save(folder / "cmyk.jpg", **full)
# What a camera held in each of the eight ways would store so that the picture is seen upright.
stored = {
    1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
for orientation, turn in stored.items():
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = colour if turn is None else colour.transpose(turn)
    picture.save(folder / f"orientation{orientation}.jpg", exif=exif, **full)
