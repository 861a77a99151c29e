/* What kernel-check needs of libc and of the processor; static inline only. */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#define CHECK_PAGE 65536 /* no page is larger */

/* `pages` pages that may be read and written, and behind them one that may not be touched. Never freed. */
static inline void *check_map(size_t pages) {
  char *p = (char *)mmap(NULL, (pages + 1) * CHECK_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED || mprotect(p + pages * CHECK_PAGE, CHECK_PAGE, PROT_NONE) != 0) {
    perror("kernel-check: no memory");
    exit(2);
  }
  return p;
}

static inline int check_processor_has(const char *isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vl");
  if (!strcmp(isa, "avx2")) return avx2;
  if (!strcmp(isa, "avx512")) return avx512;
  if (!strcmp(isa, "avx512vnni")) return avx512 && __builtin_cpu_supports("avx512vnni");
  return 1;
#elif defined(__aarch64__)
  if (!strcmp(isa, "neon-dotprod")) return (getauxval(AT_HWCAP) >> 20 & 1) != 0; /* HWCAP_ASIMDDP */
  return 1;
#else
  return 1;
#endif
}

static inline void check_report(const char *operation, const char *isa, int64_t cases, uint64_t digest) {
  printf("%s %s: %lld cases equal, digest %016llx\n", operation, isa, (long long)cases, (unsigned long long)digest);
  fflush(stdout);
}
/* `error`: the largest, in parts of what it is measured by. */
static inline void check_report_close(const char *operation, const char *isa, int64_t cases, double error) {
  printf("%s %s: %lld cases close, largest difference %.1e\n", operation, isa, (long long)cases, error);
  fflush(stdout);
}
static inline double check_power(double base, double exponent) { return __builtin_pow(base, exponent); }
static inline void check_number(const char *name, int64_t value) { printf(" %s=%lld", name, (long long)value); }
static inline void check_real(const char *name, double value) { printf(" %s=%.9g", name, value); }
static inline void check_text(const char *text) { printf("%s", text); }
/* Text to standard error, and the end of the program. */
static inline void check_stop(const char *text, const char *detail, int status) {
  fflush(stdout);
  fprintf(stderr, "kernel-check: %s%s\n", text, detail);
  exit(status);
}
