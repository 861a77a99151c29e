/* CSystem.h: what a tool without the Swift runtime needs of libc: whole files, the standard streams, the clock, numbers as
 * text. Nothing here prints by itself; a function that can fail returns 0 for success and describes the failure in `error`. */
#ifndef CSYSTEM_H
#define CSYSTEM_H
#include <stddef.h>
#include <stdint.h>

/* A whole file in memory; free with system_free. */
typedef struct system_file {
  uint8_t *bytes;
  size_t count;
} system_file;

typedef struct system_error {
  char message[256]; /* what happened, no newline: "cannot be opened: Permission denied" */
} system_error;

/* Reads a regular file, a pipe or a device to its end. Refuses directories and more than max_bytes. */
int system_read_file(const char *path, size_t max_bytes, system_file *out, system_error *error);

/* The same from a descriptor that is open and stays so: 0 is standard input. */
int system_read_stream(int descriptor, size_t max_bytes, system_file *out, system_error *error);

/* Writes head, then body. A regular file is replaced as a whole (written beside, synced, renamed), so that it is never half
 * there; devices and pipes are written as they are. */
int system_write_file(const char *path, const void *head, size_t head_count, const void *body, size_t body_count,
                      system_error *error);

/* Writes all bytes to a descriptor (1: standard output, 2: standard error). Non-zero if that failed. */
int system_write(int descriptor, const void *bytes, size_t count);

/* NULL if there is not so much memory. */
void *system_allocate(size_t count);
void system_free(void *pointer);

/* Monotonic, nanoseconds. */
uint64_t system_clock(void);

/* What an errno means: "No such file or directory". */
const char *system_describe(int code);

/* The value of an environment variable, or NULL. */
const char *system_environment(const char *name);

/* `value` with `digits` places after the point ("12.50"), or in as many digits as tell every float apart
 * (digits < 0: "0.9987654"). Returns the count of characters, at most capacity − 1. */
size_t system_format(char *text, size_t capacity, double value, int digits);

#endif
