import CCNNRT

/// The library behind this module.
public enum Library {
  /// "1.0.0"
  public static var version: String { String(cString: cnnrt_version_string()) }

  /// The same as a number to compare: major · 10000 + minor · 100 + patch.
  public static var versionNumber: Int { Int(cnnrt_version()) }

  /// The instruction set that models use unless told otherwise; nil if `CNNRT_ISA` names one that is not there.
  public static var isa: String? { cnnrt_isa().map { String(cString: $0) } }

  /// The instruction sets of the library that this processor has, best last.
  public static var availableISAs: [String] {
    var names: [String] = []
    while let name = cnnrt_isa_available(UInt32(names.count)) { names.append(String(cString: name)) }
    return names
  }
}
