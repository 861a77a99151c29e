/* What the test programs share: they use the library as any C program does, in a process of their own. */
#pragma once
#include <cnnrt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cnnrt_error error = CNNRT_ERROR_INIT;

static inline void must(cnnrt_status status, const char *what) {
  if (status == CNNRT_OK) return;
  fprintf(stderr, "%s: %s: %s\n", what, error.where, error.message);
  exit(1);
}

static inline cnnrt_session *session(const cnnrt_model *model, int threads) {
  cnnrt_session_options options = {.size = sizeof options, .threads = threads};
  cnnrt_session *session;
  must(cnnrt_session_create(model, &options, &session, &error), "create");
  return session;
}

/* An input's or output's array in plain order, in its own type; data to be freed. */
static inline cnnrt_array array(cnnrt_tensor_info info) {
  cnnrt_array a = {.size = sizeof a, .type = info.type, .rank = info.rank};
  size_t bytes = info.type == CNNRT_FLOAT32 ? 4 : 1;
  for (uint32_t i = 0; i < info.rank; i++) bytes *= (size_t)(a.shape[i] = info.shape[i]);
  a.data = calloc(1, bytes);
  return a;
}

static inline size_t array_bytes(const cnnrt_array *a) {
  size_t bytes = a->type == CNNRT_FLOAT32 ? 4 : 1;
  for (uint32_t i = 0; i < a->rank; i++) bytes *= (size_t)a->shape[i];
  return bytes;
}

static inline cnnrt_array input(const cnnrt_model *model) {
  cnnrt_tensor_info info = {.size = sizeof info};
  must(cnnrt_model_get_input(model, 0, &info), "input");
  return array(info);
}

static inline cnnrt_array output(const cnnrt_model *model) {
  cnnrt_tensor_info info = {.size = sizeof info};
  must(cnnrt_model_get_output(model, 0, &info), "output");
  return array(info);
}
