import CNNSupport
import Glibc

/// The names in a folder, hidden ones left out, sorted by their bytes: in the same order on every machine.
func names(in folder: String) throws(CNNError) -> [String] {
  guard let directory = opendir(folder) else { throw .system("cannot open the folder", at: folder) }
  defer { closedir(directory) }
  var names: [String] = []
  errno = 0
  while let entry = readdir(directory) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if !name.hasPrefix(".") { names.append(name) }
  }
  guard errno == 0 else { throw .system("cannot read the folder", at: folder) }
  return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}

func isFolder(_ path: String) -> Bool { fileType(path) == S_IFDIR }
func isFile(_ path: String) -> Bool { fileType(path) == S_IFREG }

private func fileType(_ path: String) -> mode_t? {
  var status = stat()
  return stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
}

/// In bytes.
func fileSize(_ path: String) throws(CNNError) -> Int {
  var status = stat()
  guard stat(path, &status) == 0 else { throw .system("cannot be opened", at: path) }
  return Int(status.st_size)
}
