/* What training needs of an instruction set beside the inference kernels of CKernels.h: where its time goes. Forward convolutions and the
 * gradients of their inputs are cnn_kernels.conv_f32; the gradients of pools and the like are in module Training. */
#pragma once
#include "CKernels.h"

/* Images `first` … `first + count − 1` of a prepared call, as share `share` of the batch. Shares run at the same time; what they sum up goes
 * to a place of each share's own, and images come in order, so a batch cut in the same way gives the same bits. Allocates nothing. */
typedef void (*cnn_training_kernel)(const void *arguments, int32_t first, int32_t count, int32_t share);

/* A tensor of a batch, or one image for each share where it is not needed for longer:
 * image n lies at view.data + n · view.image + share · this.share, one of the two distances being 0. */
typedef struct cnn_slot {
  cnn_view view;
  int64_t share;                    /* bytes */
} cnn_slot;

/* Gradient of a convolution's (or fully connected layer's) weights and bias, added to what is there:
 *   weights[block][s][t][16 oc] += Σ over images and output pixels  dy[oc] · x[oy·stride_y·row + ox·stride_x·pixel + offsets[s] + 4·t]
 *   bias[oc]                    += Σ dy[oc]
 * in the order of cnn_conv's weights and with its table of offsets. */
typedef struct cnn_conv_gradient {
  cnn_slot x, dy;
  const int32_t *offsets;
  int32_t full_segments, full_steps, last_segments, last_steps;
  int32_t stride_y, stride_x;
  float *weights, *bias;            /* of share 0; bias may be NULL */
  int64_t share;                    /* bytes to the next share's weights and bias */
} cnn_conv_gradient;

/* Gradients of a depthwise convolution, all tensors in blocks.
 * Of the weights, added to what is there: weights[block][t][16 c] += Σ over images and output pixels  dy[c] · x[oy·stride_y·row + ox·stride_x·pixel + taps[t].pixel]
 * and bias[c] += Σ dy[c]. */
typedef struct cnn_tap_offset { int32_t pixel, weight; /* bytes */ } cnn_tap_offset;
typedef struct cnn_depthwise_weights {
  cnn_slot x, dy;
  const cnn_tap_offset *taps;       /* in the order of the weights */
  int32_t tap_count, stride_y, stride_x;
  float *weights, *bias;            /* of share 0; bias may be NULL */
  int64_t share;                    /* bytes to the next share's weights and bias */
} cnn_depthwise_weights;
/* Of the input: dx[pixel] = Σ dy[pixel + taps[t].pixel] · weights[block][taps[t].weight]. dx.row and dx.pixel may be multiples, for one phase of the strides. */
typedef struct cnn_depthwise_data {
  cnn_slot dy, dx;
  const cnn_tap_offset *taps;
  int32_t tap_count;
  const float *weights;
  int64_t weight_block;             /* bytes */
} cnn_depthwise_data;

/* Batch normalisation, perhaps with a clamp and a max pool of windows that touch (their stride is their size) behind it, so that only
 * x and the pool's output are kept: y = max over the window of x · scale + shift, clamped to low … high. Window 1×1: no pool.
 * Arrays have a value per channel, padded to 16. Sums are those of image `first` alone (count is 1): whoever calls adds them up in
 * double precision. */
typedef struct cnn_batch_norm {
  cnn_slot x, y, dy, dx;
  const float *mean, *scale, *shift, *dy_mean, *slope;
  float low, high;                  /* ReLU: 0, +inf; none: −inf, +inf */
  int32_t window_height, window_width;
  float *sums;                      /* [3][channels] */
} cnn_batch_norm;

/* dx = dy · f′(x) of one image in blocks; `kind` is the CNNB_OP_… of an activation, alpha and beta are its attributes (cnn_unary). */
typedef struct cnn_unary_gradient {
  cnn_view x, dy, dx;
  int32_t kind;
  float alpha, beta;
} cnn_unary_gradient;

typedef struct cnn_training_kernels {
  cnn_training_kernel conv_gradient;
  cnn_training_kernel depthwise_weights, depthwise_data;
  cnn_training_kernel unary_gradient;
  /* sums = a rough mean, Σ (x − rough mean), Σ (x − rough mean)² */
  cnn_training_kernel batch_norm_statistics;
  /* y, where there is a pool */
  cnn_training_kernel batch_norm_pool;
  /* sums = Σ g, Σ g · (x − mean), g being the gradient at x · scale + shift: dy at the first largest of the window, 0 elsewhere and
   * where the clamp is */
  cnn_training_kernel batch_norm_reduce;
  /* dx = scale · (g − dy_mean − (x − mean) · slope), with dy_mean = Σ g / n, slope = (Σ g · (x − mean) / n) / (variance + ε) */
  cnn_training_kernel batch_norm_apply;
} cnn_training_kernels;

void cnn_training_kernels_baseline(cnn_training_kernels *out);
void cnn_training_kernels_avx2(cnn_training_kernels *out);
/* With VNNI too. */
void cnn_training_kernels_avx512(cnn_training_kernels *out);
/* With dotprod too. */
void cnn_training_kernels_neon(cnn_training_kernels *out);

/* Taps of the depthwise weight gradient's register tile. */
#if defined(__AVX512F__)
#define CNN_DEPTHWISE_TAPS 9
#else
#define CNN_DEPTHWISE_TAPS 3
#endif

/* Rows of the weight gradient's register tile; a row of 16 takes two vector registers (AVX2), one (AVX-512) or four (SSE, NEON). */
#if defined(__AVX512F__)
#define CNN_GRADIENT_ROWS 8
#elif defined(__AVX2__) || defined(__aarch64__)
#define CNN_GRADIENT_ROWS 6
#else
#define CNN_GRADIENT_ROWS 3
#endif
