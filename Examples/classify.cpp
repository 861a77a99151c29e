// classify.cpp: what is in a picture? A whole C++17 program on libcnnrt, with the handles in smart pointers.
//
//   c++ -std=c++17 classify.cpp $(pkg-config --cflags --libs cnnrt) -o classify
//   ./classify model.cnn picture.pgm
//
// Pictures are binary PGM or PPM (P5, P6), read by the program itself so that it needs no other library.
#include <cnnrt.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

struct CloseModel {
  void operator()(cnnrt_model *model) const { cnnrt_model_close(model); }
};
struct DestroySession {
  void operator()(cnnrt_session *session) const { cnnrt_session_destroy(session); }
};

// Throws what the library says if a call failed.
static void check(cnnrt_status status, const cnnrt_error &error) {
  if (status != CNNRT_OK) throw std::runtime_error(std::string(error.where) + ": " + error.message);
}

struct Picture {
  std::uint32_t width = 0, height = 0, channels = 0;
  std::vector<std::uint8_t> pixels;

  explicit Picture(const char *path) {
    std::ifstream file(path, std::ios::binary);
    std::string kind;
    std::uint32_t largest = 0;
    file >> kind >> width >> height >> largest;
    file.get();
    if (!file || (kind != "P5" && kind != "P6") || largest != 255 || width - 1 > 65534 || height - 1 > 65534)
      throw std::runtime_error(std::string(path) + ": is not a readable binary PGM or PPM with 8 bits");
    channels = kind == "P5" ? 1 : 3;
    pixels.resize(std::size_t{width} * height * channels);
    if (!file.read(reinterpret_cast<char *>(pixels.data()), static_cast<std::streamsize>(pixels.size())))
      throw std::runtime_error(std::string(path) + ": ends early");
  }

  cnnrt_image view() const {
    cnnrt_image image{};
    image.size = sizeof image;
    image.pixels = pixels.data();
    image.width = width;
    image.height = height;
    image.channels = channels;
    image.row_bytes = std::int64_t{width} * channels;
    return image;
  }
};

int main(int argc, char **argv) try {
  if (argc != 3) {
    std::cerr << "usage: classify MODEL.cnn PICTURE.pgm\n";
    return 2;
  }
  const Picture picture(argv[2]);
  const cnnrt_image image = picture.view();

  cnnrt_error error = CNNRT_ERROR_INIT;
  cnnrt_model *opened = nullptr;
  check(cnnrt_model_open(argv[1], nullptr, &opened, &error), error);
  const std::unique_ptr<cnnrt_model, CloseModel> model(opened);
  cnnrt_session *created = nullptr;
  check(cnnrt_session_create(model.get(), nullptr, &created, &error), error);
  const std::unique_ptr<cnnrt_session, DestroySession> session(created);

  check(cnnrt_session_set_image(session.get(), &image, &error), error);
  check(cnnrt_session_run(session.get(), &error), error);
  std::array<cnnrt_class, 3> best{};
  check(cnnrt_session_top_k(session.get(), 0, best.size(), best.data(), &error), error);
  for (const cnnrt_class &result : best) {
    if (result.index == std::numeric_limits<std::uint32_t>::max()) break; // the network has fewer classes
    const char *label = cnnrt_model_label(model.get(), result.index);
    const std::string name = label ? label : "class " + std::to_string(result.index);
    std::printf("%6.2f %%  %s\n", 100.0 * result.score, name.c_str());
  }
  return 0;
} catch (const std::exception &problem) {
  std::cerr << "classify: " << problem.what() << '\n';
  return 1;
}
