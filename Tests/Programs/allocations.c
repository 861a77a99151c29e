/* allocations BUNDLE: counts every way to get memory (malloc and its kin, mmap, brk) through 1,000 runs, with all that a program does
 * between them. Prints "before N during M". */
#define _GNU_SOURCE
#include "host.h"
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);
static volatile long calls;

#define COUNT __atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST)
void *malloc(size_t n) { COUNT; return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { COUNT; return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { COUNT; return __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { COUNT; return __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { COUNT; return __libc_memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n) { COUNT; return (*p = __libc_memalign(a, n)) ? 0 : ENOMEM; }
void free(void *p) { if (p) COUNT; __libc_free(p); }
void *mmap(void *p, size_t n, int prot, int flags, int fd, off_t offset) {
  COUNT;
  return (void *)syscall(SYS_mmap, p, n, prot, flags, fd, offset);
}

int main(int argc, char **argv) {
  (void)argc;
  cnnrt_model *model;
  must(cnnrt_model_open(argv[1], NULL, &model, &error), "open");
  cnnrt_session *sessions[] = {session(model, 1), session(model, 3)};
  cnnrt_array in = input(model), out = output(model);
  uint8_t pixels[3 * 50 * 40];
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 7);
  cnnrt_image image = {.size = sizeof image, .pixels = pixels, .width = 50, .height = 40, .channels = 3, .row_bytes = 150};
  long before = calls;
  for (int i = 0; i < 1000; i++) {
    cnnrt_session *s = sessions[i & 1];
    cnnrt_class best[3];
    if (i & 2) must(cnnrt_session_set_input(s, 0, &in, &error), "set_input");
    else must(cnnrt_session_set_image(s, &image, &error), "set_image");
    must(cnnrt_session_run(s, &error), "run");
    must(cnnrt_session_get_output(s, 0, &out, &error), "get_output");
    must(cnnrt_session_top_k(s, 0, 3, best, &error), "top_k");
  }
  long during = calls - before;
  printf("before %ld during %ld\n", before, during);
  cnnrt_session_destroy(sessions[0]);
  cnnrt_session_destroy(sessions[1]);
  cnnrt_model_close(model);
  return 0;
}
