import CCNNRT
import Testing

@Test func versionOfDataTests() { #expect(cnnrt_version() == 10000) }
