/* cnnrt_train.h: trains a float bundle's network with the library's own kernels. Link with -lcnnrt-train, which has all of -lcnnrt as well.
 *
 * A trainer is made from a float model of one input and one output [N, classes], of any operators; a closing Softmax is replaced by
 * the loss, softmax cross-entropy. What learns are the weights and biases of Conv, ConvTranspose and Gemm, a constant second operand of
 * MatMul, the scales and biases of normalisations, and the slopes of PRelu; constants of Add, Sub, Mul and Div stay as they are. It copies
 * the parameters, learns from batches, and gives the parameters back by name, for the caller to write into a new bundle. The rules of
 * cnnrt.h hold; a trainer belongs to one thread at a time.
 *
 * The same seed (that is: initial parameters and order of images), options and thread count give the same bits on one instruction set.
 */
#ifndef CNNRT_TRAIN_H
#define CNNRT_TRAIN_H
#include "cnnrt.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct cnnrt_trainer cnnrt_trainer;

/* ADAMW: Adam with decoupled weight decay (Loshchilov & Hutter 2019), w −= rate · weight_decay · w before Adam's update of w. */
enum { CNNRT_OPTIMIZER_SGD = 0, CNNRT_OPTIMIZER_ADAM = 1, CNNRT_OPTIMIZER_ADAMW = 2 };

typedef struct cnnrt_trainer_options {
  size_t size;
  int32_t batch;            /* images per step at most (required) */
  int32_t threads;          /* 0 or 1: the calling thread alone */
  uint32_t optimizer;       /* CNNRT_OPTIMIZER_… */
  float momentum;           /* SGD: v = momentum · v + g; w −= rate · v (PyTorch's form) */
  float beta1, beta2;       /* Adam, AdamW (Kingma & Ba 2015): 0 means 0.9 and 0.999 */
  float epsilon;            /* Adam, AdamW: 0 means 1e-8 */
  float weight_decay;       /* SGD, Adam: L2, g += weight_decay · w; AdamW: decoupled, PyTorch's default there is 0.01. For every parameter, as in PyTorch */
  float batch_norm_momentum;/* running = (1 − m) · running + m · batch; 0 means 0.1 */
  uint32_t reserved[2];
  uint32_t padding;         /* Not read. */
  /* The loss that is learnt from, as PyTorch's CrossEntropyLoss has it. With t the target of an image (1 for its label, 0 for the others),
   * s = label_smoothing, C classes and W the class weights: q[c] = W[c] · ((1 − s) · t[c] + s / C), and the loss is
   * Σ over images and classes of −q[c] · log softmax[c], divided by the sum of the labels' weights; with targets in place of labels by the images. */
  float label_smoothing;    /* 0 … 1; 0: none */
  uint32_t class_weight_count; /* the network's classes, or 0: all weigh the same */
  const float *class_weights;  /* finite, at least 0; copied */
  float max_gradient_norm;  /* gradients are scaled so that their L2 norm over all parameters is at most this (torch.nn.utils.clip_grad_norm_); 0: not */
  float ema_decay;          /* average = d · average + (1 − d) · w after each step, of parameters and running statistics; takes their memory
                               once more. 0: none. The averages begin as the parameters do. */
  uint64_t seed;            /* of what is random in a step: dropout */
} cnnrt_trainer_options;

/* Exactly how many bytes a trainer with these options allocates. */
cnnrt_status cnnrt_trainer_memory_size(const cnnrt_model *model, const cnnrt_trainer_options *options, size_t *out, cnnrt_error *error);
/* The model may be closed afterwards. Errors: UNSUPPORTED (an operator that cannot be trained, a quantized bundle), OUT_OF_MEMORY, THREAD. */
cnnrt_status cnnrt_trainer_create(const cnnrt_model *model, const cnnrt_trainer_options *options, cnnrt_trainer **out, cnnrt_error *error);
void cnnrt_trainer_destroy(cnnrt_trainer *trainer);

typedef struct cnnrt_train_result {
  size_t size;
  double loss;              /* mean cross-entropy over the images, natural logarithm. Of a step: the loss that is learnt from (label_smoothing,
                               class_weights); of an evaluation: without these, so that runs can be compared */
  uint32_t correct;         /* images whose largest output is the label's; the first of several that are equal */
  uint32_t reserved;
  uint32_t correct_top5;    /* images whose label's output is among the five largest */
  uint32_t reserved2;
  double gradient_norm;     /* of a step with max_gradient_norm: L2 norm before clipping; 0 otherwise */
} cnnrt_train_result;

/* One step: forward with batch statistics, backward, update. images: float NCHW [count, C, H, W], already normalised;
 * labels: class numbers [count]; count ≤ options.batch. result may be NULL.
 * Errors: INVALID_ARGUMENT (a label out of range …); nothing is changed then. */
cnnrt_status cnnrt_trainer_step(cnnrt_trainer *trainer, const float *images, const int32_t *labels, int32_t count, float learning_rate,
                                cnnrt_train_result *result, cnnrt_error *error);
/* Forward and backward as in a step, without the update: leaves the gradients to be read (tests, accumulation by the caller). Running statistics are not changed. */
cnnrt_status cnnrt_trainer_gradients(cnnrt_trainer *trainer, const float *images, const int32_t *labels, int32_t count,
                                     cnnrt_train_result *result, cnnrt_error *error);
/* Forward as in inference (running statistics), no learning. */
cnnrt_status cnnrt_trainer_evaluate(cnnrt_trainer *trainer, const float *images, const int32_t *labels, int32_t count,
                                    cnnrt_train_result *result, cnnrt_error *error);

/* A batch with more to say. Its labels, or targets, or both: then the loss takes the targets, and the labels say what is correct.
 * Without labels the largest target is the label. */
typedef struct cnnrt_train_batch {
  size_t size;
  const float *images;      /* NCHW [count, C, H, W], already normalised */
  const int32_t *labels;    /* [count], or NULL */
  const float *targets;     /* probabilities [count, classes], or NULL: mixed or smoothed labels. Finite, at least 0; that they sum to 1 is not checked */
  int32_t count;            /* at most options.batch */
  uint32_t flags;           /* CNNRT_BATCH_… */
} cnnrt_train_batch;

/* To evaluate: with the averages (ema_decay) in place of the parameters and running statistics. */
enum { CNNRT_BATCH_AVERAGES = 1 };

/* As the three functions above, which these are with labels alone. */
cnnrt_status cnnrt_trainer_step_batch(cnnrt_trainer *trainer, const cnnrt_train_batch *batch, float learning_rate, cnnrt_train_result *result,
                                      cnnrt_error *error);
cnnrt_status cnnrt_trainer_gradients_batch(cnnrt_trainer *trainer, const cnnrt_train_batch *batch, cnnrt_train_result *result, cnnrt_error *error);
cnnrt_status cnnrt_trainer_evaluate_batch(cnnrt_trainer *trainer, const cnnrt_train_batch *batch, cnnrt_train_result *result, cnnrt_error *error);

/* The outputs of the last step or evaluation, before softmax: [its count, classes]; count is the number of elements. */
cnnrt_status cnnrt_trainer_get_outputs(const cnnrt_trainer *trainer, float *values, uint64_t count, cnnrt_error *error);

typedef struct cnnrt_parameter_info {
  size_t size;
  const char *name;         /* of the constant in the bundle */
  uint32_t rank;
  uint32_t trainable;       /* 0: running mean and variance */
  int64_t shape[CNNRT_MAX_RANK];
  uint64_t count;           /* elements */
} cnnrt_parameter_info;
uint32_t cnnrt_trainer_parameter_count(const cnnrt_trainer *trainer);
cnnrt_status cnnrt_trainer_get_parameter_info(const cnnrt_trainer *trainer, uint32_t index, cnnrt_parameter_info *info);
/* Values and gradients in plain row-major order (OIHW for convolutions); count must be the parameter's. The gradient is that of the mean loss of the last step, without
 * weight decay and clipping. set_parameter sets the average as well. */
cnnrt_status cnnrt_trainer_get_parameter(const cnnrt_trainer *trainer, uint32_t index, float *values, uint64_t count, cnnrt_error *error);
cnnrt_status cnnrt_trainer_set_parameter(cnnrt_trainer *trainer, uint32_t index, const float *values, uint64_t count, cnnrt_error *error);
cnnrt_status cnnrt_trainer_get_gradient(const cnnrt_trainer *trainer, uint32_t index, float *values, uint64_t count, cnnrt_error *error);
/* The parameter's average; an error without ema_decay. */
cnnrt_status cnnrt_trainer_get_average(const cnnrt_trainer *trainer, uint32_t index, float *values, uint64_t count, cnnrt_error *error);

/* The whole state (parameters, running statistics, their averages, optimiser moments, step count, seed) as bytes: loaded into a trainer of the same network and
 * options, training goes on to the same bits. load checks everything and changes nothing on failure. */
uint64_t cnnrt_trainer_state_size(const cnnrt_trainer *trainer);
cnnrt_status cnnrt_trainer_save_state(const cnnrt_trainer *trainer, void *bytes, uint64_t byte_count, cnnrt_error *error);
cnnrt_status cnnrt_trainer_load_state(cnnrt_trainer *trainer, const void *bytes, uint64_t byte_count, cnnrt_error *error);

#ifdef __cplusplus
}
#endif
#endif
