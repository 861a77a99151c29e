/* libc, zlib, pthreads and the processor, as Swift can see them: static inline functions only, no variables (DESIGN.md, section 3).
 * Functions that fail return errno (or zlib's code), 0 for success. */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

/* ---- Files ---------------------------------------------------------------------------------------------------- */

static inline int cp_open(const char *path, int *fd) {
  do *fd = open(path, O_RDONLY | O_CLOEXEC); while (*fd < 0 && errno == EINTR);
  return *fd < 0 ? errno : 0;
}
static inline void cp_close(int fd) { close(fd); }
/* Bytes of a regular file; of anything else -1. */
static inline int cp_file_size(int fd, int64_t *bytes) {
  struct stat s;
  if (fstat(fd, &s)) return errno;
  *bytes = S_ISREG(s.st_mode) ? (int64_t)s.st_size : -1;
  return 0;
}
static inline int cp_map(int fd, size_t bytes, const void **out) {
  void *p = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  if (p == MAP_FAILED) return errno;
  *out = p;
  return 0;
}
static inline void cp_unmap(const void *p, size_t bytes) { munmap((void *)p, bytes); }
/* Reads bytes [0, bytes); a file that ends before gives -1. */
static inline int cp_read(int fd, void *out, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    ssize_t n = pread(fd, (char *)out + done, bytes - done, (off_t)done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return -1;
    done += (size_t)n;
  }
  return 0;
}

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

/* 64-byte aligned; NULL when there is none. */
static inline void *cp_allocate(size_t bytes) {
  void *p = NULL;
  return posix_memalign(&p, 64, bytes) ? NULL : p;
}
static inline void cp_free(void *p) { free(p); }

/* ---- zlib -------------------------------------------------------------------------------------------------------- */

/* zlib takes 32-bit lengths: in pieces. */
static inline uint32_t cp_crc32(uint32_t crc, const void *bytes, size_t count) {
  const unsigned char *p = bytes;
  while (count) {
    unsigned piece = count < (1u << 30) ? (unsigned)count : 1u << 30;
    crc = (uint32_t)crc32(crc, p, piece);
    p += piece;
    count -= piece;
  }
  return crc;
}
/* Inflates a zlib stream of `in_bytes` bytes and returns the CRC-32 of what comes out; it must give exactly `out_bytes` bytes, else Z_DATA_ERROR.
 * out: all of them, or NULL: only their checksum is wanted. */
static inline int cp_inflate(const void *in, size_t in_bytes, void *out, size_t out_bytes, uint32_t *crc) {
  unsigned char piece[8192];
  z_stream z;
  memset(&z, 0, sizeof z);
  int code = inflateInit(&z);
  if (code != Z_OK) return code;
  size_t taken = 0, given = 0;
  *crc = 0;
  for (;;) {
    size_t in_now = in_bytes - taken < (1u << 30) ? in_bytes - taken : 1u << 30;
    size_t room = out_bytes - given < (1u << 30) ? out_bytes - given : 1u << 30;
    if (!out && room > sizeof piece) room = sizeof piece;
    /* One byte of room behind the end, so that a stream that goes on is noticed. */
    unsigned char behind, *target = room == 0 ? &behind : out ? (unsigned char *)out + given : piece;
    z.next_in = (unsigned char *)in + taken;
    z.avail_in = (unsigned)in_now;
    z.next_out = target;
    z.avail_out = room == 0 ? 1 : (unsigned)room;
    code = inflate(&z, Z_NO_FLUSH);
    size_t got = (size_t)(z.next_out - target);
    if (room == 0 && got) { code = Z_DATA_ERROR; break; }
    *crc = cp_crc32(*crc, target, got);
    given += got;
    taken += in_now - z.avail_in;
    if (code == Z_STREAM_END) {
      code = given == out_bytes && taken == in_bytes ? Z_OK : Z_DATA_ERROR;
      break;
    }
    if (code != Z_OK) break; /* Z_BUF_ERROR: the stream is cut short */
  }
  inflateEnd(&z);
  return code;
}
static inline int cp_is_out_of_memory(int zlib_code) { return zlib_code == Z_MEM_ERROR; }

/* ---- Environment and clock -------------------------------------------------------------------------------------- */

/* NULL where it is not set or empty. */
static inline const char *cp_environment_isa(void) {
  const char *value = getenv("CNNRT_ISA");
  return value && *value ? value : NULL;
}
static inline int64_t cp_nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
static inline int32_t cp_process(void) { return (int32_t)getpid(); }

/* ---- Atomics ------------------------------------------------------------------------------------------------------ */

/* Sequentially consistent: a store and a later load of another variable keep their order. */
static inline uint32_t cp_load(const uint32_t *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static inline uint64_t cp_load64(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static inline void cp_store(uint32_t *p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }
static inline void cp_store64(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }
static inline uint32_t cp_add(uint32_t *p, uint32_t v) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); }
/* 1 if *p was `expected` and is now `desired`. */
static inline int cp_exchange_if(uint32_t *p, uint32_t expected, uint32_t desired) {
  return __atomic_compare_exchange_n(p, &expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
static inline int cp_exchange_if64(uint64_t *p, uint64_t expected, uint64_t desired) {
  return __atomic_compare_exchange_n(p, &expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
static inline void cp_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#endif
}
static inline void cp_yield(void) { sched_yield(); }

/* ---- Threads ------------------------------------------------------------------------------------------------------ */

/* Sleeps while *p is `value`; may also return without reason. */
static inline void cp_futex_wait(uint32_t *p, uint32_t value) { syscall(SYS_futex, p, 128 /* WAIT, private */, value, NULL, NULL, 0); }
static inline void cp_futex_wake_all(uint32_t *p) { syscall(SYS_futex, p, 129 /* WAKE, private */, INT32_MAX, NULL, NULL, 0); }

/* A thread with a stack of 256 KiB that takes no signals: those are the host's. */
static inline int cp_thread_start(uint64_t *thread, void *(*body)(void *), void *context) {
  pthread_attr_t attributes;
  sigset_t all, old;
  pthread_t t;
  int code = pthread_attr_init(&attributes);
  if (code) return code;
  pthread_attr_setstacksize(&attributes, 256 << 10);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  code = pthread_create(&t, &attributes, body, context);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  pthread_attr_destroy(&attributes);
  if (!code) *thread = (uint64_t)t;
  return code;
}
static inline void cp_thread_join(uint64_t thread) { pthread_join((pthread_t)thread, NULL); }

/* ---- Floating-point environment ------------------------------------------------------------------------------------ */

/* Round to nearest, subnormals kept, no traps; returns what was set before. */
static inline uint64_t cp_float_begin(void) {
#if defined(__x86_64__)
  uint32_t old = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(0x1F80);
  return old;
#elif defined(__aarch64__)
  uint64_t old;
  __asm__ volatile("mrs %0, fpcr" : "=r"(old));
  if (old) __asm__ volatile("msr fpcr, %0" ::"r"((uint64_t)0) : "memory");
  return old;
#endif
}
static inline void cp_float_end(uint64_t old) {
#if defined(__x86_64__)
  __builtin_ia32_ldmxcsr((uint32_t)old);
#elif defined(__aarch64__)
  if (old) __asm__ volatile("msr fpcr, %0" ::"r"(old) : "memory");
#endif
}

/* The processor's own square root, without libm. */
static inline float cp_square_root(float x) {
#if defined(__x86_64__)
  __asm__("sqrtss %0, %0" : "+x"(x));
#elif defined(__aarch64__)
  __asm__("fsqrt %s0, %s0" : "+w"(x));
#endif
  return x;
}
/* Round to nearest, ties to even, for |x| < 2^22. */
static inline int32_t cp_round(float x) {
  const float shift = 12582912; /* 1.5 · 2^23: adding it leaves no bits behind the point */
  return (int32_t)((x + shift) - shift);
}

/* ---- Processor ------------------------------------------------------------------------------------------------------ */

/* Whether the processor has the instructions and the operating system saves their registers. */
#if defined(__x86_64__)
#include <cpuid.h>
static inline uint64_t cp_xcr0(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}
static inline int cp_x86_level(void) { /* 0 baseline, 3 x86-64-v3, 4 x86-64-v4, 5 with AVX512_VNNI */
  uint32_t a, b, c, d, b7, c7, d7, c81;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  const uint32_t v3c = 1u << 0 | 1u << 9 | 1u << 12 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 22 | 1u << 23 | 1u << 27 | 1u << 28 |
                       1u << 29; /* SSE3 SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT OSXSAVE AVX F16C */
  if ((c & v3c) != v3c || (cp_xcr0() & 6) != 6) return 0;
  if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7)) return 0;
  if (!__get_cpuid(0x80000001, &a, &b, &c81, &d)) return 0;
  const uint32_t v3b7 = 1u << 3 | 1u << 5 | 1u << 8; /* BMI1 AVX2 BMI2 */
  if ((b7 & v3b7) != v3b7 || !(c81 & 1u << 5)) return 0; /* LZCNT */
  const uint32_t v4b7 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31; /* AVX512 F DQ CD BW VL */
  if ((b7 & v4b7) != v4b7 || (cp_xcr0() & 0xE6) != 0xE6) return 3;
  return c7 & 1u << 11 ? 5 : 4;
}
#elif defined(__aarch64__)
#include <sys/auxv.h>
static inline int cp_has_dotprod(void) { return (getauxval(16 /* AT_HWCAP */) & 1u << 20) != 0; }
#endif
