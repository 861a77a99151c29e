/* cnnrt.h: runs convolutional networks from bundles (.cnn files). Link with -lcnnrt.
 *
 * In ten lines:
 *
 *   cnnrt_error error = CNNRT_ERROR_INIT;
 *   cnnrt_model *model; cnnrt_session *session; cnnrt_class best;
 *   if (cnnrt_model_open("model.cnn", NULL, &model, &error)) return fail(&error);
 *   if (cnnrt_session_create(model, NULL, &session, &error)) return fail(&error);
 *   cnnrt_image image = {.size = sizeof image, .pixels = grey, .width = 28, .height = 28, .channels = 1, .row_bytes = 28};
 *   if (cnnrt_session_set_image(session, &image, &error)) return fail(&error);
 *   if (cnnrt_session_run(session, &error)) return fail(&error);
 *   if (cnnrt_session_top_k(session, 0, 1, &best, &error)) return fail(&error);
 *   printf("%s %.1f %%\n", cnnrt_model_label(model, best.index), 100 * best.score);
 *   cnnrt_session_destroy(session); cnnrt_model_close(model);
 *
 * Rules that hold for every function:
 * - A model is immutable: any number of threads may use one at the same time. A session belongs to one thread at a time.
 *   Close a model after its sessions are destroyed.
 * - Functions that can fail return a cnnrt_status, 0 (CNNRT_OK) for success, and describe a failure in *error when error is not
 *   NULL. On failure, what `out` points to is set to NULL and nothing is left allocated.
 * - The library never prints, never aborts and never throws. It changes no global state of the process and reads one environment
 *   variable, CNNRT_ISA.
 * - Strings are NUL-terminated UTF-8. A string or pointer that a function returns is owned by the model or session it came from, and
 *   lives as long.
 * - Structs that the caller fills begin with `size`: set it to sizeof the struct, and every field you do not mean to 0. A library
 *   newer than your header treats the fields you lack as 0. Structs that the library fills also have `size`, set by the caller: it
 *   writes no more than that.
 * - NULL where a pointer is required, an index out of range and the like give CNNRT_ERROR_INVALID_ARGUMENT. A dangling pointer is
 *   undefined behaviour, as everywhere in C.
 */
#ifndef CNNRT_H
#define CNNRT_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

/* ---- Version ---------------------------------------------------------------------------------------------------- */

#define CNNRT_VERSION_MAJOR 1
#define CNNRT_VERSION_MINOR 0
#define CNNRT_VERSION_PATCH 0
#define CNNRT_MAX_RANK 6

/* The library's version, major · 10000 + minor · 100 + patch. */
uint32_t cnnrt_version(void);
/* The same as text, "1.0.0". Static. */
const char *cnnrt_version_string(void);

/* ---- Status and errors ------------------------------------------------------------------------------------------ */

typedef enum cnnrt_status {
  CNNRT_OK = 0,
  CNNRT_ERROR_INVALID_ARGUMENT = 1, /* the call is wrong: mend the program */
  CNNRT_ERROR_IO = 2,               /* the file cannot be opened, read or mapped; error.system_error has errno */
  CNNRT_ERROR_FORMAT = 3,           /* the bytes are not a valid bundle, or damaged */
  CNNRT_ERROR_UNSUPPORTED = 4,      /* a valid bundle that needs a newer library, or a processor feature that is not there */
  CNNRT_ERROR_OUT_OF_MEMORY = 5,
  CNNRT_ERROR_LIMIT = 6,            /* the bundle asks for more than a limit in the options allows */
  CNNRT_ERROR_STATE = 7,            /* the order of the calls is wrong: output before run, … */
  CNNRT_ERROR_SELF_TEST = 8,        /* the self-test's outputs differ from the expected ones */
  CNNRT_ERROR_THREAD = 9            /* a thread cannot be started; error.system_error has errno */
} cnnrt_status;

/* What went wrong, in the caller's memory. Initialise with CNNRT_ERROR_INIT. */
typedef struct cnnrt_error {
  size_t size;
  cnnrt_status status;
  int32_t system_error;     /* errno, or 0 */
  uint64_t offset;          /* byte in the file, or UINT64_MAX */
  char where[96];           /* file, section, layer or argument, or "" */
  char message[256];        /* what happened and what to do, one sentence each, no newline */
} cnnrt_error;
#define CNNRT_ERROR_INIT {sizeof(cnnrt_error), CNNRT_OK, 0, UINT64_MAX, "", ""}

/* "out of memory" … for a status. Static; "unknown status" for any other number. */
const char *cnnrt_status_string(cnnrt_status status);

/* ---- Instruction sets ------------------------------------------------------------------------------------------- */

/* The instruction set that models use unless told otherwise: the processor's best, or what the environment variable CNNRT_ISA names:
 * baseline, avx2, avx512, avx512vnni, neon, neon-dotprod. Static. NULL if CNNRT_ISA names one that is unknown or that the processor
 * lacks: opening a model will then fail and say so. */
const char *cnnrt_isa(void);
/* The name of the index-th instruction set of this library that this processor has, best last; NULL past the end. Static. */
const char *cnnrt_isa_available(uint32_t index);

/* ---- Models ------------------------------------------------------------------------------------------------------ */

typedef struct cnnrt_model cnnrt_model;

enum {
  CNNRT_MODEL_COPY = 1,   /* read the whole file into memory rather than map it. Without it the file must not be changed or truncated
                             while the model is open (replacing it by rename is fine): a mapping that shrinks raises SIGBUS. For
                             cnnrt_model_open_memory: copy, so that the caller may free the bytes at once. */
  CNNRT_MODEL_VERIFY = 2  /* check the weights' checksums now (cnnrt_model_verify); reads the whole file */
};

typedef struct cnnrt_model_options {
  size_t size;
  uint32_t flags;           /* CNNRT_MODEL_… */
  uint32_t reserved;        /* 0 */
  const char *isa;          /* instruction set, or NULL for cnnrt_isa(). The same int8 results on each. */
  uint64_t max_memory;      /* bytes the model, and each of its sessions, may allocate (0: 2 GiB), checked before they are allocated */
  uint64_t max_work;        /* operations (multiply-adds, elements) of a run per image (0: 10^12, some seconds) */
} cnnrt_model_options;

/* Opens a bundle. options may be NULL. Stored sections are mapped and used in place; deflated ones are inflated into memory of the
 * model's own. Everything that is read is checked first: any bytes at all are safe to open and to run.
 * Errors: IO, FORMAT, UNSUPPORTED, OUT_OF_MEMORY, LIMIT, INVALID_ARGUMENT. */
cnnrt_status cnnrt_model_open(const char *path, const cnnrt_model_options *options, cnnrt_model **out, cnnrt_error *error);
/* The same from an open file, read from its beginning; the descriptor stays the caller's and may be closed at once. */
cnnrt_status cnnrt_model_open_fd(int fd, const cnnrt_model_options *options, cnnrt_model **out, cnnrt_error *error);
/* The same from memory, which must stay valid and unchanged until the model is closed (unless CNNRT_MODEL_COPY), and should be aligned
 * to 64 bytes (weights are copied where it is not). */
cnnrt_status cnnrt_model_open_memory(const void *bytes, size_t byte_count, const cnnrt_model_options *options, cnnrt_model **out,
                                     cnnrt_error *error);
/* Frees the model. NULL is allowed. */
void cnnrt_model_close(cnnrt_model *model);
/* Checks the checksum of every section, the weights' stored sums included. Errors: FORMAT. */
cnnrt_status cnnrt_model_verify(const cnnrt_model *model, cnnrt_error *error);

/* ---- Looking into a model ------------------------------------------------------------------------------------------ */

typedef enum cnnrt_type { /* ONNX's numbers */
  CNNRT_FLOAT32 = 1, CNNRT_UINT8 = 2, CNNRT_INT8 = 3, CNNRT_INT32 = 6
} cnnrt_type;

typedef struct cnnrt_model_info {
  size_t size;
  uint32_t input_count, output_count, layer_count, label_count, metadata_count;
  uint32_t quantized;       /* 1: int8 weights, uint8 activations */
  uint32_t mixed;           /* 1: but some layers in float */
  uint32_t has_recipe, has_self_test;
  uint32_t reserved;
  uint64_t file_bytes;
  uint64_t weight_bytes;    /* of all constants, inflated */
  uint64_t memory_bytes;    /* allocated by the model, the mapping not counted */
  uint64_t mapped_bytes;    /* of the file, mapped */
  const char *isa;
} cnnrt_model_info;
cnnrt_status cnnrt_model_get_info(const cnnrt_model *model, cnnrt_model_info *info);

typedef struct cnnrt_tensor_info {
  size_t size;
  const char *name;
  cnnrt_type type;          /* as it lies in the bundle */
  uint32_t rank;
  int64_t shape[CNNRT_MAX_RANK]; /* ONNX order: N, C, H, W */
  float scale;              /* real value = (stored − zero_point) · scale; 0 where the type is not quantized */
  int32_t zero_point;
} cnnrt_tensor_info;
cnnrt_status cnnrt_model_get_input(const cnnrt_model *model, uint32_t index, cnnrt_tensor_info *info);
cnnrt_status cnnrt_model_get_output(const cnnrt_model *model, uint32_t index, cnnrt_tensor_info *info);

typedef struct cnnrt_layer_info {
  size_t size;
  const char *name;
  const char *op;           /* ONNX operator name: "Conv", "MaxPool", … */
  uint64_t multiply_adds;   /* per image */
  uint64_t weight_bytes;
  cnnrt_tensor_info output; /* its first output; set output.size too */
} cnnrt_layer_info;
cnnrt_status cnnrt_model_get_layer(const cnnrt_model *model, uint32_t index, cnnrt_layer_info *info);

/* The label of a class, or NULL if there is none. */
const char *cnnrt_model_label(const cnnrt_model *model, uint32_t index);
/* The value of a metadata key, or NULL. */
const char *cnnrt_model_metadata(const cnnrt_model *model, const char *key);
/* The index-th metadata entry's key, or NULL past the end. */
const char *cnnrt_model_metadata_key(const cnnrt_model *model, uint32_t index);

typedef struct cnnrt_recipe { /* how an 8-bit image becomes the input; FORMAT.md, "Recipe" */
  size_t size;
  uint32_t width, height, channels;
  uint32_t channel_order;   /* 0 grey, 1 RGB, 2 BGR */
  uint32_t resize;          /* 0 stretch, 1 crop, 2 letterbox */
  uint32_t resize_shorter;
  uint32_t fill[3];
  float mean[3], deviation[3]; /* input = (pixel / 255 − mean) / deviation */
} cnnrt_recipe;
/* CNNRT_ERROR_STATE if the bundle has no recipe. */
cnnrt_status cnnrt_model_get_recipe(const cnnrt_model *model, cnnrt_recipe *recipe);

/* ---- Sessions ----------------------------------------------------------------------------------------------------- */

typedef struct cnnrt_session cnnrt_session;

/* Runs task(task_context, 0) … task(task_context, count − 1), each exactly once, in any order, at the same time or one after another,
 * and returns when all have ended. No exception may leave it: nothing unwinds through the library. */
typedef void (*cnnrt_parallel_for)(void *context, void (*task)(void *task_context, int32_t index), void *task_context, int32_t count);

enum { CNNRT_SESSION_PROFILE = 1 /* time every layer in cnnrt_session_run */ };

typedef struct cnnrt_session_options {
  size_t size;
  uint32_t flags;           /* CNNRT_SESSION_… */
  int32_t threads;          /* 0 or 1: the calling thread alone. n: n − 1 workers of the library's pool help (at most 64), or
                               parallel_for is given that many tasks. The results are the same for every number. */
  int32_t batch;            /* images per run; 0: the bundle's (1) */
  uint32_t reserved;
  cnnrt_parallel_for parallel_for; /* NULL: the library's pool */
  void *parallel_context;
  void *arena;              /* the session's memory, aligned to 64 bytes and at least cnnrt_session_arena_size bytes, kept by the caller
                               until cnnrt_session_destroy; NULL: the library allocates that much */
  size_t arena_bytes;
} cnnrt_session_options;

/* Exactly how many bytes a session with these options takes: everything but the library's pool of threads, which all
 * sessions share: 256 KiB of stack for each, and 2 KiB. Allocates nothing. */
cnnrt_status cnnrt_session_arena_size(const cnnrt_model *model, const cnnrt_session_options *options, size_t *out, cnnrt_error *error);
/* options may be NULL. Errors: INVALID_ARGUMENT (arena too small or not aligned), OUT_OF_MEMORY, THREAD. */
cnnrt_status cnnrt_session_create(const cnnrt_model *model, const cnnrt_session_options *options, cnnrt_session **out, cnnrt_error *error);
/* NULL is allowed. A caller's arena may be freed or used again afterwards. */
void cnnrt_session_destroy(cnnrt_session *session);

/* ---- Data in ------------------------------------------------------------------------------------------------------- */

/* A tensor in the caller's memory. */
typedef struct cnnrt_array {
  size_t size;
  void *data;
  cnnrt_type type;          /* CNNRT_FLOAT32: real values. CNNRT_UINT8: the stored values of a quantized tensor. */
  uint32_t rank;
  int64_t shape[CNNRT_MAX_RANK];   /* the tensor's: N, C, H, W of an image, whatever the order in memory; N is the session's batch */
  int64_t strides[CNNRT_MAX_RANK]; /* bytes from one index to the next, same order: NCHW float has (…, 4·H·W, 4·W, 4), NHWC
                                      (…, 4, 4·W·C, 4·C). All 0: row-major without gaps. */
} cnnrt_array;

/* Copies an input in: float is quantized where the network is (divide by the scale, round to nearest even, add the zero point, clamp). */
cnnrt_status cnnrt_session_set_input(cnnrt_session *session, uint32_t index, const cnnrt_array *array, cnnrt_error *error);
/* Where the session itself keeps an input or output, to write or read it in place without a copy: `data`, the tensor's own type, shape and strides. Valid until
 * the session is destroyed; write inside the shape only. What an input holds is kept from run to run. UNSUPPORTED for tensors that are
 * not kept in a plain order (images of more than 16 channels): use set_input and get_output. */
cnnrt_status cnnrt_session_map_input(cnnrt_session *session, uint32_t index, cnnrt_array *array, cnnrt_error *error);
cnnrt_status cnnrt_session_map_output(cnnrt_session *session, uint32_t index, cnnrt_array *array, cnnrt_error *error);

/* 8-bit pixels, rows from top to bottom. */
typedef struct cnnrt_image {
  size_t size;
  const uint8_t *pixels;
  uint32_t width, height;
  uint32_t channels;        /* 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. Alpha is laid over black. */
  uint32_t reserved;
  int64_t row_bytes;        /* from a row to the next; negative for bottom-up */
} cnnrt_image;
/* Image `batch_index` of input 0 from pixels: resized, cropped, converted to grey or RGB, normalised and quantized by the
 * bundle's recipe, in fixed point: the same bits everywhere. Errors: STATE (no recipe), INVALID_ARGUMENT. */
cnnrt_status cnnrt_session_set_image_at(cnnrt_session *session, int32_t batch_index, const cnnrt_image *image, cnnrt_error *error);
/* The same for batch_index 0. */
cnnrt_status cnnrt_session_set_image(cnnrt_session *session, const cnnrt_image *image, cnnrt_error *error);

/* ---- Run ------------------------------------------------------------------------------------------------------------ */

/* Computes the outputs from the inputs. Allocates nothing, takes no lock that a caller can feel, leaves the floating-point environment as it was. */
cnnrt_status cnnrt_session_run(cnnrt_session *session, cnnrt_error *error);

/* ---- Data out -------------------------------------------------------------------------------------------------------- */

/* Copies an output out; type CNNRT_FLOAT32 dequantizes. STATE before the first run. */
cnnrt_status cnnrt_session_get_output(cnnrt_session *session, uint32_t index, const cnnrt_array *array, cnnrt_error *error);

typedef struct cnnrt_class { uint32_t index; float score; } cnnrt_class;
/* The k largest of an output's values for image `batch_index`, best first, dequantized; equal ones by lower index first. If k is larger than the
 * number of values, the rest of classes is filled with index UINT32_MAX, score 0. If the output is not a softmax, scores are what the network gives. */
cnnrt_status cnnrt_session_top_k_at(cnnrt_session *session, uint32_t output, int32_t batch_index, uint32_t k, cnnrt_class *classes, cnnrt_error *error);
cnnrt_status cnnrt_session_top_k(cnnrt_session *session, uint32_t output, uint32_t k, cnnrt_class *classes, cnnrt_error *error);

/* Time of a layer in the last run, in nanoseconds; -1 without CNNRT_SESSION_PROFILE, 0 for a layer that is fused into another. */
int64_t cnnrt_session_layer_nanoseconds(const cnnrt_session *session, uint32_t layer);

/* ---- Self-test --------------------------------------------------------------------------------------------------------- */

/* Runs the bundle's own input and compares with its expected output: equal to the bit for quantized bundles, within the
 * stated tolerance for float. Verifies the checksums first. Overwrites the session's inputs and outputs. Errors: STATE (the bundle has none),
 * FORMAT, SELF_TEST. */
cnnrt_status cnnrt_session_self_test(cnnrt_session *session, cnnrt_error *error);

#ifdef __cplusplus
}
#endif
#endif
