#!/usr/bin/env python3
"""node_cases.py FOLDER: ONNX's node test cases of newer opsets, which Debian's libonnx-testdata lacks.

The wheel of onnx makes the cases but does not ship their files. Each case that Debian's folder does not have, or has for an older opset, becomes
FOLDER/generated/test_NAME/{model.onnx,test_data_set_K/{input,output}_I.pb}, the layout of libonnx-testdata. What FOLDER/generated had before is deleted.

Needs numpy and onnx.
"""
import os
import shutil
import sys
import warnings

import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases

DEBIAN = "/usr/share/libonnx-testdata/data/node"


def message(value, info):
    """An input or output as the message that its type asks for."""
    if isinstance(value, TensorProto):
        return value
    kind = info.type.WhichOneof("value")
    convert = {
        "sequence_type": numpy_helper.from_list, "optional_type": numpy_helper.from_optional,
        "map_type": numpy_helper.from_dict,
    }
    return convert.get(kind, numpy_helper.from_array)(value, info.name)


def opsets(model):
    return [(entry.domain, entry.version) for entry in model.opset_import]


def is_new(case):
    path = os.path.join(DEBIAN, case.name, "model.onnx")
    return not os.path.exists(path) or opsets(onnx.load(path)) != opsets(case.model)


def write(folder, case):
    os.makedirs(folder)
    with open(os.path.join(folder, "model.onnx"), "wb") as file:
        file.write(case.model.SerializeToString())
    graph = case.model.graph
    for number, (inputs, outputs) in enumerate(case.data_sets):
        data_set = os.path.join(folder, f"test_data_set_{number}")
        os.makedirs(data_set)
        for kind, values, infos in (("input", inputs, graph.input), ("output", outputs, graph.output)):
            for index, (value, info) in enumerate(zip(values, infos, strict=True)):
                with open(os.path.join(data_set, f"{kind}_{index}.pb"), "wb") as file:
                    file.write(message(value, info).SerializeToString())


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    root = os.path.join(sys.argv[1], "generated")
    shutil.rmtree(root, ignore_errors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # overflows that cases are about
        cases = [case for case in collect_testcases() if is_new(case)]
    for case in cases:
        write(os.path.join(root, case.name), case)
    print(f"{len(cases)} cases in {root}")


if __name__ == "__main__":
    main()
