"""Runs convolutional networks from cnnrt bundles: libcnnrt's C interface (cnnrt.h) with NumPy arrays.

    import cnnrt, numpy
    model = cnnrt.Model("model.cnn")
    session = cnnrt.Session(model)
    session.set_input(0, numpy.zeros((1, 1, 28, 28), numpy.float32))
    session.run()
    print(session.get_output(0))

The library is the one that the environment variable CNNRT_LIBRARY names, else libcnnrt.so beside this file, else the system's.
"""

import ctypes
import os
from ctypes import (POINTER, Structure, byref, c_char, c_char_p, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32,
                    c_uint64, c_void_p, sizeof)

import numpy

__all__ = ["Error", "Model", "Session", "Tensor", "version"]

_TYPES = {1: numpy.dtype(numpy.float32), 2: numpy.dtype(numpy.uint8), 3: numpy.dtype(numpy.int8), 6: numpy.dtype(numpy.int32)}
_NUMBERS = {dtype: number for number, dtype in _TYPES.items()}
_MAX_RANK = 6


class _Sized(Structure):
    """A struct of cnnrt.h that begins with its size."""

    def __init__(self, **fields):
        super().__init__(size=sizeof(type(self)), **fields)


class _Error(_Sized):
    _fields_ = [("size", c_size_t), ("status", c_int), ("system_error", c_int32), ("offset", c_uint64),
                ("where", c_char * 96), ("message", c_char * 256)]


class _ModelOptions(_Sized):
    _fields_ = [("size", c_size_t), ("flags", c_uint32), ("reserved", c_uint32), ("isa", c_char_p),
                ("max_memory", c_uint64), ("max_work", c_uint64)]


class _ModelInfo(_Sized):
    _fields_ = [("size", c_size_t)] + [(name, c_uint32) for name in (
        "input_count", "output_count", "layer_count", "label_count", "metadata_count", "quantized", "mixed",
        "has_recipe", "has_self_test", "reserved")] + [(name, c_uint64) for name in (
            "file_bytes", "weight_bytes", "memory_bytes", "mapped_bytes")] + [("isa", c_char_p)]


class _TensorInfo(_Sized):
    _fields_ = [("size", c_size_t), ("name", c_char_p), ("type", c_int), ("rank", c_uint32),
                ("shape", c_int64 * _MAX_RANK), ("scale", c_float), ("zero_point", c_int32)]


class _SessionOptions(_Sized):
    _fields_ = [("size", c_size_t), ("flags", c_uint32), ("threads", c_int32), ("batch", c_int32), ("reserved", c_uint32),
                ("parallel_for", c_void_p), ("parallel_context", c_void_p), ("arena", c_void_p), ("arena_bytes", c_size_t)]


class _Array(_Sized):
    _fields_ = [("size", c_size_t), ("data", c_void_p), ("type", c_int), ("rank", c_uint32),
                ("shape", c_int64 * _MAX_RANK), ("strides", c_int64 * _MAX_RANK)]


def _load():
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libcnnrt.so")
    path = os.environ.get("CNNRT_LIBRARY") or (beside if os.path.exists(beside) else "libcnnrt.so")
    library = ctypes.CDLL(path)
    error, out = POINTER(_Error), POINTER(c_void_p)
    for name, result, *arguments in (
            ("version_string", c_char_p),
            ("model_open", c_int, c_char_p, POINTER(_ModelOptions), out, error),
            ("model_close", None, c_void_p),
            ("model_get_info", c_int, c_void_p, POINTER(_ModelInfo)),
            ("model_get_input", c_int, c_void_p, c_uint32, POINTER(_TensorInfo)),
            ("model_get_output", c_int, c_void_p, c_uint32, POINTER(_TensorInfo)),
            ("model_label", c_char_p, c_void_p, c_uint32),
            ("model_metadata", c_char_p, c_void_p, c_char_p),
            ("model_metadata_key", c_char_p, c_void_p, c_uint32),
            ("session_create", c_int, c_void_p, POINTER(_SessionOptions), out, error),
            ("session_destroy", None, c_void_p),
            ("session_set_input", c_int, c_void_p, c_uint32, POINTER(_Array), error),
            ("session_get_output", c_int, c_void_p, c_uint32, POINTER(_Array), error),
            ("session_run", c_int, c_void_p, error),
            ("session_self_test", c_int, c_void_p, error)):
        function = getattr(library, "cnnrt_" + name)
        function.restype, function.argtypes = result, arguments
    return library


_library = _load()


class Error(Exception):
    """What the library says went wrong. `status` is a cnnrt_status of cnnrt.h."""

    def __init__(self, error):
        self.status = error.status
        where, message = error.where.decode(errors="replace"), error.message.decode(errors="replace")
        super().__init__(f"{where}: {message}" if where else message)


def _check(function, *arguments):
    error = _Error()
    if function(*arguments, byref(error)):
        raise Error(error)


def version():
    """The library's version, "1.0.0"."""
    return _library.cnnrt_version_string().decode()


class Tensor:
    """What an input or output is called, its type and shape (of one image), and how stored values become real ones:
    (stored - zero_point) * scale, with the scale 0 where the type is not quantized."""

    def __init__(self, info):
        self.name = info.name.decode()
        self.dtype = _TYPES[info.type]
        self.shape = tuple(info.shape[:info.rank])
        self.scale, self.zero_point = info.scale, info.zero_point

    def __repr__(self):
        return f"Tensor({self.name!r}, {self.dtype}, {self.shape})"


class Model:
    """A network from a bundle. Any number of sessions, on any threads, may use one. `isa`, `max_memory` (bytes) and `max_work`
    (operations per image) are cnnrt_model_options'; None and 0 are the library's defaults. Raises Error."""

    def __init__(self, path, isa=None, max_memory=0, max_work=0):
        self._handle = c_void_p()
        options = _ModelOptions(isa=isa.encode() if isa else None, max_memory=max_memory, max_work=max_work)
        _check(_library.cnnrt_model_open, os.fsencode(path), byref(options), byref(self._handle))
        self._info = _ModelInfo()
        _library.cnnrt_model_get_info(self._handle, byref(self._info))
        self.inputs = self._tensors(self._info.input_count, _library.cnnrt_model_get_input)
        self.outputs = self._tensors(self._info.output_count, _library.cnnrt_model_get_output)
        self.labels = [_library.cnnrt_model_label(self._handle, i).decode() for i in range(self._info.label_count)]
        keys = [_library.cnnrt_model_metadata_key(self._handle, i) for i in range(self._info.metadata_count)]
        self.metadata = {key.decode(): _library.cnnrt_model_metadata(self._handle, key).decode() for key in keys}

    def _tensors(self, count, get):
        infos = [_TensorInfo() for _ in range(count)]
        for index, info in enumerate(infos):
            get(self._handle, index, byref(info))
        return [Tensor(info) for info in infos]

    @property
    def is_quantized(self):
        """int8 weights and uint8 activations."""
        return bool(self._info.quantized)

    @property
    def is_mixed(self):
        """Quantized, but with layers in float."""
        return bool(self._info.mixed)

    @property
    def isa(self):
        """The instruction set it runs on."""
        return self._info.isa.decode()

    def __del__(self):
        if getattr(self, "_handle", None):
            _library.cnnrt_model_close(self._handle)


class Session:
    """Runs a model on `batch` images at a time with `threads` threads. All memory is taken when it is made. Raises Error."""

    def __init__(self, model, threads=1, batch=1):
        self._handle = c_void_p()
        self.model, self.batch = model, batch
        options = _SessionOptions(threads=threads, batch=batch)
        _check(_library.cnnrt_session_create, model._handle, byref(options), byref(self._handle))

    def _shape(self, tensor):
        return (self.batch,) + tensor.shape[1:] if tensor.shape else ()

    def _array(self, array):
        description = _Array(data=array.ctypes.data, type=_NUMBERS[array.dtype], rank=array.ndim)
        description.shape[:array.ndim] = array.shape
        description.strides[:array.ndim] = array.strides
        return description

    def set_input(self, index, array):
        """Copies an input in: float32 real values, or uint8, the stored values of a quantized input. Any strides, the shape of
        the input for the whole batch."""
        array = numpy.asarray(array)
        if array.dtype not in _NUMBERS:
            array = array.astype(numpy.float32)
        _check(_library.cnnrt_session_set_input, self._handle, index, byref(self._array(array)))

    def run(self):
        """Computes the outputs from the inputs."""
        _check(_library.cnnrt_session_run, self._handle)

    def get_output(self, index=0, dtype=numpy.float32):
        """A copy of an output: real values, or with uint8 the stored values of a quantized output."""
        array = numpy.empty(self._shape(self.model.outputs[index]), dtype)
        _check(_library.cnnrt_session_get_output, self._handle, index, byref(self._array(array)))
        return array

    def __call__(self, *inputs):
        """Sets all inputs, runs, and gives the outputs as real values."""
        for index, array in enumerate(inputs):
            self.set_input(index, array)
        self.run()
        return [self.get_output(index) for index in range(len(self.model.outputs))]

    def self_test(self):
        """Runs the bundle's own input and raises Error where its output differs from what it expects."""
        _check(_library.cnnrt_session_self_test, self._handle)

    def __del__(self):
        if getattr(self, "_handle", None):
            _library.cnnrt_session_destroy(self._handle)
