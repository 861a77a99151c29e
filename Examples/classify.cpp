// classify.cpp: what is in a picture? A whole C++17 program on libcnnrt, by way of cnnrt.hpp.
//
//   c++ -std=c++17 classify.cpp $(pkg-config --cflags --libs cnnrt) -o classify
//   ./classify model.cnn picture.pgm
//
// Pictures are binary PGM or PPM (P5, P6), read by the program itself so that it needs no other library.
#include <cnnrt.hpp>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

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
};

int main(int argc, char **argv) try {
  if (argc != 3) {
    std::cerr << "usage: classify MODEL.cnn PICTURE.pgm\n";
    return 2;
  }
  const Picture picture(argv[2]);
  cnnrt::Session session = cnnrt::Session::create(cnnrt::Model::open(argv[1])); // keeps the model open
  session.set_image({picture.pixels.data(), picture.width, picture.height, picture.channels});
  session.run();
  for (const cnnrt::Class &best : session.top_k(3)) {
    const std::string name = best.label.empty() ? "class " + std::to_string(best.index) : std::string(best.label);
    std::printf("%6.2f %%  %s\n", 100.0 * best.score, name.c_str());
  }
  return 0;
} catch (const std::exception &problem) {
  std::cerr << "classify: " << problem.what() << '\n';
  return 1;
}
