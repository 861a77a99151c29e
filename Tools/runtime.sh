# Sourced by Tools/cross and Tools/fuzz, after common.sh: compiles the library's modules without SwiftPM, for processors and
# sanitizers that it cannot be told about. The flags are those of Sources/Runtime/Package.swift, but the kernels are compiled
# for speed, and the other modules one by one, not when the library is linked.
# Before use: work=FOLDER for what is made, swift_flags=(…) for every module.

# SwiftPM writes these module maps by itself.
write_module_maps() {
  local header name
  for header in Sources/Runtime/C/*/include Sources/CSystem/include Sources/CImages/include; do
    name=$(basename "$(dirname "$header")")
    mkdir -p "$work/modules/$name"
    printf 'module %s { umbrella "%s"\n export * }\n' "$name" "$root/$header" >"$work/modules/$name/module.modulemap"
    swift_flags+=(-Xcc "-fmodule-map-file=$work/modules/$name/module.modulemap" -Xcc "-I$root/$header")
  done
}

# compile MODULE FOLDER FLAG…: FOLDER's Swift files to $work/objects/MODULE.o
compile() {
  local module=$1 folder=$2
  shift 2
  mkdir -p "$work/objects" "$work/modules"
  swiftc -c -module-name "$module" -wmo -parse-as-library -enable-experimental-feature Embedded -enable-experimental-feature Extern \
    -Xcc -ffp-contract=off -Xfrontend -function-sections -I "$work/modules" -I Include "${swift_flags[@]}" "$@" \
    -emit-module -emit-module-path "$work/modules/$module.swiftmodule" -o "$work/objects/$module.o" \
    $(find -L "$folder" -name '*.swift' | sort)
}

# compile_runtime ISA…: the library with these instruction sets; ${objects[@]} is the result. compile_training adds the trainer's.
compile_runtime() {
  local isa flags
  objects=()
  for isa in "$@"; do
    flags=(-Ounchecked -no-allocations -Xcc -Wno-psabi)
    case $isa in
      AVX2) flags+=(-Xcc -march=x86-64-v3) ;;
      NEONDotprod) flags+=(-Xcc -march=armv8.2-a+dotprod) ;;
    esac
    compile "Kernels$isa" "Sources/Runtime/Kernels/$isa" "${flags[@]}"
    objects+=("$work/objects/Kernels$isa.o")
  done
  compile_modules Bundle Plan Run Caller ABI
}
compile_training() { compile_modules Training TrainingABI; }

compile_modules() {
  local module
  for module in "$@"; do
    compile "$module" "Sources/Runtime/$module" -Osize -no-allocations
    objects+=("$work/objects/$module.o")
  done
}
