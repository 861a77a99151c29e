/* environment BUNDLE: the host may round upwards and flush subnormals to zero: the results are the same to the bit, and its environment
 * stays as it was, in the caller and under the caller's parallel-for. */
#include "host.h"
#include <fenv.h>

static uint64_t control(void) {
#if defined(__x86_64__)
  return __builtin_ia32_stmxcsr() & 0xFFC0; /* without the sticky flags */
#else
  uint64_t v;
  __asm__ volatile("mrs %0, fpcr" : "=r"(v));
  return v;
#endif
}
static void set(uint64_t v) {
#if defined(__x86_64__)
  __builtin_ia32_ldmxcsr((uint32_t)v);
#else
  __asm__ volatile("msr fpcr, %0" ::"r"(v));
#endif
}
#if defined(__x86_64__)
static const uint64_t hosts[] = {0x5F80 /* up */, 0x3F80 /* down */, 0x7F80 /* to zero */, 0x9FC0 /* flush, subnormals are zero */, 0xFFC0};
#else
static const uint64_t hosts[] = {1 << 22, 2 << 22, 3 << 22, 1 << 24, (3 << 22) | (1 << 24)};
#endif

static void one_after_another(void *context, void (*task)(void *, int32_t), void *task_context, int32_t count) {
  (void)context;
  for (int32_t i = count - 1; i >= 0; i--) {
    uint64_t before = control();
    task(task_context, i);
    if (control() != before) { fprintf(stderr, "a task changed the environment\n"); exit(1); }
  }
}

int main(int argc, char **argv) {
  (void)argc;
  cnnrt_model *model;
  must(cnnrt_model_open(argv[1], NULL, &model, &error), "open");
  uint8_t pixels[3 * 50 * 40];
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 7);
  cnnrt_image image = {.size = sizeof image, .pixels = pixels, .width = 50, .height = 40, .channels = 3, .row_bytes = 150};
  cnnrt_array expected = output(model), got = output(model), in = input(model);
  cnnrt_class best, wanted;
  for (int way = 0; way < 6; way++) {
    int threads = way % 2 ? 3 : 1;
    for (int h = -1; h < (int)(sizeof hosts / sizeof *hosts); h++) {
      uint64_t old = control();
      if (h >= 0) set(hosts[h]);
      uint64_t before = control();
      cnnrt_session *s;
      cnnrt_session_options options = {.size = sizeof options, .threads = threads, .parallel_for = way >= 4 ? one_after_another : NULL};
      must(cnnrt_session_create(model, &options, &s, &error), "create");
      if (way & 2) {
        if (in.type == CNNRT_FLOAT32) for (size_t i = 0; i < array_bytes(&in) / 4; i++) ((float *)in.data)[i] = 1e-40f * (float)(i % 9);
        must(cnnrt_session_set_input(s, 0, &in, &error), "set_input");
      } else {
        must(cnnrt_session_set_image(s, &image, &error), "set_image");
      }
      must(cnnrt_session_run(s, &error), "run");
      must(cnnrt_session_get_output(s, 0, h < 0 ? &expected : &got, &error), "get_output");
      must(cnnrt_session_top_k(s, 0, 1, h < 0 ? &wanted : &best, &error), "top_k");
      cnnrt_session_destroy(s);
      uint64_t after = control();
      set(old);
      if (after != before) { fprintf(stderr, "the environment %llx became %llx\n", (unsigned long long)before, (unsigned long long)after); return 1; }
      if (h >= 0 && (memcmp(expected.data, got.data, array_bytes(&got)) || memcmp(&best, &wanted, sizeof best))) {
        fprintf(stderr, "way %d: another result under %llx\n", way, (unsigned long long)hosts[h]);
        return 1;
      }
    }
  }
  cnnrt_model_close(model);
  printf("same\n");
  return 0;
}
