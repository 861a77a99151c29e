import Foundation

// What all charts write alike.

/// A coordinate.
func number(_ value: Double) -> String { String(format: "%.1f", value) }

/// Text between tags, or within quotes.
func escaped(_ text: String) -> String {
  text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
    .replacingOccurrences(of: "\"", with: "&quot;")
}
