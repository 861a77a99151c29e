import CCNNRT
import Testing

@Test func versionOfRuntimeTests() { #expect(cnnrt_version() == 10000) }
