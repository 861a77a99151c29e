/* cnnrt.hpp: every function, its errors, moves, lifetimes and threads. wrapper CLASSIFIER.cnn TWO.cnn QUANTIZED.cnn */
#include "outcome.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <thread>
#include <unistd.h>

/* Of returning.cpp: another source file of the program, which may report errors in the other way. */
bool opens(const char *path);

using Floats = std::vector<float>;

static Floats ramp(std::size_t count, float step, float first = 0) {
  Floats values(count);
  for (std::size_t i = 0; i < count; i++) values[i] = first + step * static_cast<float>(i % 29);
  return values;
}

static Floats scores(cnnrt::Session &session, const Floats &image) {
  MUST(session.set_input(0, image));
  MUST(session.run());
  return MUST(session.output());
}

static void models(const char *path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const int descriptor = open(path, O_RDONLY);
  const cnnrt::Model by_descriptor = MUST(cnnrt::Model::open_fd(descriptor));
  close(descriptor);
  cnnrt::ModelOptions careful;
  careful.copy = careful.verify = true;
  cnnrt::Model from_memory;
  {
    const std::vector<char> copied = bytes;
    from_memory = MUST(cnnrt::Model::open_memory(copied.data(), copied.size(), careful));
  }
  for (const cnnrt::Model &model : {MUST(cnnrt::Model::open(path)), MUST(cnnrt::Model::open(path, careful)), by_descriptor, from_memory}) {
    CHECK(model && model.info().file_bytes == bytes.size() && model.info().has_self_test);
    CHECK(model.inputs().size() == 1 && model.inputs()[0].shape == cnnrt::Shape({1, 1, 28, 28}));
    CHECK(MUST(model.input()).name == model.inputs()[0].name && MUST(model.input(model.inputs()[0].name)).shape.elements() == 784);
    CHECK(MUST(model.output(0)).shape == (cnnrt::Shape{1, 10}) && MUST(model.output()).type == CNNRT_FLOAT32);
    CHECK(model.layers().size() == model.info().layer_count && model.layers()[0].op == "Conv");
    CHECK(MUST(model.layer(0)).multiply_adds > 0 && MUST(model.layer(0)).output.shape.rank() == 4);
    CHECK(model.labels().size() == 10 && model.label(3) == "class 3" && !model.label(10));
    CHECK(model.metadata("key") == "value" && !model.metadata("kez"));
    CHECK(model.metadata().size() == 2 && model.metadata()[0].first == "key" && model.metadata()[1].second == "");
    CHECK(model.recipe() && model.recipe()->width == 28 && model.recipe()->mean[0] == 0.25f);
    CHECK(cnnrt::isa() && *cnnrt::isa() == model.info().isa);
    MUST(model.verify());
    FAILS(model.input(1), CNNRT_ERROR_INVALID_ARGUMENT, "index");
    FAILS(model.input(-1), CNNRT_ERROR_INVALID_ARGUMENT, "index");
    FAILS(model.output("nothing"), CNNRT_ERROR_INVALID_ARGUMENT, "nothing");
    FAILS(model.layer(999), CNNRT_ERROR_INVALID_ARGUMENT, "index");
  }
  const std::vector<std::string_view> isas = cnnrt::available_isas();
  CHECK(!isas.empty() && cnnrt::version() >= 10000 && cnnrt::version_string().size() >= 5);
  cnnrt::ModelOptions options;
  options.isa = isas.front().data();
  CHECK(MUST(cnnrt::Model::open(path, options)).info().isa == isas.front());

  FAILS(cnnrt::Model::open("missing.cnn"), CNNRT_ERROR_IO, "missing.cnn");
  FAILS(cnnrt::Model::open_fd(-1), CNNRT_ERROR_IO, "");
  FAILS(cnnrt::Model::open_memory(bytes.data(), 0), CNNRT_ERROR_FORMAT, "");
  FAILS(cnnrt::Model::open_memory(bytes.data(), bytes.size() / 2), CNNRT_ERROR_FORMAT, "");
  options.isa = "z80";
  FAILS(cnnrt::Model::open(path, options), CNNRT_ERROR_UNSUPPORTED, "z80");
  options = {};
  options.max_work = 100;
  FAILS(cnnrt::Model::open(path, options), CNNRT_ERROR_LIMIT, "");
  options = {};
  options.max_memory = 100;
  FAILS(cnnrt::Model::open(path, options), CNNRT_ERROR_LIMIT, "");
  const cnnrt::Error error(CNNRT_ERROR_IO, "here", "");
  CHECK(std::strstr(error.what(), "here: ") && std::strlen(error.what()) > 6 && !error.offset() && error.system_error() == 0);
}

static void data(const char *path, const char *two_path, const char *quantized_path) {
  const cnnrt::Model model = MUST(cnnrt::Model::open(path));
  cnnrt::Session session = MUST(cnnrt::Session::create(model));
  FAILS(session.output(), CNNRT_ERROR_STATE, "cnnrt_session_run");
  FAILS(session.top_k(3), CNNRT_ERROR_STATE, "");
  const Floats image = ramp(784, 1.0f / 29);
  const Floats expected = scores(session, image);
  CHECK(expected.size() == 10);

  /* Every way in. */
  const auto same = [&] {
    MUST(session.run());
    return MUST(session.output()) == expected;
  };
  MUST(session.set_input(0, cnnrt::Span<const float>(image.data(), image.size())));
  CHECK(same());
  MUST(session.set_input(MUST(model.input()).name, image, {1, 1, 28, 28}));
  CHECK(same());
  MUST(session.set_input(0, cnnrt::View(image.data(), {1, 1, 28, 28})));
  CHECK(same());
  const cnnrt::View<float> input = MUST(session.map_input());
  CHECK(input.shape() == cnnrt::Shape({1, 1, 28, 28}));
  for (int y = 0; y < 28; y++)
    for (int x = 0; x < 28; x++) {
      CHECK(input(0, 0, y, x) == image[static_cast<std::size_t>(28 * y + x)]);
      input(0, 0, y, x) = 1;
    }
  MUST(session.run());
  CHECK(MUST(session.output()) == scores(session, Floats(784, 1.0f)));
#ifdef __cpp_lib_span
  MUST(session.set_input(0, std::span<const float>(image)));
  CHECK(same());
  const std::span<const float> borrowed = cnnrt::Span<const float>(image);
  CHECK(borrowed.size() == image.size());
#endif
  MUST(session.set_input(0, image));

  /* Every way out. */
  CHECK(same());
  std::array<float, 10> array{};
  MUST(session.get_output(0, array));
  CHECK(std::equal(array.begin(), array.end(), expected.begin()));
  std::array<float, 20> spread{};
  MUST(session.get_output(0, cnnrt::View(spread.data(), {1, 10}, {20, 2})));
  const cnnrt::View<const float> output = MUST(session.map_output());
  CHECK(output.is_contiguous());
  for (std::size_t i = 0; i < 10; i++) CHECK(spread[2 * i] == expected[i] && spread[2 * i + 1] == 0 && output(0, i) == expected[i]);
  const std::vector<cnnrt::Class> best = MUST(session.top_k(3));
  CHECK(best.size() == 3 && best[0].score == *std::max_element(expected.begin(), expected.end()));
  CHECK(best[0].score >= best[1].score && best[0].label == "class " + std::to_string(best[0].index));
  CHECK(MUST(session.top_k(0)).empty() && MUST(session.top_k(UINT32_MAX)).size() == 10);
  std::array<cnnrt_class, 12> classes{};
  MUST(session.top_k(classes));
  CHECK(classes[0].index == best[0].index && classes[11].index == UINT32_MAX);
  CHECK(!session.layer_nanoseconds(0));

  /* What is refused. */
  FAILS(session.set_input(0, Floats(783)), CNNRT_ERROR_INVALID_ARGUMENT, "783 values were given; its shape with the batch has 784");
  FAILS(session.set_input(0, image, {1, 784}), CNNRT_ERROR_INVALID_ARGUMENT, "rank");
  FAILS(session.set_input(0, image, {1, 1, 1, 1, 1, 28, 28}), CNNRT_ERROR_INVALID_ARGUMENT, "");
  FAILS(session.set_input(0, image, {1, 1, 14, 56}), CNNRT_ERROR_INVALID_ARGUMENT, "shape");
  FAILS(session.set_input(0, cnnrt::View(image.data(), {1, 1, 28, 28}, {0, 0, 0, 0})), CNNRT_ERROR_INVALID_ARGUMENT, "strides");
  FAILS(session.set_input(0, cnnrt::View(image.data(), {1, 1, 28, 28}, {28, 1})), CNNRT_ERROR_INVALID_ARGUMENT, "strides");
  FAILS(session.set_input(0, cnnrt::View<float>()), CNNRT_ERROR_INVALID_ARGUMENT, "");
  FAILS(session.set_input(0, std::vector<std::uint8_t>(784)), CNNRT_ERROR_INVALID_ARGUMENT, "type");
  FAILS(session.set_input(7, image), CNNRT_ERROR_INVALID_ARGUMENT, "index");
  FAILS(session.set_input("nothing", image), CNNRT_ERROR_INVALID_ARGUMENT, "nothing");
  FAILS(session.output(-1), CNNRT_ERROR_INVALID_ARGUMENT, "index");
  FAILS(session.get_output(0, cnnrt::Span<float>(array.data(), 9)), CNNRT_ERROR_INVALID_ARGUMENT, "9 values");
  FAILS(session.map_input<std::uint8_t>(), CNNRT_ERROR_INVALID_ARGUMENT, "type");
  FAILS(session.top_k(3, 0, 1), CNNRT_ERROR_INVALID_ARGUMENT, "batch_index");

  /* Pixels, upright and upside down, by the recipe; and the bundle's own test. */
  std::vector<std::uint8_t> pixels(28 * 30), turned(28 * 30);
  for (std::size_t i = 0; i < pixels.size(); i++) pixels[i] = static_cast<std::uint8_t>(i * 37);
  for (std::size_t y = 0; y < 28; y++) std::copy_n(&pixels[30 * y], 30, &turned[30 * (27 - y)]);
  MUST(session.set_image({pixels.data(), 28, 28, 1, 30}));
  MUST(session.run());
  const Floats upright = MUST(session.output());
  MUST(session.set_image({&turned[30 * 27], 28, 28, 1, -30}));
  MUST(session.run());
  CHECK(MUST(session.output()) == upright && upright != expected);
  FAILS(session.set_image({pixels.data(), 28, 28, 1}, 1), CNNRT_ERROR_INVALID_ARGUMENT, "batch_index");
  FAILS(session.set_image({nullptr, 28, 28, 1}), CNNRT_ERROR_INVALID_ARGUMENT, "pixels");
  FAILS(session.set_image({pixels.data(), 28, 28, 5}), CNNRT_ERROR_INVALID_ARGUMENT, "image");
  MUST(session.self_test());

  /* Several inputs and outputs, a batch, and memory in any order. */
  cnnrt::SessionOptions options;
  options.batch = 2;
  options.profile = true;
  cnnrt::Session two = MUST(cnnrt::Session::create(MUST(cnnrt::Model::open(two_path)), options));
  CHECK(two.batch() == 2 && !two.model().recipe());
  const Floats left = ramp(120, 2), right = ramp(120, -3, 7);
  Floats interleaved(120), sum(120), back(120), rectified(120);
  for (std::size_t i = 0; i < 120; i++) {
    const std::size_t n = i / 60, c = i / 20 % 3, yx = i % 20;
    interleaved[60 * n + 3 * yx + c] = left[i];
    sum[i] = left[i] + right[i];
    rectified[i] = std::max(right[i], 0.0f);
  }
  const cnnrt::Shape shape = {2, 3, 4, 5};
  const auto nhwc = cnnrt::View<float>::channels_last(interleaved.data(), shape);
  CHECK(nhwc(1, 2, 3, 4) == left[60 + 40 + 15 + 4] && !nhwc.is_contiguous());
  MUST(two.set_input("left", nhwc));
  MUST(two.set_input(std::string("right"), right));
  MUST(two.run());
  CHECK(MUST(two.output("sum")) == sum && MUST(two.output(1)) == rectified);
  MUST(two.get_output("sum", cnnrt::View<float>::channels_last(back.data(), shape)));
  MUST(two.set_input("left", cnnrt::View<float>::channels_last(back.data(), shape)));
  MUST(two.run());
  CHECK(MUST(two.output("rectified")) == rectified && two.layer_nanoseconds(0));
  FAILS(two.set_image({pixels.data(), 5, 4, 3}), CNNRT_ERROR_STATE, "recipe");
  FAILS(two.self_test(), CNNRT_ERROR_STATE, "");

  /* Stored values of a quantized network. */
  cnnrt::Session quantized = MUST(cnnrt::Session::create(MUST(cnnrt::Model::open(quantized_path))));
  const cnnrt::TensorInfo info = MUST(quantized.model().input());
  CHECK(info.type == CNNRT_UINT8 && info.scale == 0.5f && info.zero_point == 10);
  std::vector<std::uint8_t> stored(static_cast<std::size_t>(info.shape.elements()));
  for (std::size_t i = 0; i < stored.size(); i++) stored[i] = static_cast<std::uint8_t>(i * 11);
  MUST(quantized.set_input(0, stored));
  CHECK(MUST(quantized.map_input<std::uint8_t>())(0, 0, 0, 1) == 11);
  MUST(quantized.run());
  const std::vector<std::uint8_t> result = MUST(quantized.output<std::uint8_t>());
  const Floats real = MUST(quantized.output());
  std::vector<std::uint8_t> into(result.size());
  MUST(quantized.get_output(0, into));
  CHECK(into == result);
  for (std::size_t i = 0; i < result.size(); i++)
    CHECK(result[i] == std::max<std::uint8_t>(stored[i], 10) && real[i] == 0.5f * static_cast<float>(result[i] - 10));
  FAILS(quantized.map_output<float>(), CNNRT_ERROR_INVALID_ARGUMENT, "type");
}

/* Counts what it gives and gets back. */
class Counting : public std::pmr::memory_resource {
 public:
  std::size_t allocations = 0, bytes = 0, most = 0;

 private:
  void *do_allocate(std::size_t size, std::size_t alignment) override {
    allocations++;
    bytes += size;
    most = std::max(most, bytes);
    return ::operator new(size, std::align_val_t(alignment));
  }
  void do_deallocate(void *memory, std::size_t size, std::size_t alignment) override {
    bytes -= size;
    ::operator delete(memory, std::align_val_t(alignment));
  }
  bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override { return this == &other; }
};

static void memory(const char *path) {
  const cnnrt::Model model = MUST(cnnrt::Model::open(path));
  const Floats image = ramp(784, 0.02f);
  cnnrt::Session plain = MUST(cnnrt::Session::create(model));
  const Floats expected = scores(plain, image);
  const std::size_t bytes = MUST(cnnrt::Session::arena_size(model));

  cnnrt::SessionOptions options;
  std::vector<std::byte> room(bytes + 128, std::byte{0xA5});
  void *place = room.data();
  std::size_t space = room.size();
  std::align(64, bytes, place, space);
  for (int round = 0; round < 2; round++) {
    options.arena = {static_cast<std::byte *>(place), bytes};
    cnnrt::Session session = MUST(cnnrt::Session::create(model, options));
    CHECK(scores(session, image) == expected && static_cast<std::byte *>(place)[bytes] == std::byte{0xA5});
    options.arena = {static_cast<std::byte *>(place), bytes - 1};
    FAILS(cnnrt::Session::create(model, options), CNNRT_ERROR_INVALID_ARGUMENT, "arena");
    options.arena = {static_cast<std::byte *>(place) + 1, bytes};
    FAILS(cnnrt::Session::create(model, options), CNNRT_ERROR_INVALID_ARGUMENT, "arena");
  }

  Counting counting;
  options = {};
  options.memory = &counting;
  {
    cnnrt::Session session = MUST(cnnrt::Session::create(model, options));
    CHECK(counting.allocations == 1 && counting.bytes == bytes);
    CHECK(scores(session, image) == expected);
    const cnnrt::Session moved = std::move(session);
    CHECK(counting.bytes == bytes);
  }
  CHECK(counting.bytes == 0 && counting.allocations == 1);
  options.batch = -1;
  FAILS(cnnrt::Session::create(model, options), CNNRT_ERROR_INVALID_ARGUMENT, "batch");
  CHECK(counting.bytes == 0);
}

static void moves(const char *path, const char *two_path) {
  const Floats image = ramp(784, 0.01f);
  cnnrt::Session session;
  CHECK(!session);
  {
    /* The session keeps the model open. */
    cnnrt::Model model = MUST(cnnrt::Model::open(path));
    session = MUST(cnnrt::Session::create(model));
    cnnrt::Model other = model;
    model = MUST(cnnrt::Model::open(two_path));
    other = std::move(model);
    CHECK(!model && other.info().input_count == 2); /* NOLINT: moved from */
  }
  const Floats expected = scores(session, image);

  cnnrt::Session second = std::move(session);
  CHECK(!session && second && scores(second, image) == expected); /* NOLINT: moved from */
  cnnrt::Session &alias = second;
  second = std::move(alias);
  CHECK(second && scores(second, image) == expected);
  session = std::move(second);
  CHECK(session && !second && scores(session, image) == expected); /* NOLINT: moved from */
  /* Onto one that holds the last reference to another model: its session must go first. */
  cnnrt::Session two = MUST(cnnrt::Session::create(MUST(cnnrt::Model::open(two_path))));
  two = std::move(session);
  CHECK(scores(two, image) == expected && two.model().info().input_count == 1);
  std::vector<cnnrt::Session> sessions;
  for (int i = 0; i < 5; i++) sessions.push_back(MUST(cnnrt::Session::create(two.model())));
  sessions.insert(sessions.begin(), std::move(two));
  std::rotate(sessions.begin(), sessions.begin() + 2, sessions.end());
  for (cnnrt::Session &each : sessions) CHECK(scores(each, image) == expected);
  using std::swap;
  swap(sessions[0], two);
  CHECK(!sessions[0] && scores(two, image) == expected);

  /* Empty objects answer; they do not crash. */
  cnnrt::Session empty;
  const cnnrt::Model none;
  CHECK(!none && none.inputs().empty() && none.layers().empty() && none.labels().empty() && none.metadata().empty());
  CHECK(!none.label(0) && !none.metadata("key") && !none.recipe() && none.info().file_bytes == 0 && !empty.layer_nanoseconds(0));
  FAILS(none.verify(), CNNRT_ERROR_INVALID_ARGUMENT, "");
  FAILS(none.input(), CNNRT_ERROR_INVALID_ARGUMENT, "model");
  FAILS(none.layer(0), CNNRT_ERROR_INVALID_ARGUMENT, "");
  FAILS(cnnrt::Session::create(none), CNNRT_ERROR_INVALID_ARGUMENT, "");
  FAILS(cnnrt::Session::arena_size(none), CNNRT_ERROR_INVALID_ARGUMENT, "");
  FAILS(empty.set_input(0, image), CNNRT_ERROR_INVALID_ARGUMENT, "");
  FAILS(empty.run(), CNNRT_ERROR_INVALID_ARGUMENT, "");
  FAILS(empty.output(), CNNRT_ERROR_INVALID_ARGUMENT, "");
  FAILS(empty.map_input(), CNNRT_ERROR_INVALID_ARGUMENT, "");
  FAILS(empty.top_k(1), CNNRT_ERROR_INVALID_ARGUMENT, "");
  FAILS(empty.self_test(), CNNRT_ERROR_INVALID_ARGUMENT, "");
  FAILS(empty.set_image({reinterpret_cast<const std::uint8_t *>(path), 1, 1, 1}), CNNRT_ERROR_INVALID_ARGUMENT, "");
}

static void threads(const char *path) {
  const cnnrt::Model model = MUST(cnnrt::Model::open(path));
  const Floats image = ramp(784, 0.03f);
  cnnrt::Session plain = MUST(cnnrt::Session::create(model));
  const Floats expected = scores(plain, image);

  /* The caller's parallel-for: moved along with the session, with what it captured. */
  std::atomic<int> calls{0}, tasks{0};
  cnnrt::SessionOptions options;
  options.threads = 3;
  options.parallel_for = [&calls, &tasks](std::int32_t count, cnnrt::Task task) {
    calls++;
    std::vector<std::thread> workers;
    for (std::int32_t i = 1; i < count; i++) workers.emplace_back([&tasks, task, i] { tasks++, task(i); });
    task(0);
    for (std::thread &worker : workers) worker.join();
  };
  cnnrt::Session first = MUST(cnnrt::Session::create(model, options));
  cnnrt::Session parallel = std::move(first);
  options.parallel_for = nullptr;
  CHECK(scores(parallel, image) == expected && calls > 0 && tasks > 0);

  /* The library's pool. */
  cnnrt::Session pooled = MUST(cnnrt::Session::create(model, options));
  CHECK(scores(pooled, image) == expected);

  /* One model, a session in each thread. */
  std::atomic<int> right{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; i++)
    workers.emplace_back([&right, &image, &expected, model] {
      for (int round = 0; round < 5; round++) {
        cnnrt::Session session = MUST(cnnrt::Session::create(model));
        right += scores(session, image) == expected;
      }
    });
  for (std::thread &worker : workers) worker.join();
  CHECK(right == 20);
}

int main(int argc, char **argv) {
  CHECK(argc == 4);
  models(argv[1]);
  data(argv[1], argv[2], argv[3]);
  memory(argv[1]);
  moves(argv[1], argv[2]);
  threads(argv[1]);
  CHECK(opens(argv[1]) && !opens("missing.cnn"));
  std::puts("all right");
}
