/* A source file without exceptions, for a program that may have them elsewhere. */
#ifndef CNNRT_NO_EXCEPTIONS
#define CNNRT_NO_EXCEPTIONS
#endif
#include <cnnrt.hpp>

bool opens(const char *path);
bool opens(const char *path) {
  cnnrt::Result<cnnrt::Model> model = cnnrt::Model::open(path);
  if (!model) return model.error().status() != CNNRT_ERROR_IO;
  cnnrt::Result<cnnrt::Session> session = cnnrt::Session::create(*model);
  const cnnrt::Result<void> result = session->self_test();
  return result && result.has_value() && session->model().info().input_count == 1 &&
         cnnrt::Model::open("missing.cnn").value_or(*model).info().input_count == 1;
}
