"""Writes Tests/Samples/Resized (Pillow's bilinear resizing of Tests/Samples/Images) and Tests/Samples/Arrays (NumPy's own files).

The arrays follow a formula that NumPyTests.swift repeats. Run once, from the project's root, with Pillow and numpy:
python3 Tools/vectors/data_samples.py
"""
import pathlib

import numpy
from PIL import Image

samples = pathlib.Path("Tests/Samples")

resized = samples / "Resized"
resized.mkdir(exist_ok=True)
for source, sizes in (("rgb8.png", ((5, 3), (40, 31), (13, 20))), ("grey8.png", ((4, 6), (29, 7))), ("rgb.jpg", ((9, 7), (64, 40)))):
    for width, height in sizes:
        image = Image.open(samples / "Images" / source).resize((width, height), Image.Resampling.BILINEAR)
        image.save(resized / f"{source}-{width}x{height}.png")


def images(shape, dtype, first):
    return ((numpy.arange(numpy.prod(shape)) * 37 + first) % 256).astype(dtype).reshape(shape)


arrays = samples / "Arrays"
arrays.mkdir(exist_ok=True)
train, test = images((6, 4, 5, 3), "uint8", 1), images((3, 4, 5, 3), "uint8", 2)
labels = {"y_train": numpy.array([0, 2, 1, 1, 0, 2], "int64"), "y_test": numpy.array([[2], [0], [1]], "uint8")}
numpy.savez(arrays / "stored.npz", x_train=train, x_test=test, **labels)
numpy.savez_compressed(arrays / "deflated.npz", x_train=train, x_test=test, **labels)
numpy.savez_compressed(arrays / "medmnist.npz", train_images=train[:, :, :, 0], train_labels=labels["y_train"][:, None])
for dtype in ("float32", "float64"):
    values = images((6, 4, 5), dtype, 3) / numpy.dtype(dtype).type(255)
    numpy.savez(arrays / f"{dtype}.npz", images=values, labels=labels["y_train"].astype("int32"))
for version in ((1, 0), (2, 0), (3, 0)):
    with open(arrays / f"version{version[0]}.npy", "wb") as file:
        numpy.lib.format.write_array(file, images((2, 3, 4), "uint8", version[0]), version)
numpy.save(arrays / "fortran.npy", numpy.asfortranarray(images((2, 3, 4), "uint8", 0)))
numpy.save(arrays / "big-endian.npy", images((2, 3, 4), ">f4", 0))
numpy.save(arrays / "strings.npy", numpy.array(["a", "b"]))
numpy.save(arrays / "fields.npy", numpy.zeros(2, [("a", "u1"), ("b", "f4")]))
numpy.save(arrays / "scalar.npy", numpy.float32(1))
