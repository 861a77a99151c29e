import CCNNRT
import Testing

@Test func versionOfTrainingTests() { #expect(cnnrt_version() == 10000) }
