/// Rows of cells as aligned text: the first column and those named are set left, the others (numbers) right.
public struct TextTable {
  private let header: [String]
  private let left: Set<String>
  private var rows: [[String]] = []

  public init(_ header: [String], left: Set<String> = []) {
    self.header = header
    self.left = left
  }

  public mutating func add(_ cells: [String]) {
    precondition(cells.count == header.count, "a row has as many cells as the header")
    rows.append(cells)
  }

  public var text: String {
    let lines = [header] + rows
    let widths = header.indices.map { column in lines.map { $0[column].count }.max()! }
    return lines.map { cells in
      let padded = header.indices.map { column -> String in
        let space = String(repeating: " ", count: widths[column] - cells[column].count)
        return column == 0 || left.contains(header[column]) ? cells[column] + space : space + cells[column]
      }
      return padded.joined(separator: "  ").trimmingTrailingSpaces()
    }.joined(separator: "\n")
  }
}

extension String {
  fileprivate func trimmingTrailingSpaces() -> String {
    var result = Substring(self)
    while result.last == " " { result.removeLast() }
    return String(result)
  }
}
