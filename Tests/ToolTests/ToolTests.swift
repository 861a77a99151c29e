import CCNNRT
import Testing

@Test func versionOfToolTests() { #expect(cnnrt_version() == 10000) }
