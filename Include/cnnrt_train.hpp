/* cnnrt_train.hpp: cnnrt_train.h for C++17, header-only, in the manner of cnnrt.hpp. Link with -lcnnrt-train instead of -lcnnrt: it has all of
 * that as well.
 *
 *   cnnrt::TrainerOptions options;
 *   options.batch = 64;
 *   options.optimizer = CNNRT_OPTIMIZER_ADAM;
 *   cnnrt::Trainer trainer = cnnrt::Trainer::create(cnnrt::Model::open("float.cnn"), options);
 *   for (const Batch &batch : batches) std::cout << trainer.step(batch.images, batch.labels, 0.001f).loss << '\n';
 */
#ifndef CNNRT_TRAIN_HPP
#define CNNRT_TRAIN_HPP
#include "cnnrt.hpp"
#include "cnnrt_train.h"

namespace cnnrt {
#ifdef CNNRT_NO_EXCEPTIONS
inline namespace returning {
#else
inline namespace throwing {
#endif

/* The fields are cnnrt_train.h's, all 0 but `size`: its manual says what that means. `batch` must be set. */
struct TrainerOptions : cnnrt_trainer_options {
  TrainerOptions() noexcept : cnnrt_trainer_options{} { size = sizeof(cnnrt_trainer_options); }
};

using TrainResult = cnnrt_train_result; /* loss and correct images of a batch; see cnnrt_train.h */

/* What is learnt from or evaluated in one go: options.batch images at most. Labels, or targets, or both. */
struct TrainBatch {
  Span<const float> images;        /* NCHW, one after another, already normalised */
  Span<const std::int32_t> labels; /* class numbers, one for each image, or none: then the largest target */
  Span<const float> targets;       /* probabilities, one for each image and class, or none */
  bool averages = false;           /* to evaluate: with the averages (ema_decay) in place of the parameters */
};

struct ParameterInfo {
  std::string_view name; /* of the constant in the bundle */
  Shape shape;
  std::uint64_t count = 0; /* elements */
  bool trainable = false;  /* false: running mean and variance */
};

/* Learns the parameters of a float model's network. Can be moved, not copied; belongs to one thread at a time. */
class Trainer {
 public:
  Trainer() noexcept = default;

  /* Exactly how many bytes a trainer with these options allocates. */
  static Outcome<std::size_t> memory_size(const Model &model, const TrainerOptions &options) {
    std::size_t bytes = 0;
    return detail::call([&](cnnrt_error *error) { return cnnrt_trainer_memory_size(model.c_model(), &options, &bytes, error); },
                        [&] { return bytes; });
  }
  /* It copies the parameters: the model is not needed afterwards. Errors: UNSUPPORTED (an operator that cannot be trained, a quantized
   * bundle), INVALID_ARGUMENT, OUT_OF_MEMORY, THREAD. */
  static Outcome<Trainer> create(const Model &model, const TrainerOptions &options) {
    Trainer trainer;
    return detail::call(
        [&](cnnrt_error *error) {
          cnnrt_trainer *created = nullptr;
          const cnnrt_status status = cnnrt_trainer_create(model.c_model(), &options, &created, error);
          if (status != CNNRT_OK) return status;
          trainer.trainer_.reset(created);
          auto info = detail::sized<cnnrt_tensor_info>();
          if (cnnrt_model_get_input(model.c_model(), 0, &info) == CNNRT_OK) trainer.image_elements_ = elements(info);
          if (cnnrt_model_get_output(model.c_model(), 0, &info) == CNNRT_OK) trainer.classes_ = elements(info);
          return status;
        },
        [&] { return std::move(trainer); });
  }

  /* ---- Learning ---- */

  /* One step: forward with batch statistics, backward, update. Errors: INVALID_ARGUMENT (a label out of range …); nothing is changed then. */
  Outcome<TrainResult> step(Span<const float> images, Span<const std::int32_t> labels, float learning_rate) {
    return step({images, labels, {}, false}, learning_rate);
  }
  Outcome<TrainResult> step(const TrainBatch &batch, float learning_rate) {
    return run(batch, [&](const cnnrt_train_batch *c, TrainResult *result, cnnrt_error *error) {
      return cnnrt_trainer_step_batch(trainer_.get(), c, learning_rate, result, error);
    });
  }
  /* Forward and backward as in a step, without the update: leaves the gradients to be read. */
  Outcome<TrainResult> gradients(Span<const float> images, Span<const std::int32_t> labels) {
    return gradients({images, labels, {}, false});
  }
  Outcome<TrainResult> gradients(const TrainBatch &batch) {
    return run(batch, [&](const cnnrt_train_batch *c, TrainResult *result, cnnrt_error *error) {
      return cnnrt_trainer_gradients_batch(trainer_.get(), c, result, error);
    });
  }
  /* Forward as in inference, no learning. */
  Outcome<TrainResult> evaluate(Span<const float> images, Span<const std::int32_t> labels) {
    return evaluate({images, labels, {}, false});
  }
  Outcome<TrainResult> evaluate(const TrainBatch &batch) {
    return run(batch, [&](const cnnrt_train_batch *c, TrainResult *result, cnnrt_error *error) {
      return cnnrt_trainer_evaluate_batch(trainer_.get(), c, result, error);
    });
  }

  /* The outputs of the last step or evaluation, before softmax: for each of its images, one for each class. */
  Outcome<std::vector<float>> outputs() const {
    std::vector<float> values(static_cast<std::size_t>(last_count_ * classes_));
    return detail::call(
        [&](cnnrt_error *error) { return cnnrt_trainer_get_outputs(trainer_.get(), values.data(), values.size(), error); },
        [&] { return std::move(values); });
  }
  Outcome<void> get_outputs(Span<float> values) const {
    return detail::call(
        [&](cnnrt_error *error) { return cnnrt_trainer_get_outputs(trainer_.get(), values.data(), values.size(), error); });
  }

  /* ---- Parameters ---- */

  std::uint32_t parameter_count() const noexcept { return trainer_ ? cnnrt_trainer_parameter_count(trainer_.get()) : 0; }
  Outcome<ParameterInfo> parameter(std::uint32_t index) const {
    auto info = detail::sized<cnnrt_parameter_info>();
    return detail::call([&](cnnrt_error *error) { return find(index, &info, error); }, [&] { return make(info); });
  }
  std::vector<ParameterInfo> parameters() const {
    std::vector<ParameterInfo> parameters(parameter_count());
    auto info = detail::sized<cnnrt_parameter_info>();
    cnnrt_error error = CNNRT_ERROR_INIT;
    for (std::uint32_t index = 0; index < parameters.size(); index++)
      if (find(index, &info, &error) == CNNRT_OK) parameters[index] = make(info);
    return parameters;
  }

  /* A parameter's values, row-major (OIHW for convolutions). */
  Outcome<std::vector<float>> values(std::uint32_t index) const { return read(index, cnnrt_trainer_get_parameter); }
  Outcome<void> get_values(std::uint32_t index, Span<float> values) const {
    return detail::call([&](cnnrt_error *error) {
      return cnnrt_trainer_get_parameter(trainer_.get(), index, values.data(), values.size(), error);
    });
  }
  Outcome<void> set_values(std::uint32_t index, Span<const float> values) {
    return detail::call([&](cnnrt_error *error) {
      return cnnrt_trainer_set_parameter(trainer_.get(), index, values.data(), values.size(), error);
    });
  }
  /* A parameter's average over the steps; an error without ema_decay. */
  Outcome<std::vector<float>> average(std::uint32_t index) const { return read(index, cnnrt_trainer_get_average); }
  Outcome<void> get_average(std::uint32_t index, Span<float> values) const {
    return detail::call([&](cnnrt_error *error) {
      return cnnrt_trainer_get_average(trainer_.get(), index, values.data(), values.size(), error);
    });
  }
  /* Of the last step's mean loss, without weight decay and clipping. */
  Outcome<std::vector<float>> gradient(std::uint32_t index) const { return read(index, cnnrt_trainer_get_gradient); }
  Outcome<void> get_gradient(std::uint32_t index, Span<float> values) const {
    return detail::call([&](cnnrt_error *error) {
      return cnnrt_trainer_get_gradient(trainer_.get(), index, values.data(), values.size(), error);
    });
  }

  /* ---- State ---- */

  /* Everything that training goes on from to the same bits, in a trainer of the same network and options. */
  Outcome<std::vector<std::uint8_t>> save_state() const {
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(state_size()));
    return detail::call(
        [&](cnnrt_error *error) { return cnnrt_trainer_save_state(trainer_.get(), bytes.data(), bytes.size(), error); },
        [&] { return std::move(bytes); });
  }
  std::uint64_t state_size() const noexcept { return trainer_ ? cnnrt_trainer_state_size(trainer_.get()) : 0; }
  Outcome<void> save_state(Span<std::uint8_t> bytes) const {
    return detail::call(
        [&](cnnrt_error *error) { return cnnrt_trainer_save_state(trainer_.get(), bytes.data(), bytes.size(), error); });
  }
  /* Changes nothing on failure. */
  Outcome<void> load_state(Span<const std::uint8_t> bytes) {
    return detail::call(
        [&](cnnrt_error *error) { return cnnrt_trainer_load_state(trainer_.get(), bytes.data(), bytes.size(), error); });
  }

  /* The handle for the functions of cnnrt_train.h, still this object's; null if empty. */
  cnnrt_trainer *c_trainer() const noexcept { return trainer_.get(); }
  explicit operator bool() const noexcept { return trainer_ != nullptr; }

 private:
  struct Destroy {
    void operator()(cnnrt_trainer *trainer) const noexcept { cnnrt_trainer_destroy(trainer); }
  };
  std::unique_ptr<cnnrt_trainer, Destroy> trainer_;
  std::uint64_t image_elements_ = 0, classes_ = 0;
  std::uint64_t last_count_ = 0; /* images of the last batch */

  static std::uint64_t elements(const cnnrt_tensor_info &info) noexcept {
    return static_cast<std::uint64_t>(Shape(info.shape, info.rank).elements());
  }

  template <class Call>
  Outcome<TrainResult> run(const TrainBatch &batch, Call &&call) {
    auto result = detail::sized<TrainResult>();
    return detail::call(
        [&](cnnrt_error *error) {
          const std::uint64_t count = image_elements_ ? batch.images.size() / image_elements_ : 0;
          if (count > INT32_MAX || batch.images.size() != count * image_elements_)
            return detail::fail(error, CNNRT_ERROR_INVALID_ARGUMENT, "images", "they are not whole images of the network's input.");
          if (!batch.labels.empty() && batch.labels.size() != count)
            return detail::fail(error, CNNRT_ERROR_INVALID_ARGUMENT, "labels", "they are not one for each image.");
          if (!batch.targets.empty() && batch.targets.size() != count * classes_)
            return detail::fail(error, CNNRT_ERROR_INVALID_ARGUMENT, "targets", "they are not one for each image and class.");
          auto c = detail::sized<cnnrt_train_batch>();
          c.images = batch.images.data();
          c.labels = batch.labels.empty() ? nullptr : batch.labels.data();
          c.targets = batch.targets.empty() ? nullptr : batch.targets.data();
          c.count = static_cast<std::int32_t>(count);
          c.flags = batch.averages ? std::uint32_t{CNNRT_BATCH_AVERAGES} : 0;
          const cnnrt_status status = call(&c, &result, error);
          if (status == CNNRT_OK) last_count_ = count;
          return status;
        },
        [&] { return result; });
  }

  template <class Get>
  Outcome<std::vector<float>> read(std::uint32_t index, Get get) const {
    std::vector<float> values;
    return detail::call(
        [&](cnnrt_error *error) {
          auto info = detail::sized<cnnrt_parameter_info>();
          const cnnrt_status status = find(index, &info, error);
          if (status != CNNRT_OK) return status;
          values.resize(static_cast<std::size_t>(info.count));
          return get(trainer_.get(), index, values.data(), values.size(), error);
        },
        [&] { return std::move(values); });
  }

  cnnrt_status find(std::uint32_t index, cnnrt_parameter_info *info, cnnrt_error *error) const noexcept {
    if (trainer_ && cnnrt_trainer_get_parameter_info(trainer_.get(), index, info) == CNNRT_OK) return CNNRT_OK;
    return detail::fail(error, CNNRT_ERROR_INVALID_ARGUMENT, "index", "the network has no parameter of this number.");
  }
  static ParameterInfo make(const cnnrt_parameter_info &info) noexcept {
    return {detail::text(info.name), Shape(info.shape, info.rank), info.count, info.trainable != 0};
  }
};

}  // inline namespace
}  // namespace cnnrt

#endif
