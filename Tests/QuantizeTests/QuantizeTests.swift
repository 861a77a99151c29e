import CCNNRT
import Testing

@Test func versionOfQuantizeTests() { #expect(cnnrt_version() == 10000) }
