import Bundle
import CCNNRT
import CKernels
import CPlatform

/// The instruction sets that this library has kernels for, best last. A table of kernels is filled through one C symbol each:
/// DESIGN.md, "The hazard to design against".
public enum InstructionSet: Int, Sendable {
  #if arch(arm64)
    case reference, baseline, neon, neonDotprod
    static let best = InstructionSet.neonDotprod
  #else
    case reference, baseline, avx2, avx512, avx512vnni
    static let best = InstructionSet.avx512vnni
  #endif

  public var name: UnsafePointer<CChar> {
    let text: StaticString =
      switch self {
      case .reference: "reference"
      case .baseline: "baseline"
      #if arch(arm64)
        case .neon: "neon"
        case .neonDotprod: "neon-dotprod"
      #else
        case .avx2: "avx2"
        case .avx512: "avx512"
        case .avx512vnni: "avx512vnni"
      #endif
      }
    return cString(text)
  }

  /// Whether the library and the processor have it.
  var isAvailable: Bool {
    switch self {
    case .reference: cnn_has_reference() != 0
    case .baseline: true
    #if arch(arm64)
      case .neon: true
      case .neonDotprod: cp_has_dotprod() != 0
    #else
      case .avx2: cp_x86_level() >= 3
      case .avx512: cp_x86_level() >= 4
      case .avx512vnni: cp_x86_level() >= 5
    #endif
    }
  }

  public var kernels: cnn_kernels {
    var table = cnn_kernels()
    switch self {
    case .reference: cnn_kernels_reference(&table)
    case .baseline: cnn_kernels_baseline(&table)
    #if arch(arm64)
      case .neon: cnn_kernels_neon(&table)
      case .neonDotprod: cnn_kernels_neon_dotprod(&table)
    #else
      case .avx2: cnn_kernels_avx2(&table)
      case .avx512: cnn_kernels_avx512(&table)
      case .avx512vnni: cnn_kernels_avx512vnni(&table)
    #endif
    }
    table.isa = name
    return table
  }

  /// The index-th of those that are available.
  public static func available(_ index: Int) -> InstructionSet? {
    var rest = index
    for i in 0...best.rawValue {
      guard let set = InstructionSet(rawValue: i), set.isAvailable else { continue }
      if rest == 0 { return set }
      rest -= 1
    }
    return nil
  }

  /// The one that is asked for, else the one that CNNRT_ISA names, else the best.
  public static func choose(_ asked: UnsafePointer<CChar>?) throws(Failure) -> InstructionSet {
    let environment = cp_environment_isa()
    guard let name = asked ?? environment else {
      return available(availableCount - 1)!
    }
    for i in 0...best.rawValue {
      guard let set = InstructionSet(rawValue: i), strcmp(set.name, name) == 0 else { continue }
      guard set.isAvailable else {
        throw Failure(
          CNNRT_ERROR_UNSUPPORTED, "this processor does not have the instruction set. Leave the choice to the library."
        ).at(asked == nil ? "CNNRT_ISA" : "isa", name)
      }
      return set
    }
    throw Failure(
      CNNRT_ERROR_UNSUPPORTED, "the instruction set is not known. cnnrt_isa_available lists those that are."
    ).at(asked == nil ? "CNNRT_ISA" : "isa", name)
  }

  private static var availableCount: Int {
    var count = 0
    while available(count) != nil { count += 1 }
    return count
  }
}
