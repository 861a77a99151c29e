import CKernels

/// One of the axes that a kernel walks along; C's arrays are tuples here.
@inline(__always)
func tableAxis(_ axes: (cnn_axis, cnn_axis, cnn_axis, cnn_axis, cnn_axis), _ i: Int) -> cnn_axis {
  switch i {
  case 0: axes.0
  case 1: axes.1
  case 2: axes.2
  case 3: axes.3
  default: axes.4
  }
}
