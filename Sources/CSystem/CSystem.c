#define _POSIX_C_SOURCE 200809L
#include "CSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int fail(system_error *error, const char *what, int code) {
  snprintf(error->message, sizeof error->message, "%s%s%s", what, code ? ": " : "", code ? strerror(code) : "");
  return 1;
}

static int fail_large(system_error *error, size_t max_bytes) {
  snprintf(error->message, sizeof error->message, "is larger than the %zu MB that are allowed", max_bytes >> 20);
  return 1;
}

/* Reads until the end, `expected` bytes at first: one more than a file's size finds its end without growing the buffer. */
static int read_all(int descriptor, size_t expected, size_t max_bytes, system_file *out, system_error *error) {
  size_t capacity = expected;
  for (;;) {
    if (out->count == capacity) capacity = capacity < 1 << 16 ? 1 << 17 : 2 * capacity;
    if (capacity > max_bytes + 1) capacity = max_bytes + 1;
    uint8_t *bytes = realloc(out->bytes, capacity);
    if (!bytes) return fail(error, "is too large for this machine's memory", 0);
    out->bytes = bytes;
    ssize_t got = read(descriptor, bytes + out->count, capacity - out->count);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(error, "cannot be read", errno);
    if (got == 0) return 0;
    out->count += (size_t)got;
    if (out->count > max_bytes) return fail_large(error, max_bytes);
  }
}

int system_read_stream(int descriptor, size_t max_bytes, system_file *out, system_error *error) {
  *out = (system_file){NULL, 0};
  struct stat status;
  int failed = 0;
  if (fstat(descriptor, &status) != 0) failed = fail(error, "cannot be read", errno);
  else if (S_ISDIR(status.st_mode)) failed = fail(error, "is a directory; name the files in it", 0);
  else if (status.st_size > 0 && (uint64_t)status.st_size > max_bytes)
    failed = fail_large(error, max_bytes);
  else failed = read_all(descriptor, (size_t)status.st_size + 1, max_bytes, out, error);
  if (failed) {
    free(out->bytes);
    *out = (system_file){NULL, 0};
  }
  return failed;
}

int system_read_file(const char *path, size_t max_bytes, system_file *out, system_error *error) {
  *out = (system_file){NULL, 0};
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return fail(error, "cannot be opened", errno);
  int failed = system_read_stream(descriptor, max_bytes, out, error);
  close(descriptor);
  return failed;
}

int system_write(int descriptor, const void *bytes, size_t count) {
  const uint8_t *next = bytes;
  while (count > 0) {
    ssize_t written = write(descriptor, next, count);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return 1;
    next += written;
    count -= (size_t)written;
  }
  return 0;
}

static int write_both(int descriptor, const void *head, size_t head_count, const void *body, size_t body_count) {
  return system_write(descriptor, head, head_count) || system_write(descriptor, body, body_count);
}

int system_write_file(const char *path, const void *head, size_t head_count, const void *body, size_t body_count,
                      system_error *error) {
  struct stat status;
  if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return fail(error, "cannot be opened", errno);
    int failed = write_both(descriptor, head, head_count, body, body_count);
    if (failed) fail(error, "cannot be written", errno);
    close(descriptor);
    return failed;
  }
  size_t length = strlen(path);
  char *beside = malloc(length + 8);
  if (!beside) return fail(error, "cannot be written", ENOMEM);
  memcpy(beside, path, length);
  memcpy(beside + length, ".XXXXXX", 8);
  int failed = 0;
  int descriptor = mkstemp(beside);
  if (descriptor < 0) failed = fail(error, "cannot be created", errno);
  if (!failed) {
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(descriptor, 0666 & ~mask) || write_both(descriptor, head, head_count, body, body_count)
        || fsync(descriptor))
      failed = fail(error, "cannot be written", errno);
    if (close(descriptor) && !failed) failed = fail(error, "cannot be written", errno);
    if (!failed && rename(beside, path)) failed = fail(error, "cannot be replaced", errno);
    if (failed) unlink(beside);
  }
  free(beside);
  return failed;
}

void *system_allocate(size_t count) { return malloc(count ? count : 1); }
void system_free(void *pointer) { free(pointer); }

uint64_t system_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

const char *system_describe(int code) { return strerror(code); }

const char *system_environment(const char *name) { return getenv(name); }

size_t system_format(char *text, size_t capacity, double value, int digits) {
  int count = digits < 0 ? snprintf(text, capacity, "%.9g", value) : snprintf(text, capacity, "%.*f", digits, value);
  if (count < 0) return 0;
  return (size_t)count < capacity ? (size_t)count : capacity - 1;
}
