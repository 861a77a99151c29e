# Sourced by the other tools: where things are, and how packages that are missing get installed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

usage_is() { # the comment at the head of the script is its help
  case " $* " in *" --help "* | *" -h "*) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" && exit 0 ;; esac
}

command -v swift >/dev/null || die "needs Swift 6.3 in PATH: swift.org/install"
# The toolchain's own LLVM tools read every processor's files.
toolchain=$(dirname "$(readlink -f "$(command -v swift)")")
objdump=$toolchain/llvm-objdump
objcopy=$toolchain/llvm-objcopy

# install_packages PACKAGE…: Debian packages, the missing ones only; as root or by sudo.
install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^.i' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "needs these packages, and root or sudo to install them: ${missing[*]}"
    as_root=(sudo)
  fi
  echo "installing ${missing[*]}"
  local try
  for try in 1 2 3; do
    # Without an index, or with an old one, apt does not find its files.
    { [ "$try" -eq 1 ] && [ -n "$(ls /var/lib/apt/lists/*_Packages* 2>/dev/null)" ]; } ||
      "${as_root[@]}" apt-get update -qq </dev/null || true
    if DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" \
      </dev/null >"${TMPDIR:-/tmp}/cnnrt-apt.$$" 2>&1; then
      rm -f "${TMPDIR:-/tmp}/cnnrt-apt.$$"
      return
    fi
    sleep 2
  done
  tail -5 "${TMPDIR:-/tmp}/cnnrt-apt.$$" >&2
  die "these packages cannot be installed: ${missing[*]}"
}

# What building needs on a fresh Debian.
build_packages=(libpng-dev libjpeg-dev zlib1g-dev pkg-config)

# make_onnx_python: a Python with what the checks of ONNX need, made once.
onnx_python=$root/.build-onnx/venv/bin/python
make_onnx_python() {
  [ -x "$onnx_python" ] && return
  install_packages python3-venv
  local venv=$root/.build-onnx/venv
  python3 -m venv "$venv" && "$venv/bin/pip" install -q numpy torch torchvision onnx onnxruntime onnxscript ||
    { rm -rf "$venv" && die "pip cannot install torch, torchvision, onnx, onnxruntime and onnxscript"; }
}
