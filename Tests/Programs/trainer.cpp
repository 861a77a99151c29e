/* cnnrt_train.hpp: every function, its errors and moves. trainer FLOAT.cnn QUANTIZED.cnn */
#include "outcome.hpp"

#include <algorithm>
#include <cmath>
#include <cnnrt_train.hpp>

/* Images of 8 × 8 whose class is the quarter in which they are bright. */
struct Batch {
  std::vector<float> images;
  std::vector<std::int32_t> labels;

  Batch(std::size_t count, unsigned seed) {
    for (std::size_t n = 0; n < count; n++) {
      labels.push_back(static_cast<std::int32_t>((n * 7 + seed) % 4));
      for (std::int32_t pixel = 0; pixel < 64; pixel++) {
        seed = seed * 1664525 + 1013904223;
        const std::int32_t quarter = pixel / 32 * 2 + pixel % 8 / 4;
        images.push_back(static_cast<float>(seed >> 8) / 2e7f - 0.4f + (quarter == labels.back() ? 1.0f : 0.0f));
      }
    }
  }
};

int main(int argc, char **argv) {
  CHECK(argc == 3);
  cnnrt::TrainerOptions options;
  options.batch = 32;
  options.optimizer = CNNRT_OPTIMIZER_ADAM;
  options.ema_decay = 0.5f;
  cnnrt::Trainer trainer;
  CHECK(!trainer && trainer.parameter_count() == 0 && trainer.parameters().empty() && trainer.state_size() == 0);
  {
    const cnnrt::Model model = MUST(cnnrt::Model::open(argv[1]));
    CHECK(MUST(cnnrt::Trainer::memory_size(model, options)) > 1000);
    trainer = MUST(cnnrt::Trainer::create(model, options));
  }
  const Batch test(32, 1);
  const cnnrt::TrainResult before = MUST(trainer.evaluate(test.images, test.labels));
  for (unsigned i = 0; i < 40; i++) {
    const Batch batch(32, i + 2);
    MUST(trainer.step(batch.images, batch.labels, 0.02f));
  }
  cnnrt::Trainer moved = std::move(trainer);
  CHECK(!trainer && moved); /* NOLINT: moved from */
  const cnnrt::TrainResult after = MUST(moved.evaluate(test.images, test.labels));
  CHECK(after.loss < before.loss / 2 && after.correct >= 31);

  /* The largest of an image's outputs is its label; the averages are close to what they are averages of. */
  const std::vector<float> outputs = MUST(moved.outputs());
  CHECK(outputs.size() == 32 * 4);
  std::vector<float> into_outputs(outputs.size());
  MUST(moved.get_outputs(into_outputs));
  CHECK(into_outputs == outputs);
  std::uint32_t correct = 0;
  for (std::size_t n = 0; n < 32; n++)
    correct += std::max_element(&outputs[4 * n], &outputs[4 * n] + 4) - &outputs[4 * n] == test.labels[n];
  CHECK(correct == after.correct && after.correct_top5 == 32);
  CHECK(MUST(moved.evaluate({test.images, test.labels, {}, true})).loss < before.loss / 2);

  /* Targets that say the same as the labels teach the same. */
  std::vector<float> targets(32 * 4);
  for (std::size_t n = 0; n < 32; n++) targets[4 * n + static_cast<std::size_t>(test.labels[n])] = 1;
  const double by_labels = MUST(moved.gradients(test.images, test.labels)).loss;
  CHECK(std::fabs(MUST(moved.gradients({test.images, {}, targets, false})).loss - by_labels) < 1e-6);

  /* From its state, another goes on to the same bits. */
  const std::vector<std::uint8_t> state = MUST(moved.save_state());
  CHECK(state.size() == moved.state_size());
  trainer = MUST(cnnrt::Trainer::create(MUST(cnnrt::Model::open(argv[1])), options));
  MUST(trainer.load_state(state));
  for (cnnrt::Trainer *each : {&trainer, &moved}) MUST(each->step(test.images, test.labels, 0.01f));
  std::vector<std::uint8_t> after_step(state.size());
  MUST(trainer.save_state(after_step));
  CHECK(after_step == MUST(moved.save_state()) && after_step != state);

  /* The scores' gradients of one image sum to 0 (softmax minus one-hot), so the bias's do over the classes. */
  MUST(trainer.gradients(test.images, test.labels));
  bool found = false;
  const std::vector<cnnrt::ParameterInfo> parameters = trainer.parameters();
  for (std::uint32_t index = 0; index < parameters.size(); index++) {
    const cnnrt::ParameterInfo &parameter = parameters[index];
    const std::vector<float> values = MUST(trainer.values(index));
    CHECK(values.size() == parameter.count && static_cast<std::uint64_t>(parameter.shape.elements()) == parameter.count);
    CHECK(MUST(trainer.parameter(index)).name == parameter.name);
    std::vector<float> into(values.size());
    MUST(trainer.get_values(index, into));
    CHECK(into == values);
    CHECK(MUST(trainer.average(index)) != values || !parameter.trainable);
    MUST(trainer.get_average(index, into));
    CHECK(into == MUST(trainer.average(index)));
    if (parameter.name != "linear1.bias") continue;
    found = true;
    const std::vector<float> gradient = MUST(trainer.gradient(index));
    MUST(trainer.get_gradient(index, into));
    float sum = 0;
    for (const float g : gradient) sum += g;
    CHECK(into == gradient && gradient.size() == 4 && parameter.trainable && std::fabs(sum) < 1e-6f && gradient[0] != 0);
    MUST(trainer.set_values(index, std::vector<float>{1, 2, 3, 4}));
    CHECK(MUST(trainer.values(index)) == (std::vector<float>{1, 2, 3, 4}));
    FAILS(trainer.set_values(index, std::vector<float>{1}), CNNRT_ERROR_INVALID_ARGUMENT, "");
  }
  CHECK(found);

  FAILS(trainer.step(test.images, std::vector<std::int32_t>{0}, 1), CNNRT_ERROR_INVALID_ARGUMENT, "labels");
  FAILS(trainer.step(std::vector<float>(65), test.labels, 1), CNNRT_ERROR_INVALID_ARGUMENT, "images");
  FAILS(trainer.step({test.images, test.labels, std::vector<float>(3), false}, 1), CNNRT_ERROR_INVALID_ARGUMENT, "targets");
  FAILS(trainer.step(Batch(33, 1).images, Batch(33, 1).labels, 1), CNNRT_ERROR_INVALID_ARGUMENT, "");
  FAILS(trainer.step(Batch(1, 1).images, std::vector<std::int32_t>{4}, 1), CNNRT_ERROR_INVALID_ARGUMENT, "label");
  FAILS(trainer.values(999), CNNRT_ERROR_INVALID_ARGUMENT, "index");
  FAILS(trainer.parameter(999), CNNRT_ERROR_INVALID_ARGUMENT, "index");
  FAILS(trainer.load_state(cnnrt::Span<const std::uint8_t>(state.data(), state.size() - 1)), CNNRT_ERROR_FORMAT, "state");
  FAILS(cnnrt::Trainer::create(MUST(cnnrt::Model::open(argv[2])), options), CNNRT_ERROR_UNSUPPORTED, "");
  FAILS(cnnrt::Trainer::create(cnnrt::Model(), options), CNNRT_ERROR_INVALID_ARGUMENT, "");
  const cnnrt::Trainer emptied = std::move(moved);
  FAILS(moved.step(test.images, test.labels, 1), CNNRT_ERROR_INVALID_ARGUMENT, ""); /* NOLINT: moved from */
  FAILS(moved.save_state(), CNNRT_ERROR_INVALID_ARGUMENT, "");
  FAILS(moved.values(0), CNNRT_ERROR_INVALID_ARGUMENT, "");
  std::puts("all right");
}
