/* cnnrt.hpp: cnnrt.h for C++17, header-only. Handles close themselves, errors cannot be overlooked. Link with -lcnnrt.
 *
 * In six lines:
 *
 *   const cnnrt::Model model = cnnrt::Model::open("model.cnn");
 *   cnnrt::Session session = cnnrt::Session::create(model);
 *   session.set_image({grey, 28, 28, 1});
 *   session.run();
 *   for (const cnnrt::Class &best : session.top_k(3)) std::cout << best.label << ' ' << best.score << '\n';
 *   if (auto recipe = model.recipe()) std::cout << recipe->width << '\n';
 *
 * Errors, as each source file chooses. In the signatures below, Outcome<T> is
 * - T, where exceptions are on: what fails throws cnnrt::Error.
 * - Result<T>, with -fno-exceptions or where CNNRT_NO_EXCEPTIONS is defined before this header is included: a T or an Error.
 *
 *     auto model = cnnrt::Model::open("model.cnn");
 *     if (!model) return fail(model.error().what());
 *     auto session = cnnrt::Session::create(*model);
 *
 * Source files of both kinds can be linked into one program (the namespaces differ), but not hand each other these objects.
 *
 * The rules of cnnrt.h hold, and what it says of a function is true of the one that wraps it here. Beyond them:
 * - A Model is a reference to an open bundle: copies share it, sessions keep it open, and the last one closes it. It is immutable; any
 *   number of threads may use one, and copies of it, at the same time.
 * - A Session can be moved, not copied, and belongs to one thread at a time. Objects that were moved from, or default-constructed, are
 *   empty: they may be destroyed and assigned to, and any other call is an INVALID_ARGUMENT error.
 * - Views, spans and strings that come from an object live as long as the bundle or session, and move along with it.
 * - Functions that return a std::vector allocate and may throw std::bad_alloc; each has a sister that fills the caller's memory.
 */
#ifndef CNNRT_HPP
#define CNNRT_HPP
#include "cnnrt.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <memory>
#include <memory_resource>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>
#if defined(__has_include)
#if __has_include(<version>)
#include <version>
#endif
#endif
#ifdef __cpp_lib_span
#include <span>
#endif

#if !defined(CNNRT_NO_EXCEPTIONS) && !defined(__cpp_exceptions) && !defined(_CPPUNWIND)
#define CNNRT_NO_EXCEPTIONS
#endif

namespace cnnrt {
#ifdef CNNRT_NO_EXCEPTIONS
inline namespace returning {
#else
inline namespace throwing {
#endif

/* ---- Version and instruction sets ---------------------------------------------------------------------------------- */

/* major · 10000 + minor · 100 + patch, and "1.0.0": of the library, not of this header. */
inline std::uint32_t version() noexcept { return cnnrt_version(); }
inline std::string_view version_string() noexcept { return cnnrt_version_string(); }

/* The instruction set that models use unless told otherwise; none if CNNRT_ISA names one that is not there. */
inline std::optional<std::string_view> isa() noexcept {
  const char *name = cnnrt_isa();
  return name ? std::optional<std::string_view>(name) : std::nullopt;
}
/* Those of the library that this processor has, best last. */
inline std::vector<std::string_view> available_isas() {
  std::vector<std::string_view> names;
  while (const char *name = cnnrt_isa_available(static_cast<std::uint32_t>(names.size()))) names.emplace_back(name);
  return names;
}

/* ---- Errors -------------------------------------------------------------------------------------------------------- */

using Status = cnnrt_status; /* CNNRT_ERROR_IO, … */
using Type = cnnrt_type;     /* CNNRT_FLOAT32, … */

/* What went wrong, where, and what to do. Allocates nothing. */
class Error : public std::exception {
 public:
  explicit Error(const cnnrt_error &error) noexcept : error_(error) {
    std::snprintf(what_, sizeof what_, "%s%s%s", where(), *where() ? ": " : "", message());
  }
  Error(Status status, std::string_view where, std::string_view message) noexcept : Error(make(status, where, message)) {}

  /* "where: message", one line. */
  const char *what() const noexcept override { return what_; }
  Status status() const noexcept { return error_.status; }
  /* File, section, layer or argument, or "". */
  const char *where() const noexcept { return error_.where; }
  /* What happened and what to do. */
  const char *message() const noexcept { return *error_.message ? error_.message : cnnrt_status_string(error_.status); }
  /* The byte in the file that is to blame, if one is. */
  std::optional<std::uint64_t> offset() const noexcept {
    return error_.offset == UINT64_MAX ? std::nullopt : std::optional<std::uint64_t>(error_.offset);
  }
  /* errno, or 0. */
  int system_error() const noexcept { return error_.system_error; }
  const cnnrt_error &c_error() const noexcept { return error_; }

 private:
  cnnrt_error error_;
  char what_[sizeof(cnnrt_error::where) + 2 + sizeof(cnnrt_error::message)];

  static cnnrt_error make(Status status, std::string_view where, std::string_view message) noexcept {
    cnnrt_error error = CNNRT_ERROR_INIT;
    error.status = status;
    where.copy(error.where, sizeof error.where - 1);
    message.copy(error.message, sizeof error.message - 1);
    return error;
  }
};

/* A T, or the Error that it could not be had for. Asking it for the one that is not there aborts. */
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) noexcept(std::is_nothrow_move_constructible_v<T>) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(const Error &error) noexcept : state_(std::in_place_index<1>, error) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }
  T &value() & { return present(std::get_if<0>(&state_)); }
  const T &value() const & { return present(std::get_if<0>(&state_)); }
  T &&value() && { return std::move(value()); }
  T &operator*() & { return value(); }
  const T &operator*() const & { return value(); }
  T &&operator*() && { return std::move(value()); }
  T *operator->() { return &value(); }
  const T *operator->() const { return &value(); }
  T value_or(T other) && { return has_value() ? std::move(value()) : std::move(other); }
  const Error &error() const { return present(std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;

  template <class U>
  static U &present(U *value) noexcept {
    if (!value) std::abort();
    return *value;
  }
};

/* Success, or an Error. */
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() noexcept = default;
  Result(const Error &error) noexcept : error_(error) {}

  bool has_value() const noexcept { return !error_; }
  explicit operator bool() const noexcept { return has_value(); }
  const Error &error() const {
    if (!error_) std::abort();
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

#ifdef CNNRT_NO_EXCEPTIONS
template <class T>
using Outcome = Result<T>;
#define CNNRT_DETAIL_FAIL(error) return ::cnnrt::Error(error)
#else
template <class T>
using Outcome = T;
#define CNNRT_DETAIL_FAIL(error) throw ::cnnrt::Error(error)
#endif

/* ---- Memory -------------------------------------------------------------------------------------------------------- */

/* Elements one after another in somebody else's memory. Made from, and turns into, whatever has data() and size(): std::vector, std::array,
 * std::span. (A type of its own even in C++20, so that C++17 and C++20 source files mean the same by it.) */
template <class T>
class Span {
 public:
  constexpr Span() noexcept = default;
  constexpr Span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <std::size_t N>
  constexpr Span(T (&array)[N]) noexcept : data_(array), size_(N) {}
  template <class C, class P = decltype(std::data(std::declval<C &>())),
            class = std::enable_if_t<!std::is_array_v<std::remove_reference_t<C>> &&
                                     std::is_convertible_v<std::remove_pointer_t<P> (*)[], T (*)[]>>>
  constexpr Span(C &&container) noexcept : data_(std::data(container)), size_(std::size(container)) {}

  constexpr T *data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr T *begin() const noexcept { return data_; }
  constexpr T *end() const noexcept { return data_ + size_; }
  constexpr T &operator[](std::size_t index) const noexcept { return data_[index]; }

 private:
  T *data_ = nullptr;
  std::size_t size_ = 0;
};

/* Up to CNNRT_MAX_RANK numbers: a shape, in ONNX's order N, C, H, W, or strides in the same order. */
class Dims {
 public:
  constexpr Dims() noexcept = default;
  constexpr Dims(std::initializer_list<std::int64_t> dims) noexcept : Dims(dims.begin(), dims.size()) {}
  constexpr Dims(const std::int64_t *dims, std::size_t rank) noexcept
      /* Too many remain too many, for the library to refuse. */
      : rank_(rank < CNNRT_MAX_RANK ? static_cast<std::uint32_t>(rank) : CNNRT_MAX_RANK + (rank > CNNRT_MAX_RANK)) {
    for (std::size_t axis = 0; axis < size(); axis++) dims_[axis] = dims[axis];
  }

  constexpr std::uint32_t rank() const noexcept { return rank_; }
  constexpr std::size_t size() const noexcept { return rank_ < CNNRT_MAX_RANK ? rank_ : CNNRT_MAX_RANK; }
  constexpr bool empty() const noexcept { return rank_ == 0; }
  constexpr std::int64_t operator[](std::size_t axis) const noexcept { return dims_[axis]; }
  constexpr std::int64_t &operator[](std::size_t axis) noexcept { return dims_[axis]; }
  constexpr const std::int64_t *begin() const noexcept { return dims_; }
  constexpr const std::int64_t *end() const noexcept { return dims_ + size(); }
  /* Of a shape: the product. */
  constexpr std::int64_t elements() const noexcept {
    std::int64_t product = 1;
    for (const std::int64_t dim : *this) product *= dim;
    return product;
  }
  friend constexpr bool operator==(const Dims &a, const Dims &b) noexcept {
    if (a.rank_ != b.rank_) return false;
    for (std::size_t axis = 0; axis < a.size(); axis++)
      if (a.dims_[axis] != b.dims_[axis]) return false;
    return true;
  }
  friend constexpr bool operator!=(const Dims &a, const Dims &b) noexcept { return !(a == b); }

 private:
  std::int64_t dims_[CNNRT_MAX_RANK] = {};
  std::uint32_t rank_ = 0;
};
using Shape = Dims;
using Strides = Dims; /* here in elements, not bytes */

/* A tensor in memory, owned by somebody else: T is float, std::uint8_t, or const of these. */
template <class T>
class View {
 public:
  constexpr View() noexcept = default;
  /* Without strides: row-major without gaps, NCHW for images. */
  constexpr View(T *data, const Shape &shape, const Strides &strides = {}) noexcept
      : data_(data), shape_(shape), strides_(strides.empty() ? row_major(shape) : strides) {}
  template <class U, class = std::enable_if_t<std::is_same_v<const U, T>>>
  constexpr View(const View<U> &other) noexcept : View(other.data(), other.shape(), other.strides()) {}

  /* The channels innermost, without gaps: NHWC, as cameras have it. The shape is N, C, H, W all the same. */
  static constexpr View channels_last(T *data, const Shape &shape) noexcept {
    Strides strides = row_major(shape);
    if (shape.size() > 1) {
      std::int64_t step = shape[1];
      for (std::size_t axis = shape.size(); axis-- > 2; step *= shape[axis]) strides[axis] = step;
      strides[1] = 1;
    }
    return View(data, shape, strides);
  }

  constexpr T *data() const noexcept { return data_; }
  constexpr const Shape &shape() const noexcept { return shape_; }
  /* Elements from one index to the next. */
  constexpr const Strides &strides() const noexcept { return strides_; }
  /* The element at n, c, y, x: one index for each axis, not checked. */
  template <class... Index>
  constexpr T &operator()(Index... index) const noexcept {
    const std::int64_t indices[] = {static_cast<std::int64_t>(index)...};
    std::int64_t offset = 0;
    for (std::size_t axis = 0; axis < sizeof...(Index); axis++) offset += indices[axis] * strides_[axis];
    return data_[offset];
  }
  /* Row-major without gaps: then data() is an array of shape().elements(). */
  constexpr bool is_contiguous() const noexcept {
    const Strides plain = row_major(shape_);
    for (std::size_t axis = 0; axis < shape_.size(); axis++)
      if (shape_[axis] > 1 && strides_[axis] != plain[axis]) return false;
    return true;
  }

 private:
  T *data_ = nullptr;
  Shape shape_;
  Strides strides_;

  static constexpr Strides row_major(const Shape &shape) noexcept {
    Strides strides = shape;
    std::int64_t step = 1;
    for (std::size_t axis = shape.size(); axis-- > 0; step *= shape[axis]) strides[axis] = step;
    return strides;
  }
};

/* 8-bit pixels in the caller's memory. Alpha is laid over black. */
struct Image {
  const std::uint8_t *pixels = nullptr; /* rows from top to bottom */
  std::uint32_t width = 0, height = 0;
  std::uint32_t channels = 0;           /* 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA */
  std::int64_t row_bytes = 0;           /* from a row to the next, negative for bottom-up; 0: no gaps */
};

/* ---- Names --------------------------------------------------------------------------------------------------------- */

/* Which input or output: its index or its name. The name is not copied. */
class Key {
 public:
  template <class Index, class = std::enable_if_t<std::is_integral_v<Index>>>
  constexpr Key(Index index) noexcept
      : index_(index < 0 || static_cast<std::uintmax_t>(index) > UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(index)) {}
  constexpr Key(const char *name) noexcept : name_(name), is_name_(true) {}
  constexpr Key(std::string_view name) noexcept : name_(name), is_name_(true) {}
  Key(const std::string &name) noexcept : name_(name), is_name_(true) {}

  constexpr bool is_name() const noexcept { return is_name_; }
  constexpr std::string_view name() const noexcept { return name_; }
  constexpr std::uint32_t index() const noexcept { return index_; }

 private:
  std::uint32_t index_ = 0;
  std::string_view name_;
  bool is_name_ = false;
};

/* ---- Inside ---------------------------------------------------------------------------------------------------------- */

namespace detail {

/* Makes a failure of the wrapper's own, as the library makes its own. */
inline cnnrt_status fail(cnnrt_error *error, Status status, std::string_view where, std::string_view message) noexcept {
  *error = Error(status, where, message).c_error();
  return status;
}

/* The C call's failure, or nothing. */
template <class Call>
Outcome<void> call(Call &&call) {
  cnnrt_error error = CNNRT_ERROR_INIT;
  if (call(&error) != CNNRT_OK) CNNRT_DETAIL_FAIL(error);
  return Outcome<void>();
}

/* The C call's failure, or what `make` makes of its results. */
template <class Call, class Make>
Outcome<std::invoke_result_t<Make>> call(Call &&call, Make &&make) {
  cnnrt_error error = CNNRT_ERROR_INIT;
  if (call(&error) != CNNRT_OK) CNNRT_DETAIL_FAIL(error);
  return make();
}

/* A struct of the C interface with its size set. */
template <class T>
T sized() noexcept {
  T value{};
  value.size = sizeof(T);
  return value;
}

inline std::string_view text(const char *characters) noexcept { return characters ? characters : ""; }
inline std::optional<std::string_view> optional_text(const char *characters) noexcept {
  return characters ? std::optional<std::string_view>(characters) : std::nullopt;
}

template <class T>
constexpr Type type_of() noexcept {
  using U = std::remove_const_t<T>;
  static_assert(std::is_same_v<U, float> || std::is_same_v<U, std::uint8_t> || std::is_same_v<U, std::int8_t> ||
                    std::is_same_v<U, std::int32_t>,
                "an element is a float (real values) or a std::uint8_t (stored values of a quantized tensor)");
  return std::is_same_v<U, float> ? CNNRT_FLOAT32 : std::is_same_v<U, std::uint8_t> ? CNNRT_UINT8
         : std::is_same_v<U, std::int8_t> ? CNNRT_INT8 : CNNRT_INT32;
}

/* A view as the C interface has it. */
template <class T>
cnnrt_status array_of(const View<T> &view, std::string_view where, cnnrt_array *array, cnnrt_error *error) noexcept {
  *array = sized<cnnrt_array>();
  array->data = const_cast<std::remove_const_t<T> *>(view.data());
  array->type = type_of<T>();
  array->rank = view.shape().rank();
  if (view.strides().rank() != view.shape().rank())
    return fail(error, CNNRT_ERROR_INVALID_ARGUMENT, where, "its strides are not as many as its axes.");
  bool is_broadcast = view.shape().elements() > 1;
  for (std::size_t axis = 0; axis < view.shape().size(); axis++) {
    array->shape[axis] = view.shape()[axis];
    array->strides[axis] = view.strides()[axis] * static_cast<std::int64_t>(sizeof(T));
    is_broadcast = is_broadcast && view.strides()[axis] == 0;
  }
  /* The C interface takes strides that are all 0 for a tensor without gaps. */
  if (is_broadcast) return fail(error, CNNRT_ERROR_INVALID_ARGUMENT, where, "its strides are all 0.");
  return CNNRT_OK;
}

}  // namespace detail

/* ---- Models ------------------------------------------------------------------------------------------------------------ */

struct ModelOptions {
  bool copy = false;            /* read the whole file into memory rather than map it */
  bool verify = false;          /* check the weights' checksums now; reads the whole file */
  const char *isa = nullptr;    /* instruction set, or the processor's best */
  std::uint64_t max_memory = 0; /* bytes the model, and each of its sessions, may allocate (0: 2 GiB) */
  std::uint64_t max_work = 0;   /* operations of a run per image (0: 10^12) */

  cnnrt_model_options c_options() const noexcept {
    auto options = detail::sized<cnnrt_model_options>();
    options.flags = (copy ? std::uint32_t{CNNRT_MODEL_COPY} : 0) | (verify ? std::uint32_t{CNNRT_MODEL_VERIFY} : 0);
    options.isa = isa;
    options.max_memory = max_memory;
    options.max_work = max_work;
    return options;
  }
};

struct TensorInfo {
  std::string_view name;
  Type type = CNNRT_FLOAT32; /* as it lies in the bundle */
  Shape shape;               /* of one image: N is 1 */
  float scale = 0;           /* real value = (stored − zero_point) · scale; 0 where the type is not quantized */
  std::int32_t zero_point = 0;

  TensorInfo() noexcept = default;
  explicit TensorInfo(const cnnrt_tensor_info &info) noexcept
      : name(detail::text(info.name)), type(info.type), shape(info.shape, info.rank), scale(info.scale), zero_point(info.zero_point) {}
};

struct LayerInfo {
  std::string_view name;
  std::string_view op;             /* ONNX operator name: "Conv", "MaxPool", … */
  std::uint64_t multiply_adds = 0; /* per image */
  std::uint64_t weight_bytes = 0;
  TensorInfo output;               /* its first output */
};

using ModelInfo = cnnrt_model_info; /* see cnnrt.h */
using Recipe = cnnrt_recipe;        /* see cnnrt.h */

/* A network from a bundle. Copies share it; the last copy, or session, closes it. */
class Model {
 public:
  Model() noexcept = default;

  /* Errors: IO, FORMAT, UNSUPPORTED, OUT_OF_MEMORY, LIMIT, INVALID_ARGUMENT. */
  static Outcome<Model> open(const std::string &path, const ModelOptions &options = {}) {
    return open(options, [&](auto *c, auto **out, auto *error) { return cnnrt_model_open(path.c_str(), c, out, error); });
  }
  /* The descriptor stays the caller's and may be closed at once. */
  static Outcome<Model> open_fd(int descriptor, const ModelOptions &options = {}) {
    return open(options, [&](auto *c, auto **out, auto *error) { return cnnrt_model_open_fd(descriptor, c, out, error); });
  }
  /* The bytes must stay until the model is closed (unless options.copy), and should be aligned to 64. */
  static Outcome<Model> open_memory(const void *bytes, std::size_t byte_count, const ModelOptions &options = {}) {
    return open(options, [&](auto *c, auto **out, auto *error) {
      return cnnrt_model_open_memory(bytes, byte_count, c, out, error);
    });
  }

  /* Checks every checksum. Errors: FORMAT. */
  Outcome<void> verify() const {
    return detail::call([&](cnnrt_error *error) { return cnnrt_model_verify(c_model(), error); });
  }

  /* All 0 if empty. */
  ModelInfo info() const noexcept {
    auto info = detail::sized<cnnrt_model_info>();
    cnnrt_model_get_info(c_model(), &info);
    return info;
  }
  Outcome<TensorInfo> input(Key key = 0) const { return tensor(key, &Model::find_input); }
  Outcome<TensorInfo> output(Key key = 0) const { return tensor(key, &Model::find_output); }
  std::vector<TensorInfo> inputs() const { return list(info().input_count, cnnrt_model_get_input); }
  std::vector<TensorInfo> outputs() const { return list(info().output_count, cnnrt_model_get_output); }

  Outcome<LayerInfo> layer(std::uint32_t index) const {
    cnnrt_layer_info layer;
    return detail::call([&](cnnrt_error *error) { return get_layer(index, &layer, error); }, [&] { return make(layer); });
  }
  /* In the order in which they run. */
  std::vector<LayerInfo> layers() const {
    std::vector<LayerInfo> layers(info().layer_count);
    cnnrt_layer_info layer;
    cnnrt_error error = CNNRT_ERROR_INIT;
    for (std::uint32_t index = 0; index < layers.size(); index++)
      if (get_layer(index, &layer, &error) == CNNRT_OK) layers[index] = make(layer);
    return layers;
  }

  std::optional<std::string_view> label(std::uint32_t index) const noexcept {
    return detail::optional_text(c_model() ? cnnrt_model_label(c_model(), index) : nullptr);
  }
  std::vector<std::string_view> labels() const {
    std::vector<std::string_view> labels;
    while (auto text = label(static_cast<std::uint32_t>(labels.size()))) labels.push_back(*text);
    return labels;
  }
  std::optional<std::string_view> metadata(const std::string &key) const noexcept {
    return detail::optional_text(c_model() ? cnnrt_model_metadata(c_model(), key.c_str()) : nullptr);
  }
  /* All keys and values, in the bundle's order. */
  std::vector<std::pair<std::string_view, std::string_view>> metadata() const {
    std::vector<std::pair<std::string_view, std::string_view>> entries;
    while (const char *key = c_model() ? cnnrt_model_metadata_key(c_model(), static_cast<std::uint32_t>(entries.size())) : nullptr)
      entries.emplace_back(key, detail::text(cnnrt_model_metadata(c_model(), key)));
    return entries;
  }
  /* How an 8-bit image becomes the input; none if the bundle does not say. */
  std::optional<Recipe> recipe() const noexcept {
    auto recipe = detail::sized<cnnrt_recipe>();
    return cnnrt_model_get_recipe(c_model(), &recipe) == CNNRT_OK ? std::optional<Recipe>(recipe) : std::nullopt;
  }

  /* The handle for the functions of cnnrt.h, still this object's; null if empty. */
  const cnnrt_model *c_model() const noexcept { return model_.get(); }
  explicit operator bool() const noexcept { return model_ != nullptr; }

 private:
  friend class Session;
  using GetTensor = cnnrt_status(const cnnrt_model *, std::uint32_t, cnnrt_tensor_info *);
  std::shared_ptr<cnnrt_model> model_;

  explicit Model(cnnrt_model *model) : model_(model, cnnrt_model_close) {}

  template <class Call>
  static Outcome<Model> open(const ModelOptions &options, Call &&call) {
    const cnnrt_model_options c = options.c_options();
    cnnrt_model *model = nullptr;
    return detail::call([&](cnnrt_error *error) { return call(&c, &model, error); }, [&] { return Model(model); });
  }

  /* The index that a key means, and what is there. */
  cnnrt_status find(Key key, std::uint32_t count, GetTensor *get, cnnrt_tensor_info *info, std::uint32_t *index,
                    cnnrt_error *error) const noexcept {
    *info = detail::sized<cnnrt_tensor_info>();
    if (!model_) return detail::fail(error, CNNRT_ERROR_INVALID_ARGUMENT, "model", "there is none: it is empty.");
    if (!key.is_name()) {
      *index = key.index();
      if (get(c_model(), *index, info) == CNNRT_OK) return CNNRT_OK;
      return detail::fail(error, CNNRT_ERROR_INVALID_ARGUMENT, "index", "the model has no tensor of this number.");
    }
    for (*index = 0; *index < count; ++*index)
      if (get(c_model(), *index, info) == CNNRT_OK && key.name() == detail::text(info->name)) return CNNRT_OK;
    return detail::fail(error, CNNRT_ERROR_INVALID_ARGUMENT, key.name(), "the model has no input or output of this name.");
  }
  cnnrt_status find_input(Key key, cnnrt_tensor_info *info, std::uint32_t *index, cnnrt_error *error) const noexcept {
    return find(key, this->info().input_count, cnnrt_model_get_input, info, index, error);
  }
  cnnrt_status find_output(Key key, cnnrt_tensor_info *info, std::uint32_t *index, cnnrt_error *error) const noexcept {
    return find(key, this->info().output_count, cnnrt_model_get_output, info, index, error);
  }

  Outcome<TensorInfo> tensor(
      Key key, cnnrt_status (Model::*find)(Key, cnnrt_tensor_info *, std::uint32_t *, cnnrt_error *) const noexcept) const {
    cnnrt_tensor_info info;
    std::uint32_t index;
    return detail::call([&](cnnrt_error *error) { return (this->*find)(key, &info, &index, error); },
                        [&] { return TensorInfo(info); });
  }

  std::vector<TensorInfo> list(std::uint32_t count, GetTensor *get) const {
    std::vector<TensorInfo> tensors(count);
    auto info = detail::sized<cnnrt_tensor_info>();
    for (std::uint32_t index = 0; index < count; index++)
      if (get(c_model(), index, &info) == CNNRT_OK) tensors[index] = TensorInfo(info);
    return tensors;
  }

  cnnrt_status get_layer(std::uint32_t index, cnnrt_layer_info *layer, cnnrt_error *error) const noexcept {
    *layer = detail::sized<cnnrt_layer_info>();
    layer->output.size = sizeof layer->output;
    if (cnnrt_model_get_layer(c_model(), index, layer) == CNNRT_OK) return CNNRT_OK;
    return detail::fail(error, CNNRT_ERROR_INVALID_ARGUMENT, "index", "the model has no layer of this number.");
  }
  static LayerInfo make(const cnnrt_layer_info &layer) noexcept {
    return {detail::text(layer.name), detail::text(layer.op), layer.multiply_adds, layer.weight_bytes, TensorInfo(layer.output)};
  }
};

/* ---- Sessions ------------------------------------------------------------------------------------------------------------ */

/* A part of a run, for a parallel-for to call once with each index below its count. */
class Task {
 public:
  Task(void (*task)(void *, std::int32_t), void *context) noexcept : task_(task), context_(context) {}
  void operator()(std::int32_t index) const { task_(context_, index); }

 private:
  void (*task_)(void *, std::int32_t);
  void *context_;
};

/* The caller's own threads: calls task(0) … task(count − 1), each exactly once, in any order, at the same time or one after another, and
 * returns when all have ended. An exception that leaves it ends the program. */
using ParallelFor = std::function<void(std::int32_t count, Task task)>;

struct SessionOptions {
  std::int32_t threads = 1; /* 1: the calling thread alone; n: n − 1 workers of the library's pool, or parallel_for gets n tasks */
  std::int32_t batch = 1;   /* images per run */
  bool profile = false;     /* time every layer */
  ParallelFor parallel_for; /* instead of the library's pool */
  /* The session's memory. One of these, or neither: the library allocates. */
  Span<std::byte> arena;                       /* the caller's, aligned to 64 and at least Session::arena_size, as long as the session */
  std::pmr::memory_resource *memory = nullptr; /* an allocator that outlives the session; asked once, for Session::arena_size */
};

/* A class that top_k found. */
struct Class {
  std::uint32_t index = 0;
  float score = 0;        /* a probability if the output is a softmax; otherwise what the network gives */
  std::string_view label; /* or "" */
};

/* Runs a model. All memory is taken when it is created. */
class Session {
 public:
  Session() noexcept = default;
  Session(Session &&other) noexcept = default;
  Session &operator=(Session &&other) noexcept {
    Session taken(std::move(other)); /* what this one held goes in the order of destruction */
    swap(taken);
    return *this;
  }
  void swap(Session &other) noexcept {
    std::swap(model_, other.model_);
    std::swap(parallel_for_, other.parallel_for_);
    std::swap(memory_, other.memory_);
    std::swap(session_, other.session_);
    std::swap(batch_, other.batch_);
  }

  /* Exactly how many bytes a session takes, the library's pool of threads not counted. Allocates nothing in the library. */
  static Outcome<std::size_t> arena_size(const Model &model, const SessionOptions &options = {}) {
    std::size_t bytes = 0;
    const cnnrt_session_options c = c_options(options, nullptr);
    return detail::call([&](cnnrt_error *error) { return cnnrt_session_arena_size(model.c_model(), &c, &bytes, error); },
                        [&] { return bytes; });
  }

  /* Errors: INVALID_ARGUMENT, OUT_OF_MEMORY, LIMIT, THREAD. */
  static Outcome<Session> create(const Model &model, const SessionOptions &options = {}) {
    Session session;
    session.model_ = model;
    session.batch_ = options.batch > 1 ? options.batch : 1;
    if (options.parallel_for) session.parallel_for_ = std::make_unique<ParallelFor>(options.parallel_for);
    cnnrt_session_options c = c_options(options, session.parallel_for_.get());
    return detail::call(
        [&](cnnrt_error *error) {
          if (options.memory) {
            const cnnrt_status status = cnnrt_session_arena_size(model.c_model(), &c, &c.arena_bytes, error);
            if (status != CNNRT_OK) return status;
            session.memory_ = Memory(options.memory->allocate(c.arena_bytes, alignment), Free{options.memory, c.arena_bytes});
            c.arena = session.memory_.get();
          }
          cnnrt_session *created = nullptr;
          const cnnrt_status status = cnnrt_session_create(model.c_model(), &c, &created, error);
          session.session_.reset(created);
          return status;
        },
        [&] { return std::move(session); });
  }

  const Model &model() const noexcept { return model_; }
  /* Images per run. */
  std::int32_t batch() const noexcept { return batch_; }

  /* ---- Data in ---- */

  /* Copies an input in: all its values for the whole batch, row-major. float: real values, quantized where the network is; std::uint8_t: the stored
   * values of a quantized input. Errors: INVALID_ARGUMENT. */
  Outcome<void> set_input(Key key, Span<const float> values) { return set_all(key, values); }
  Outcome<void> set_input(Key key, Span<const std::uint8_t> values) { return set_all(key, values); }
  /* The same of a stated shape, which must be the input's with the batch as N: for programs that know what they expect. */
  Outcome<void> set_input(Key key, Span<const float> values, const Shape &shape) { return set_all(key, values, &shape); }
  Outcome<void> set_input(Key key, Span<const std::uint8_t> values, const Shape &shape) { return set_all(key, values, &shape); }
  /* The same from memory in any order. */
  template <class T>
  Outcome<void> set_input(Key key, const View<T> &view) {
    return detail::call([&](cnnrt_error *error) {
      cnnrt_tensor_info info;
      std::uint32_t index;
      const cnnrt_status status = model_.find_input(key, &info, &index, error);
      return status == CNNRT_OK ? set(index, view, info, error) : status;
    });
  }

  /* Image batch_index of input 0 from 8-bit pixels, by the bundle's recipe. Errors: STATE (no recipe), INVALID_ARGUMENT. */
  Outcome<void> set_image(const Image &image, std::int32_t batch_index = 0) {
    auto c = detail::sized<cnnrt_image>();
    c.pixels = image.pixels;
    c.width = image.width;
    c.height = image.height;
    c.channels = image.channels;
    c.row_bytes = image.row_bytes ? image.row_bytes : std::int64_t{image.width} * image.channels;
    return detail::call([&](cnnrt_error *error) { return cnnrt_session_set_image_at(session_.get(), batch_index, &c, error); });
  }

  /* Where the session itself keeps an input, to write it in place: at the indices of its shape only. Valid until the session is destroyed.
   * Errors: INVALID_ARGUMENT (T is not its own type), UNSUPPORTED (images of more than 16 channels: use set_input). */
  template <class T = float>
  Outcome<View<T>> map_input(Key key = 0) {
    return map<T>(key, &Model::find_input, cnnrt_session_map_input);
  }

  /* ---- Run ---- */

  /* Computes the outputs from the inputs. Allocates nothing. */
  Outcome<void> run() {
    return detail::call([&](cnnrt_error *error) { return cnnrt_session_run(session_.get(), error); });
  }

  /* ---- Data out ---- */

  /* An output's values for the whole batch, row-major; float dequantizes. Errors: STATE before the first run, INVALID_ARGUMENT. */
  template <class T = float>
  Outcome<std::vector<T>> output(Key key = 0) const {
    std::vector<T> values;
    return detail::call(
        [&](cnnrt_error *error) {
          cnnrt_tensor_info info;
          std::uint32_t index;
          const cnnrt_status status = model_.find_output(key, &info, &index, error);
          if (status != CNNRT_OK) return status;
          const Shape shape = batched(info);
          values.resize(static_cast<std::size_t>(shape.elements()));
          return get(index, View<T>(values.data(), shape), info, error);
        },
        [&] { return std::move(values); });
  }
  /* The same into the caller's memory. */
  Outcome<void> get_output(Key key, Span<float> values) const { return get_all(key, values); }
  Outcome<void> get_output(Key key, Span<std::uint8_t> values) const { return get_all(key, values); }
  template <class T>
  Outcome<void> get_output(Key key, const View<T> &view) const {
    return detail::call([&](cnnrt_error *error) {
      cnnrt_tensor_info info;
      std::uint32_t index;
      const cnnrt_status status = model_.find_output(key, &info, &index, error);
      return status == CNNRT_OK ? get(index, view, info, error) : status;
    });
  }
  /* Where the session itself keeps an output, to read it in place. As map_input. */
  template <class T = float>
  Outcome<View<const T>> map_output(Key key = 0) const {
    return map<const T>(key, &Model::find_output, cnnrt_session_map_output);
  }

  /* The k largest of an output's values for an image of the batch, best first, dequantized; fewer if there are fewer. */
  Outcome<std::vector<Class>> top_k(std::uint32_t k, Key output = 0, std::int32_t batch_index = 0) const {
    std::vector<cnnrt_class> classes;
    return detail::call(
        [&](cnnrt_error *error) {
          cnnrt_tensor_info info;
          std::uint32_t index;
          const cnnrt_status status = model_.find_output(output, &info, &index, error);
          if (status != CNNRT_OK) return status;
          const auto elements = static_cast<std::uint64_t>(Shape(info.shape, info.rank).elements());
          classes.resize(std::min<std::uint64_t>(k, elements));
          /* Room for one, so that there is an address. */
          cnnrt_class none;
          return cnnrt_session_top_k_at(session_.get(), index, batch_index, static_cast<std::uint32_t>(classes.size()),
                                        classes.empty() ? &none : classes.data(), error);
        },
        [&] {
          std::vector<Class> named;
          named.reserve(classes.size());
          for (const cnnrt_class &c : classes) named.push_back({c.index, c.score, model_.label(c.index).value_or("")});
          return named;
        });
  }
  /* The same into the caller's memory; where the output has fewer values, the rest has index UINT32_MAX. */
  Outcome<void> top_k(Span<cnnrt_class> classes, Key output = 0, std::int32_t batch_index = 0) const {
    return detail::call([&](cnnrt_error *error) {
      cnnrt_tensor_info info;
      std::uint32_t index;
      const cnnrt_status status = model_.find_output(output, &info, &index, error);
      if (status != CNNRT_OK) return status;
      const auto k = static_cast<std::uint32_t>(std::min<std::size_t>(classes.size(), UINT32_MAX));
      return cnnrt_session_top_k_at(session_.get(), index, batch_index, k, classes.data(), error);
    });
  }

  /* Time of a layer in the last run; none without `profile`, 0 for a layer that is fused into another. */
  std::optional<std::int64_t> layer_nanoseconds(std::uint32_t layer) const noexcept {
    const std::int64_t time = session_ ? cnnrt_session_layer_nanoseconds(session_.get(), layer) : -1;
    return time < 0 ? std::nullopt : std::optional<std::int64_t>(time);
  }

  /* Runs the bundle's own input and compares with its expected output. Overwrites inputs and outputs.
   * Errors: STATE (the bundle has none), FORMAT, SELF_TEST. */
  Outcome<void> self_test() {
    return detail::call([&](cnnrt_error *error) { return cnnrt_session_self_test(session_.get(), error); });
  }

  /* The handle for the functions of cnnrt.h, still this object's; null if empty. */
  cnnrt_session *c_session() const noexcept { return session_.get(); }
  explicit operator bool() const noexcept { return session_ != nullptr; }

 private:
  static constexpr std::size_t alignment = 64;

  struct Free {
    std::pmr::memory_resource *memory;
    std::size_t bytes;
    void operator()(void *arena) const { memory->deallocate(arena, bytes, alignment); }
  };
  struct Destroy {
    void operator()(cnnrt_session *session) const noexcept { cnnrt_session_destroy(session); }
  };
  using Memory = std::unique_ptr<void, Free>;

  /* Destroyed from the last to the first: the session before what it uses. */
  Model model_;
  std::unique_ptr<ParallelFor> parallel_for_;
  Memory memory_{nullptr, Free{nullptr, 0}};
  std::unique_ptr<cnnrt_session, Destroy> session_;
  std::int32_t batch_ = 1;

  static cnnrt_session_options c_options(const SessionOptions &options, ParallelFor *parallel_for) noexcept {
    auto c = detail::sized<cnnrt_session_options>();
    c.flags = options.profile ? std::uint32_t{CNNRT_SESSION_PROFILE} : 0;
    c.threads = options.threads;
    c.batch = options.batch;
    if (options.parallel_for) {
      c.parallel_for = run_parallel;
      c.parallel_context = parallel_for;
    }
    c.arena = options.arena.data();
    c.arena_bytes = options.arena.size();
    return c;
  }

  static void run_parallel(void *context, void (*task)(void *, std::int32_t), void *task_context, std::int32_t count) noexcept {
    (*static_cast<ParallelFor *>(context))(count, Task(task, task_context));
  }

  /* A tensor's shape with this session's batch. */
  Shape batched(const cnnrt_tensor_info &info) const noexcept {
    Shape shape(info.shape, info.rank);
    if (!shape.empty()) shape[0] *= batch_;
    return shape;
  }

  template <class T>
  cnnrt_status set(std::uint32_t index, const View<T> &view, const cnnrt_tensor_info &info, cnnrt_error *error) noexcept {
    cnnrt_array array;
    const cnnrt_status status = detail::array_of(view, detail::text(info.name), &array, error);
    return status == CNNRT_OK ? cnnrt_session_set_input(session_.get(), index, &array, error) : status;
  }
  template <class T>
  cnnrt_status get(std::uint32_t index, const View<T> &view, const cnnrt_tensor_info &info, cnnrt_error *error) const noexcept {
    static_assert(!std::is_const_v<T>, "an output is written into the view");
    cnnrt_array array;
    const cnnrt_status status = detail::array_of(view, detail::text(info.name), &array, error);
    return status == CNNRT_OK ? cnnrt_session_get_output(session_.get(), index, &array, error) : status;
  }

  /* There are as many values as the shape has. */
  static cnnrt_status check_count(std::size_t count, const Shape &shape, const cnnrt_tensor_info &info, cnnrt_error *error) noexcept {
    if (count == static_cast<std::uint64_t>(shape.elements())) return CNNRT_OK;
    char message[128];
    std::snprintf(message, sizeof message, "%zu values were given; its shape with the batch has %lld.", count,
                  static_cast<long long>(shape.elements()));
    return detail::fail(error, CNNRT_ERROR_INVALID_ARGUMENT, detail::text(info.name), message);
  }

  template <class T>
  Outcome<void> set_all(Key key, Span<const T> values, const Shape *stated = nullptr) {
    return detail::call([&](cnnrt_error *error) {
      cnnrt_tensor_info info;
      std::uint32_t index;
      cnnrt_status status = model_.find_input(key, &info, &index, error);
      if (status != CNNRT_OK) return status;
      const Shape shape = stated ? *stated : batched(info);
      if ((status = check_count(values.size(), shape, info, error)) != CNNRT_OK) return status;
      return set(index, View<const T>(values.data(), shape), info, error);
    });
  }

  template <class T>
  Outcome<void> get_all(Key key, Span<T> values) const {
    return detail::call([&](cnnrt_error *error) {
      cnnrt_tensor_info info;
      std::uint32_t index;
      cnnrt_status status = model_.find_output(key, &info, &index, error);
      if (status != CNNRT_OK) return status;
      const Shape shape = batched(info);
      if ((status = check_count(values.size(), shape, info, error)) != CNNRT_OK) return status;
      return get(index, View<T>(values.data(), shape), info, error);
    });
  }

  template <class T, class Find, class Map>
  Outcome<View<T>> map(Key key, Find find, Map call) const {
    auto array = detail::sized<cnnrt_array>();
    return detail::call(
        [&](cnnrt_error *error) {
          cnnrt_tensor_info info;
          std::uint32_t index;
          const cnnrt_status status = (model_.*find)(key, &info, &index, error);
          if (status != CNNRT_OK) return status;
          if (info.type != detail::type_of<T>())
            return detail::fail(error, CNNRT_ERROR_INVALID_ARGUMENT, detail::text(info.name), "it is of another type. See TensorInfo::type.");
          return call(session_.get(), index, &array, error);
        },
        [&] {
          Strides strides(array.strides, array.rank);
          for (std::size_t axis = 0; axis < strides.size(); axis++) strides[axis] /= static_cast<std::int64_t>(sizeof(T));
          return View<T>(static_cast<T *>(array.data), Shape(array.shape, array.rank), strides);
        });
  }
};

inline void swap(Session &a, Session &b) noexcept { a.swap(b); }

}  // inline namespace
}  // namespace cnnrt

#ifdef __cpp_lib_span
/* Elements outlive the Span, so that a std::span can be made from one. */
template <class T>
inline constexpr bool std::ranges::enable_borrowed_range<cnnrt::Span<T>> = true;
#endif

#endif
