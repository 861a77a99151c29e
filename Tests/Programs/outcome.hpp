/* What the C++ test programs share: one source for both ways to report errors. */
#pragma once
#include <cnnrt.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#define CHECK(condition) ((condition) ? (void)0 : die(__LINE__, #condition))

[[noreturn]] inline void die(int line, const char *what) {
  std::fprintf(stderr, "line %d: %s\n", line, what);
  std::exit(1);
}

inline void expect(int line, const cnnrt::Error &error, cnnrt_status status, const char *text) {
  if (error.status() == status && std::strstr(error.what(), text)) return;
  std::fprintf(stderr, "status %d instead of %d: ", error.status(), status);
  die(line, error.what());
}

#ifdef CNNRT_NO_EXCEPTIONS

template <class T>
T must(int line, cnnrt::Result<T> result) {
  if (!result) die(line, result.error().what());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
template <class T>
void fails(int line, const cnnrt::Result<T> &result, cnnrt_status status, const char *text) {
  if (result) die(line, "did not fail");
  expect(line, result.error(), status, text);
}
#define MUST(call) must(__LINE__, call)
#define FAILS(call, status, text) fails(__LINE__, call, status, text)

#else

#define MUST(call) (call)
#define FAILS(call, status, text)                 \
  do {                                            \
    bool failed = false;                          \
    try {                                         \
      (void)(call);                               \
    } catch (const cnnrt::Error &error) {         \
      failed = true;                              \
      expect(__LINE__, error, status, text);      \
    }                                             \
    if (!failed) die(__LINE__, "did not fail");   \
  } while (false)

#endif
