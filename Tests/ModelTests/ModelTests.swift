import CCNNRT
import Testing

@Test func versionOfModelTests() { #expect(cnnrt_version() == 10000) }
