/* fork BUNDLE: a child of fork has none of its parent's threads. Sessions from before run there, and new ones can be made. */
#include "host.h"
#include <sys/wait.h>
#include <unistd.h>

static void run(cnnrt_session *s, cnnrt_array *out, const char *what) {
  must(cnnrt_session_run(s, &error), what);
  must(cnnrt_session_get_output(s, 0, out, &error), what);
}

int main(int argc, char **argv) {
  (void)argc;
  cnnrt_model *model;
  must(cnnrt_model_open(argv[1], NULL, &model, &error), "open");
  cnnrt_array expected = output(model), got = output(model);
  cnnrt_session *s = session(model, 3);
  for (int i = 0; i < 50; i++) run(s, &expected, "parent");
  for (int round = 0; round < 20; round++) {
    pid_t child = fork();
    if (child == 0) {
      alarm(20);
      run(s, &got, "child, its parent's session");
      if (memcmp(expected.data, got.data, array_bytes(&got))) return 2;
      cnnrt_session *own = session(model, 3);
      for (int i = 0; i < 20; i++) run(own, &got, "child, its own session");
      if (memcmp(expected.data, got.data, array_bytes(&got))) return 3;
      run(s, &got, "child, its parent's session again");
      cnnrt_session_destroy(s);
      cnnrt_session_destroy(own);
      cnnrt_model_close(model);
      _exit(0);
    }
    run(s, &got, "parent after fork");
    int status = 1;
    waitpid(child, &status, 0);
    if (status || memcmp(expected.data, got.data, array_bytes(&got))) {
      fprintf(stderr, "round %d: status %x\n", round, status);
      return 1;
    }
  }
  cnnrt_session_destroy(s);
  cnnrt_model_close(model);
  printf("same\n");
  return 0;
}
