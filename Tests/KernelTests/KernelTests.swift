import CCNNRT
import Testing

@Test func versionOfKernelTests() { #expect(cnnrt_version() == 10000) }
